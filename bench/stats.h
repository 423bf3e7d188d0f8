/* The statistics of a measurement: medians, percentiles, bootstrap intervals (seeded, deterministic), ties. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H
#include <stdbool.h>
#include <stdint.h>

struct interval {          /* 95 %; NaN = not measured; one sample has a v and no bounds */
    double v, lo, hi;
};
#define INTERVAL_NONE ((struct interval){NAN, NAN, NAN})

double stats_median(const double *x, int n);
double stats_median_reordering(double *x, int n);                      /* faster, without memory; x is reordered */
double stats_percentile(const double *x, int n, double p);             /* p in [0,1], linear between ranks */
double stats_mean(const double *x, int n);
double stats_stddev(const double *x, int n);                           /* n-1 */
struct interval stats_bootstrap_median(const double *x, int n, uint64_t seed);
struct interval stats_bootstrap_mean(const double *x, int n, uint64_t seed);
/* The mean with its plain percentile bootstrap interval at `level` (0.99). */
struct interval stats_mean_at_level(const double *x, int n, double level, int n_resamples, uint64_t seed);
/* Overlapping intervals cannot be ranked, nor can one without bounds. */
bool stats_tied(struct interval a, struct interval b);
/* a*b and a/b of positive quantities whose errors are independent: relative half-widths add in quadrature, each side
 * by itself. */
struct interval stats_product(struct interval a, struct interval b);
struct interval stats_ratio(struct interval a, struct interval b);
/* A share of n trials, k of them so, with Wilson's interval. */
struct interval stats_share(int k, int n);
/* Exact two-sided McNemar test of paired answers: b changed one way, c the other; the probability of a split at least
 * as uneven if both ways were equally likely. */
double stats_mcnemar(int b, int c);
/* (both + after_only) / (both + before_only) of paired counts: what is kept of a score. Half a count is added to each
 * before the interval is taken (from its logarithm), so that a few items without a change are no certainty. */
struct interval stats_paired_ratio(int both, int before_only, int after_only);
struct interval stats_exact(double v);                                 /* {v, v, v} */
#endif
