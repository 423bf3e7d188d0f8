/* Which formats of a group cannot win any more, so that the text goes to those that can. Means over chunks, paired,
 * because all saw the same ones; 99 % intervals, because there is a look after every chunk. */
#ifndef BENCH_RACE_H
#define BENCH_RACE_H
#include <stdbool.h>
#include "bench/stats.h"

enum { RACE_LEAST_CHUNKS = 5 }; /* before that nobody goes */
struct racer {
    const char *name, *framework;
    double bytes;
    struct interval decode, prefill; /* tokens per second; v NaN: it has no speed */
    const double *kld;               /* [n_chunks] means of chunks, in the order in which all were run */
    int n_chunks;
    bool out;
    char why[160]; /* of one that is out */
};
/* Takes out those whose KLD is surely above the limit (NaN: none) while another's is surely below, and those that
 * another format of their framework beats: surely closer, not larger, at least as fast. Returns how many are left. */
int race_look(struct racer *r, int n, double kld_limit);
/* Nothing can change: of those that are left every one stands on one side of the limit, and every pair of a framework
 * in one order. */
bool race_is_over(const struct racer *r, int n, double kld_limit);
#endif
