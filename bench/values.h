/* A table of values over time, as any program exports it: CSV with the columns value, time (dates or numbers; without
 * it the rows are in order) and, optionally, series (without it there is one). Names in any case, other columns are
 * passed over; commas, semicolons or tabs. Rows come out in order of time within their series. */
#ifndef BENCH_VALUES_H
#define BENCH_VALUES_H
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

struct value_row {
    double time, value;        /* seconds since 1970 of dates; a value that is missing is NaN */
    int line;                  /* of the file, from 1 */
    char when[32];             /* the time as it stands there */
};
struct values {
    char name[600];            /* "" where there is no column series */
    struct value_row *row;
    int n;
};
struct value_table {
    struct values *series;     /* in order of their first rows */
    int n;
    bool timed;                /* there is a column time */
    int n_missing, first_missing;   /* empty or "nan": how many, line of the first */
    int n_disorder, first_disorder; /* rows earlier than the row before them in their series; they were sorted */
};
/* text[0..n) is NUL-terminated; `where` names it in sentences. ERR_FORMAT and ERR_DATA name the line. */
int values_read(struct value_table *out, const char *text, size_t n, const char *where, struct err *e);
void values_free(struct value_table *t);
#endif
