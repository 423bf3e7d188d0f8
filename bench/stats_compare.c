/* Rank tests, the false discovery rate, the ratio of two medians.
 *
 * Both rank tests count: how many of all equally likely ways to hand out the ranks give each rank sum (a knapsack over
 * the ranks). Ties are no obstacle, for tied values share the mean of their ranks, and twice that is a whole number.
 * All terms are positive, so nothing cancels and the smallest tails are right to the last digits. */
#include "bench/stats_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

static const double mad_to_sigma = 1.4826; /* 1 / 0.6745: of a normal distribution */
static const double most_additions = 8e6;  /* of counting: milliseconds */
enum { MOST_SIGNED = 60 };

struct value {
    double v;
    int from; /* place in the input */
};
static int by_value(const void *a, const void *b)
{
    double x = ((const struct value *)a)->v, y = ((const struct value *)b)->v;
    return (x > y) - (x < y);
}

/* rank[i] = twice the rank (from 1, the mean one of ties) of x[i]; *ties = sum of t^3 - t. False without memory. */
static bool rank_doubled(const double *x, int n, int *rank, double *ties)
{
    struct value *sorted = mem_alloc_n((size_t)n, sizeof *sorted);
    if (!sorted)
        return false;
    for (int i = 0; i < n; i++)
        sorted[i] = (struct value){x[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    *ties = 0;
    for (int i = 0, end; i < n; i = end) {
        for (end = i; end < n && sorted[end].v == sorted[i].v; end++)
            ;
        for (int k = i; k < end; k++)
            rank[sorted[k].from] = i + 1 + end;
        double t = end - i;
        *ties += t * t * t - t;
    }
    mem_free(sorted);
    return true;
}

struct tails {
    double up, down; /* P(sum >= seen), P(sum <= seen) */
};

static double normal_upper(double z)
{
    return 0.5 * erfc(z / sqrt(2));
}

/* `seen` of a sum with that mean and variance; whole steps are 1, hence half of one for continuity. */
static struct tails normal_tails(double seen, double mean, double variance)
{
    if (!(variance > 0))
        return (struct tails){1, 1};
    double s = sqrt(variance);
    return (struct tails){fmin(1, normal_upper((seen - mean - 0.5) / s)),
                          fmin(1, normal_upper((mean - seen - 0.5) / s))};
}

static struct tails tails_of_counts(const double *count, int n_sums, int seen)
{
    double up = 0, down = 0;
    for (int s = 0; s < n_sums; s++) {
        up += s >= seen ? count[s] : 0;
        down += s <= seen ? count[s] : 0;
    }
    double all = up + down - count[seen];
    return (struct tails){up / all, down / all};
}

/* Of all choices of m among n ranks: sums[k][s] counts those of k ranks that sum to s. NaN without memory. */
static struct tails count_choices(const int *rank, int n, int m, int most, int seen)
{
    size_t row = (size_t)most + 1;
    double *sums = mem_alloc_n((size_t)(m + 1) * row, sizeof *sums);
    if (!sums)
        return (struct tails){NAN, NAN};
    sums[0] = 1;
    int reach = 0; /* the largest sum so far, whatever the number of ranks */
    for (int i = 0; i < n; i++) {
        reach = reach + rank[i] < most ? reach + rank[i] : most;
        for (int k = i + 1 < m ? i + 1 : m; k >= 1; k--) {
            double *to = sums + (size_t)k * row;
            const double *from = to - row;
            for (int s = rank[i]; s <= reach; s++)
                to[s] += from[s - rank[i]];
        }
    }
    struct tails t = tails_of_counts(sums + (size_t)m * row, most + 1, seen);
    mem_free(sums);
    return t;
}

/* Tails of the rank sum of the first m of n values; halves: the ranks are doubled. */
static struct tails tails_of_rank_sum(int *rank, int n, int m, double ties)
{
    int halves = ties > 0 ? 2 : 1, most = 0, seen = 0;
    double mean = m * (n + 1) / 2.0, others = n - m, sum = 0;
    for (int i = 0; i < m; i++)
        sum += rank[i] / 2.0;
    if ((double)n * m * m * n * halves > most_additions)
        return normal_tails(sum, mean, m * others / 12.0 * (n + 1 - ties / ((double)n * (n - 1))));
    for (int i = 0; i < n; i++)
        rank[i] = rank[i] * halves / 2;
    for (int i = 0; i < m; i++)
        seen += rank[i];
    most = m * n * halves;
    return count_choices(rank, n, m, most, seen);
}

static struct tails mann_whitney(const double *a, int n_a, const double *b, int n_b)
{
    int n = n_a + n_b;
    double *all = mem_alloc_n((size_t)n, sizeof *all), ties;
    int *rank = mem_alloc_n((size_t)n, sizeof *rank);
    struct tails t = {NAN, NAN};
    if (all && rank) {
        memcpy(all, a, (size_t)n_a * sizeof *a);
        memcpy(all + n_a, b, (size_t)n_b * sizeof *b);
        if (!isnan(stats_median(all, n)) && rank_doubled(all, n, rank, &ties))
            t = tails_of_rank_sum(rank, n, n_a, ties);
    }
    mem_free(all);
    mem_free(rank);
    return t;
}

/* Counting costs by the first side, so the smaller one goes there. */
static struct tails mann_whitney_either(const double *a, int n_a, const double *b, int n_b)
{
    if (n_a <= 0 || n_b <= 0)
        return (struct tails){1, 1};
    if (n_a <= n_b)
        return mann_whitney(a, n_a, b, n_b);
    struct tails t = mann_whitney(b, n_b, a, n_a);
    return (struct tails){t.down, t.up};
}

double stats_mann_whitney(const double *a, int n_a, const double *b, int n_b)
{
    return mann_whitney_either(a, n_a, b, n_b).up;
}

double stats_mann_whitney_two_sided(const double *a, int n_a, const double *b, int n_b)
{
    struct tails t = mann_whitney_either(a, n_a, b, n_b);
    return isnan(t.up) ? NAN : fmin(1, 2 * fmin(t.up, t.down));
}

/* Each rank counts with its sign, plus or minus alike likely: chances[s] of a sum s of those with a plus. */
static double count_signs(const int *rank, int n, int seen)
{
    int most = n * (n + 1), reach = 0; /* doubled */
    double *chance = mem_alloc_n((size_t)most + 1, sizeof *chance);
    if (!chance)
        return NAN;
    chance[0] = 1;
    for (int i = 0; i < n; i++) {
        reach += rank[i];
        for (int s = reach; s >= 0; s--)
            chance[s] = 0.5 * (chance[s] + (s >= rank[i] ? chance[s - rank[i]] : 0));
    }
    double up = tails_of_counts(chance, most + 1, seen).up;
    mem_free(chance);
    return up;
}

static double wilcoxon_of(const double *d, const double *size, int *rank, int n)
{
    double ties;
    int seen = 0;
    if (!rank_doubled(size, n, rank, &ties))
        return NAN;
    for (int i = 0; i < n; i++)
        seen += d[i] > 0 ? rank[i] : 0;
    if (n <= MOST_SIGNED)
        return count_signs(rank, n, seen);
    double variance = n * (n + 1.0) * (2.0 * n + 1) / 24 - ties / 48;
    return normal_tails(seen / 2.0, n * (n + 1.0) / 4, variance).up;
}

double stats_wilcoxon(const double *d, int n)
{
    if (n <= 0)
        return 1;
    double *kept = mem_alloc_n(2 * (size_t)n, sizeof *kept), *size = kept ? kept + n : NULL, p = NAN;
    int *rank = mem_alloc_n((size_t)n, sizeof *rank), n_kept = 0;
    if (kept && rank && !isnan(stats_median(d, n))) {
        for (int i = 0; i < n; i++)
            if (d[i] != 0) {
                kept[n_kept] = d[i];
                size[n_kept++] = fabs(d[i]);
            }
        p = n_kept ? wilcoxon_of(kept, size, rank, n_kept) : 1;
    }
    mem_free(kept);
    mem_free(rank);
    return p;
}

int stats_benjamini_hochberg(const double *p, double *adjusted, int n)
{
    if (n <= 0)
        return 0;
    struct value *sorted = mem_alloc_n((size_t)n, sizeof *sorted);
    if (!sorted)
        return ERR_NOMEM;
    for (int i = 0; i < n; i++)
        sorted[i] = (struct value){p[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    double least = 1;
    for (int i = n; i >= 1; i--) {
        least = fmin(least, sorted[i - 1].v * n / i);
        adjusted[sorted[i - 1].from] = least;
    }
    mem_free(sorted);
    return 0;
}

static double median_of_draw(struct rng *rng, const double *x, int n, double *draw)
{
    for (int i = 0; i < n; i++)
        draw[i] = x[rng_below(rng, (uint64_t)n)];
    return stats_median_reordering(draw, n);
}

struct interval stats_ratio_of_medians(const double *a, int n_a, const double *b, int n_b, double level,
                                       int n_resamples, uint64_t seed)
{
    struct interval r = {stats_median(a, n_a) / stats_median(b, n_b), NAN, NAN};
    if (n_a < 2 || n_b < 2 || n_resamples < 1 || isnan(r.v))
        return r;
    int n_most = n_a > n_b ? n_a : n_b;
    double *draw = mem_alloc_n((size_t)n_most + (size_t)n_resamples, sizeof *draw);
    if (!draw)
        return r;
    double *ratio = draw + n_most;
    struct rng rng;
    rng_seed(&rng, seed);
    for (int i = 0; i < n_resamples; i++) {
        double above = median_of_draw(&rng, a, n_a, draw);
        ratio[i] = above / median_of_draw(&rng, b, n_b, draw);
    }
    r.lo = stats_percentile(ratio, n_resamples, (1 - level) / 2);
    r.hi = stats_percentile(ratio, n_resamples, (1 + level) / 2);
    mem_free(draw);
    return r;
}

double stats_mad(const double *x, int n)
{
    double mid = stats_median(x, n), *off = n > 0 ? mem_alloc_n((size_t)n, sizeof *off) : NULL;
    if (!off)
        return NAN;
    for (int i = 0; i < n; i++)
        off[i] = fabs(x[i] - mid);
    double mad = mad_to_sigma * stats_median(off, n);
    mem_free(off);
    return mad;
}

/* The incomplete beta function by its continued fraction (modified Lentz), for x below (a+1)/(a+b+2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), last = h;
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        h *= c * d;
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        h *= c * d;
        if (fabs(h - last) < 1e-15 * fabs(h))
            break;
    }
    return h;
}

double stats_student_two_sided(double t, double df)
{
    if (isnan(t) || !(df > 0))
        return NAN;
    if (isinf(t))
        return 0;
    double x = df / (df + t * t), y = t * t / (df + t * t), a = df / 2, b = 0.5;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
    if (y == 0)
        return 1;
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, y) / b;
}
