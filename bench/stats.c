/* Medians, percentiles and seeded bootstrap intervals.
 *
 * The mean's interval is the expanded percentile bootstrap (T. Hesterberg, "What Teachers Should Know About
 * the Bootstrap", 2015, section 5.3): the plain one is too narrow for few samples by sqrt((n-1)/n) and by
 * using the normal instead of Student's quantile, so the percentiles are taken further out. The median's
 * needs no such help. */
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rng.h"

enum { N_RESAMPLES = 2000 };

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool has_nan(const double *x, int n)
{
    for (int i = 0; i < n; i++)
        if (isnan(x[i]))
            return true;
    return false;
}

static double percentile_of_sorted(const double *x, int n, double p)
{
    double at = p * (n - 1);
    int i = (int)at;
    return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[n - 1];
}

double stats_percentile(const double *x, int n, double p)
{
    if (n <= 0 || has_nan(x, n) || !(p >= 0 && p <= 1))
        return NAN;
    double *sorted = mem_alloc_n((size_t)n, sizeof *sorted);
    if (!sorted)
        return NAN;
    memcpy(sorted, x, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    double v = percentile_of_sorted(sorted, n, p);
    mem_free(sorted);
    return v;
}

double stats_median(const double *x, int n)
{
    return stats_percentile(x, n, 0.5);
}

double stats_mean(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return n > 0 ? sum / n : NAN;
}

double stats_stddev(const double *x, int n)
{
    if (n < 2)
        return NAN;
    double mean = stats_mean(x, n), sum = 0;
    for (int i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (n - 1));
}

/* The k-th smallest of x[n], which is reordered around it (Hoare's quickselect). */
static double select_kth(double *x, int n, int k)
{
    int lo = 0, hi = n - 1;
    while (lo < hi) {
        double pivot = x[lo + (hi - lo) / 2];
        int i = lo, j = hi;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                double t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            break;
    }
    return x[k];
}

double stats_median_reordering(double *x, int n)
{
    double upper = select_kth(x, n, n / 2);
    if (n % 2)
        return upper;
    double lower = x[0]; /* the largest of the lower half, which quickselect left in front */
    for (int i = 1; i < n / 2; i++)
        lower = x[i] > lower ? x[i] : lower;
    return 0.5 * (lower + upper);
}

static double mean_of_resample(double *x, int n)
{
    return stats_mean(x, n);
}

/* The percentile interval [tail, 1-tail] of statistic() over resamples of x[n] drawn with replacement. */
static struct interval bootstrap(const double *x, int n, int n_resamples, uint64_t seed, double tail, double v,
                                 double (*statistic)(double *, int))
{
    struct interval r = {v, NAN, NAN};
    double *draw = mem_alloc_n((size_t)n + (size_t)n_resamples, sizeof *draw);
    if (!draw)
        return r;
    double *result = draw + n;
    struct rng rng;
    rng_seed(&rng, seed);
    for (int b = 0; b < n_resamples; b++) {
        for (int i = 0; i < n; i++)
            draw[i] = x[rng_below(&rng, (uint64_t)n)];
        result[b] = statistic(draw, n);
    }
    qsort(result, (size_t)n_resamples, sizeof *result, compare_doubles);
    r.lo = percentile_of_sorted(result, n_resamples, tail);
    r.hi = percentile_of_sorted(result, n_resamples, 1 - tail);
    mem_free(draw);
    return r;
}

struct interval stats_bootstrap_median(const double *x, int n, uint64_t seed)
{
    double v = stats_median(x, n);
    if (n < 2 || isnan(v))
        return (struct interval){v, NAN, NAN};
    return bootstrap(x, n, N_RESAMPLES, seed, 0.025, v, stats_median_reordering);
}

/* Student's 97.5 % quantile: a table, then the leading terms of its expansion about the normal one. */
static double student_975(int df)
{
    static const double table[] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706,
                                   2.4469,  2.3646, 2.3060, 2.2622, 2.2281};
    if (df <= 10)
        return table[df - 1];
    const double z = 1.959964, z3 = z * z * z;
    return z + (z3 + z) / (4 * df) + (5 * z3 * z * z + 16 * z3 + 3 * z) / (96.0 * df * df);
}

struct interval stats_bootstrap_mean(const double *x, int n, uint64_t seed)
{
    double v = has_nan(x, n) ? NAN : stats_mean(x, n);
    if (n < 2 || isnan(v))
        return (struct interval){v, NAN, NAN};
    double out = sqrt(n / (n - 1.0)) * student_975(n - 1);
    return bootstrap(x, n, N_RESAMPLES, seed, 0.5 * erfc(out / sqrt(2)), v, mean_of_resample);
}

struct interval stats_mean_at_level(const double *x, int n, double level, int n_resamples, uint64_t seed)
{
    double v = has_nan(x, n) ? NAN : stats_mean(x, n);
    if (n < 2 || isnan(v))
        return (struct interval){v, NAN, NAN};
    return bootstrap(x, n, n_resamples, seed, (1 - level) / 2, v, mean_of_resample);
}

bool stats_tied(struct interval a, struct interval b)
{
    return !(a.lo > b.hi || b.lo > a.hi);
}

/* v with one relative error on each side; a side that falls below zero stops there, these are positive
 * quantities. */
static struct interval around(double v, double below, double above)
{
    return (struct interval){v, below < 1 ? v * (1 - below) : below >= 1 ? 0 : NAN, v * (1 + above)};
}
static double side(double v, double bound)
{
    return fabs(v - bound) / v;
}

struct interval stats_product(struct interval a, struct interval b)
{
    return around(a.v * b.v, hypot(side(a.v, a.lo), side(b.v, b.lo)),
                  hypot(side(a.v, a.hi), side(b.v, b.hi)));
}

/* The quotient is low where b is high. */
struct interval stats_ratio(struct interval a, struct interval b)
{
    return around(a.v / b.v, hypot(side(a.v, a.lo), side(b.v, b.hi)),
                  hypot(side(a.v, a.hi), side(b.v, b.lo)));
}

struct interval stats_exact(double v)
{
    return (struct interval){v, v, v};
}

struct interval stats_share(int k, int n)
{
    const double z = 1.959963984540054;
    if (n <= 0)
        return INTERVAL_NONE;
    double p = (double)k / n, zz = z * z / n, mid = p + zz / 2, half = z * sqrt(p * (1 - p) / n + zz / (4 * n));
    return (struct interval){p, (mid - half) / (1 + zz), (mid + half) / (1 + zz)};
}

struct interval stats_paired_ratio(int both, int before_only, int after_only)
{
    const double z = 1.959963984540054;
    double before = both + before_only, after = both + after_only;
    if (before <= 0)
        return INTERVAL_NONE;
    double err = sqrt((before_only + after_only + 1) / ((before + 0.5) * (after + 0.5)));
    double mid = log((after + 0.5) / (before + 0.5));
    return (struct interval){after / before, exp(mid - z * err), exp(mid + z * err)};
}

double stats_mcnemar(int b, int c)
{
    int n = b + c, few = b < c ? b : c;
    double tail = 0;
    for (int i = 0; i <= few; i++) /* binomial, through logarithms: n may be thousands */
        tail += exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) - n * log(2));
    return 2 * few == n ? 1 : fmin(1, 2 * tail);
}
