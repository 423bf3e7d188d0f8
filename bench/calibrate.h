/* Read bandwidth piece by piece, for what measures it between other things. Order: bandwidth_open ->
 * bandwidth_find_cache -> bandwidth_now ... -> bandwidth_close. calibrate_bandwidth (measure.h) is all of it in one.
 */
#ifndef BENCH_CALIBRATE_H
#define BENCH_CALIBRATE_H
#include "bench/measure.h"

struct bandwidth_probe {
    struct pool *pool;
    uint64_t isa;
    uint8_t *p;          /* touched memory */
    size_t bytes, at;    /* the working set; where the next window is read */
    int64_t cache_bytes; /* largest working set that was clearly faster than memory; 0: none seen */
};
/* A working set of 256 MiB or twice the reported cache, or a quarter of the free memory where that is less. ERR_LIMIT
 * when that is too little. */
int bandwidth_open(struct bandwidth_probe *b, struct pool *pool, uint64_t isa, struct err *e);
/* Sets cache_bytes within about budget_s, and enlarges the working set to four times that where memory allows. */
int bandwidth_find_cache(struct bandwidth_probe *b, double budget_s, struct err *e);
/* GB/s of this moment: the median of a few short windows, each further on in the working set; a few milliseconds. */
double bandwidth_now(struct bandwidth_probe *b);
void bandwidth_close(struct bandwidth_probe *b);
/* One such figure, out of 256 MiB whatever cache is reported, since touching more takes seconds; NaN: no memory. */
double bandwidth_glance(struct pool *pool, uint64_t isa);
#endif
