/* Figures of another program out of a CSV: metric,value,better and, optionally, unit, time or date, commit; columns in
 * any order, names in any case. Rows of one time and commit are a run; those of a metric within it its repetitions. */
#ifndef BENCH_IMPORT_FOREIGN_H
#define BENCH_IMPORT_FOREIGN_H
#include "bench/series.h"

/* A metric,value CSV that says which way is better: only figures of others need that. */
bool import_is_foreign(const char *text);
/* like: source, device, hashes, and the date of rows that have none. all: metrics with names of ours too; else *n_ours
 * counts those rows, and leaves them to import_text. All or nothing: the sentence names line and column. */
int import_foreign(const char *text, const char *where, const struct foreign_run *like, bool all,
                   struct foreign_run **out, int *n, int *n_ours, struct err *e);
void import_foreign_free(struct foreign_run *r, int n);
/* "2026-11-22", "2026-11-22T03:15:00+01:00" or seconds since 1970 as records write it; false: it is no time. */
bool import_date(char out[32], const char *text);
#endif
