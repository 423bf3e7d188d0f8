/* What the importers share: a growing list of records and the file they come from. */
#ifndef BENCH_IMPORT_STATE_H
#define BENCH_IMPORT_STATE_H
#include "bench/import.h"
#include "bench/runners/llama_bench.h"

struct import {
    const char *text, *where, *device;
    size_t size;
    struct record *rec;
    struct llama_bench_row *row; /* the row that rec[i] began with, for pairing prompt and generation */
    int n, cap;
    struct err *e;
};
struct record *import_add(struct import *im); /* a new record with device and run_id; NULL: no memory */
/* One row of llama-bench: a new record, or the missing half of an earlier one. 0, or ERR_NOMEM. */
int import_llama_bench_row(struct import *im, const struct llama_bench_row *row);

enum { MOST_COLUMNS = 128, MOST_CELL = 1024 };
struct cells {
    int n;
    char text[MOST_COLUMNS][MOST_CELL];
};
bool import_csv_cells(const char **p, struct cells *c); /* one line; false at the end of the text */
bool import_csv_knows(const char *name);                /* a field or figure of records */
/* import_csv.c: readers of text with cells. Each returns the number of rows it understood, or a negative error. */
int import_csv_llama_bench(struct import *im);
int import_csv_metrics(struct import *im);
int import_sql_llama_bench(struct import *im);
/* import_perplexity.c */
int import_perplexity(struct import *im);
#endif
