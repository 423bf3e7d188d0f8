/* The store as a file of JSON lines and back, its upkeep and its proof. A line is a record as in records.jsonl, a run
 * of another program ({"foreign":1,...}) or a change ({"change":{...}}); files merge with `cat`, and a line that is
 * known is no second one. */
#ifndef BENCH_STORE_FILE_H
#define BENCH_STORE_FILE_H
#include "bench/series.h"

/* Every line, in an order that depends on the content alone. fn returns non-zero to stop (and that is returned). */
int store_export(struct store *s, int (*fn)(void *arg, const char *line, size_t n), void *arg, struct err *e);
struct import_count {
    int64_t records, foreign, changes, known;
};
/* Adds to *c. Read and kept piece by piece: an error names its line, and what stands before it is kept. */
int store_import(struct store *s, const char *path, struct import_count *c, struct err *e);

struct prune_rule {
    int64_t before;      /* runs from before that time; 0: none. A run without a date has no age. */
    int keep_runs;       /* of each cell and environment all but the newest so many; 0: all stay */
    bool dry_run;        /* only count */
};
struct prune_count {
    int64_t runs, samples, kept; /* kept: would go, but an open change rests on them */
};
int store_prune(struct store *s, const struct prune_rule *rule, struct prune_count *c, struct err *e);

struct verify_count {
    int64_t runs, figures, samples, points, problems;
};
/* Every content hash again, every figure, repetition and point against the content; rows without a run; what the
 * database says of itself. say gets a sentence a problem. */
int store_verify(struct store *s, void (*say)(void *arg, const char *sentence), void *arg, struct verify_count *c,
                 struct err *e);
#endif
