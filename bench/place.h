/* Where a framework computes, as it was asked for: --backend, --gpu-layers, --set; into a cell and its record. */
#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H
#include "bench/request.h"
#include "bench/runners/runner.h"

enum { MOST_PLACES = 8 };
/* Are they numbers of layers, or all, and not too many? */
int place_check(const struct request *req, struct err *e);
/* Rows of one format in that framework: one for each of --gpu-layers, if it shares a model out at all. */
int place_count(const struct request *req, const struct runner *r);
/* The i-th of them into a cell, whose runner is set, and its record, before record_cell_id. */
void place_set(const struct request *req, int i, struct measure_cell *cell, struct record *r);
#endif
