/* Is one set of runs slower than another? Exact where exact is possible, seeded where random. NaN is no value: callers
 * leave it out before; where it comes through, the answer is NaN. */
#ifndef BENCH_STATS_COMPARE_H
#define BENCH_STATS_COMPARE_H
#include <stdint.h>
#include "bench/stats.h"

/* One-sided: the probability, if both come from one distribution, of a rank sum of a at least as large as seen. Exact
 * (by counting, ties included: the distribution given the ranks that are there) up to 400 pairs a*b, and further where
 * the smaller side is small; else normal with the corrections for ties and continuity. 1 when a side is empty. */
double stats_mann_whitney(const double *a, int n_a, const double *b, int n_b);
double stats_mann_whitney_two_sided(const double *a, int n_a, const double *b, int n_b); /* twice the smaller tail */
/* One-sided: differences d tend to be positive. Those that are zero do not count. Exact (by counting, ties included)
 * up to 60 others, else normal with the same corrections. 1 when none is left. */
double stats_wilcoxon(const double *d, int n);
/* adjusted[i] = the smallest false discovery rate at which test i still passes (Benjamini and Hochberg 1995). In place
 * is fine. ERR_NOMEM. */
int stats_benjamini_hochberg(const double *p, double *adjusted, int n);
/* median(a) / median(b) with its percentile bootstrap interval at `level` (0.99), `n_resamples` (2000), seeded. Both
 * positive. Without bounds where a side has one value. */
struct interval stats_ratio_of_medians(const double *a, int n_a, const double *b, int n_b, double level,
                                       int n_resamples, uint64_t seed);
/* P(|T| >= |t|) of Student's distribution with df > 0 degrees of freedom. */
double stats_student_two_sided(double t, double df);
double stats_mad(const double *x, int n);   /* median absolute deviation from the median, times 1.4826 */
#endif
