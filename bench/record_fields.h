/* The members of struct record as rows, from metrics.def and record.def: what JSON, the store and `list metrics` loop
 * over. Order inside a group is that of the rows; groups keep the order of their first row. */
#ifndef BENCH_RECORD_FIELDS_H
#define BENCH_RECORD_FIELDS_H
#include "bench/record.h"

enum field_kind {
    FIELD_STR,
    FIELD_FLAG,
    FIELD_INT,
    FIELD_COUNT,
    FIELD_COUNT64,
    FIELD_BYTES,
    FIELD_U64,
    FIELD_SEED,
    FIELD_ISA,
    FIELD_NUM,
    FIELD_IVL,
    FIELD_SAMPLES,
    FIELD_CHUNKS,
    FIELD_PROVENANCE,
    FIELD_STATUS,
    N_FIELD_KINDS
};
struct record_field {
    enum field_kind kind;
    const char *group, *key;    /* group "": top level */
    size_t offset, size;
    const char *unit, *doc;     /* NULL: not a figure */
    int better;                 /* 1 more is better, -1 less, 0 neither */
    bool watched;               /* by the gate */
};
extern const struct record_field record_fields[];
extern const int n_record_fields;

/* The figure of a row that has a unit: NaN when not measured; lo and hi only where the member is an interval. */
struct interval record_figure(const struct record *r, const struct record_field *f);
const struct record_field *record_figure_find(const char *key);   /* NULL when there is no such figure */
#endif
