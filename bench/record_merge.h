/* One number a run: what several processes measured of one cell, as one record. */
#ifndef BENCH_RECORD_MERGE_H
#define BENCH_RECORD_MERGE_H
#include "bench/record.h"

/* rec[n] of one cell, n >= 1: the latest of those that ended well (else of all), with the medians of their speeds,
 * memory and energy, the range of them as its interval, and the repetitions of all. */
void record_merge(struct record *out, const struct record *const *rec, int n);
#endif
