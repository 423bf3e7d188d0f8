/* bench/stats: closed forms, the exact bootstrap distribution of the median, coverage on simulated data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rng.h"
#include "bench/request.h"
#include "bench/stats.h"

static void close_to(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

static void simple_figures(void **state)
{
    (void)state;
    const double x[] = {4, 1, 3, 2}, five[] = {10, 50, 30, 20, 40};
    close_to(stats_median(x, 4), 2.5, 0);
    close_to(stats_median(five, 5), 30, 0);
    close_to(stats_percentile(five, 5, 0), 10, 0);
    close_to(stats_percentile(five, 5, 1), 50, 0);
    close_to(stats_percentile(five, 5, 0.9), 46, 1e-12); /* rank 3.6: 40 + 0.6 * 10 */
    close_to(stats_mean(five, 5), 30, 0);
    close_to(stats_stddev(five, 5), sqrt(250), 1e-12);
    assert_true(x[0] == 4 && x[3] == 2); /* the input keeps its order */
}

static void nothing_measured_is_nan(void **state)
{
    (void)state;
    const double with_nan[] = {1, NAN, 3}, one = 7;
    assert_true(isnan(stats_median(NULL, 0)) && isnan(stats_mean(NULL, 0)) && isnan(stats_stddev(&one, 1)));
    assert_true(isnan(stats_median(with_nan, 3)) && isnan(stats_bootstrap_median(with_nan, 3, 1).v));
    assert_true(isnan(stats_bootstrap_mean(with_nan, 3, 1).lo));
    struct interval i = stats_bootstrap_median(&one, 1, 1);
    assert_true(i.v == 7 && isnan(i.lo) && isnan(i.hi)); /* one sample says nothing about spread */
    mem_fail_from(1);
    assert_true(isnan(stats_median(&one, 1)));
    mem_fail_from(0);
}

static double choose(int n, int k)
{
    double c = 1;
    for (int i = 1; i <= k; i++)
        c = c * (n - k + i) / i;
    return c;
}

/* n odd: the resampled median is at most the k-th smallest when more than half of n draws are: a binomial
 * tail. */
static double exact_cdf(int n, int k)
{
    double p = (double)k / n, sum = 0;
    for (int j = n / 2 + 1; j <= n; j++)
        sum += choose(n, j) * pow(p, j) * pow(1 - p, n - j);
    return sum;
}

static void median_interval_is_the_exact_one(void **state)
{
    (void)state;
    double x[25];
    for (int n = 5; n <= 25; n += 2) {
        for (int i = 0; i < n; i++)
            x[(i * 7) % n] = i * i; /* all distinct, shuffled; n = 7, 21: see below */
        if (n % 7 == 0)
            for (int i = 0; i < n; i++)
                x[i] = i * i;
        int lo = 1, hi = 1;
        while (exact_cdf(n, lo) < 0.025)
            lo++;
        while (exact_cdf(n, hi) < 0.975)
            hi++;
        struct interval got = stats_bootstrap_median(x, n, 3);
        assert_true(got.v == (double)((n / 2) * (n / 2)));
        /* 2000 resamples: the quantile may land on a neighbour only where the distribution is within its
         * noise */
        double slack = 4 * sqrt(0.025 * 0.975 / 2000);
        bool lo_ok = got.lo == (double)((lo - 1) * (lo - 1)) || exact_cdf(n, lo) - 0.025 < slack ||
                     0.025 - exact_cdf(n, lo - 1) < slack;
        bool hi_ok = got.hi == (double)((hi - 1) * (hi - 1)) || exact_cdf(n, hi) - 0.975 < slack ||
                     0.975 - exact_cdf(n, hi - 1) < slack;
        assert_true(lo_ok && hi_ok);
    }
}

static void mean_interval_has_the_textbook_width(void **state)
{
    (void)state;
    double x[200];
    struct rng r;
    rng_seed(&r, 5);
    for (int i = 0; i < 200; i++)
        x[i] = 10 + rng_normal(&r);
    struct interval i = stats_bootstrap_mean(x, 200, 1), same = stats_bootstrap_mean(x, 200, 1);
    double half = 1.972 * stats_stddev(x, 200) / sqrt(200); /* Student, 199 degrees of freedom */
    close_to(i.hi - i.v, half, 0.1 * half);
    close_to(i.v - i.lo, half, 0.1 * half);
    assert_memory_equal(&i, &same, sizeof i);
    struct interval other = stats_bootstrap_mean(x, 200, 2);
    assert_true(other.lo != i.lo && other.v == i.v);
}

/* How often the 95 % interval holds the truth over 400 simulated experiments of n normal samples. */
static double coverage(struct interval (*f)(const double *, int, uint64_t), int n)
{
    struct rng r;
    rng_seed(&r, 11);
    int hits = 0;
    double x[32];
    for (int trial = 0; trial < 400; trial++) {
        for (int i = 0; i < n; i++)
            x[i] = 100 + rng_normal(&r);
        struct interval c = f(x, n, (uint64_t)trial);
        hits += c.lo <= 100 && 100 <= c.hi;
    }
    return hits / 400.0;
}

/* 400 trials: standard error 1.1 %. Five samples have no wider interval than [min, max], which covers the
 * median in 93.75 % of cases; means of five resampled from themselves cannot reach out as far as Student's t.
 */
static void intervals_cover_the_truth(void **state)
{
    (void)state;
    static const struct {
        int n;
        double median, mean;
    } least[] = {{5, 0.905, 0.885}, {10, 0.915, 0.92}, {25, 0.92, 0.92}};
    for (int i = 0; i < 3; i++) {
        double median = coverage(stats_bootstrap_median, least[i].n), mean = coverage(stats_bootstrap_mean, least[i].n);
        if (median < least[i].median || mean < least[i].mean || median > 0.985 || mean > 0.98)
            fail_msg("n %d: median covers %.4f, mean %.4f", least[i].n, median, mean);
    }
}

static void ties_and_arithmetic(void **state)
{
    (void)state;
    struct interval a = {10, 9, 11}, b = {12, 11, 13}, c = {14, 13.5, 15}, unknown = {20, NAN, NAN};
    assert_true(stats_tied(a, b) && stats_tied(b, a) && !stats_tied(a, c) && !stats_tied(c, a));
    assert_true(stats_tied(a, unknown)); /* without an interval nothing can be ranked */
    struct interval p = stats_product((struct interval){10, 7, 13}, (struct interval){2, 1.2, 2.8});
    close_to(p.v, 20, 0);
    close_to(p.lo, 20 * (1 - 0.5), 1e-12); /* 30 % and 40 % in quadrature: 50 % */
    close_to(p.hi, 20 * (1 + 0.5), 1e-12);
    struct interval q = stats_ratio((struct interval){10, 10, 13}, (struct interval){2, 1.2, 2});
    close_to(q.v, 5, 0);
    close_to(q.lo, 5, 0); /* nothing below: a exact there, b exact above */
    close_to(q.hi, 5 * 1.5, 1e-12);
    struct interval wide = stats_product((struct interval){10, 0, 20}, (struct interval){2, 0, 4});
    close_to(wide.lo, 0, 0);
    assert_true(isnan(stats_product(a, unknown).lo) && stats_product(a, unknown).v == 200);
    close_to(stats_ratio(stats_exact(6), stats_exact(3)).hi, 2, 0);
}

/* Wilson 1927 for 20 of 100; McNemar's sums by hand. */
static void shares_and_paired_answers(void **state)
{
    (void)state;
    struct interval a = stats_share(20, 100), none = stats_share(0, 10);
    assert_true(a.v == 0.2 && fabs(a.lo - 0.1334) < 1e-4 && fabs(a.hi - 0.2888) < 1e-4);
    assert_true(none.v == 0 && none.lo == 0 && fabs(none.hi - 0.2775) < 1e-4);
    assert_true(isnan(stats_share(0, 0).v));
    assert_true(stats_mcnemar(0, 0) == 1 && stats_mcnemar(3, 3) == 1 && stats_mcnemar(1, 2) == 1);
    assert_true(fabs(stats_mcnemar(0, 5) - 2.0 / 32) < 1e-12);
    assert_true(fabs(stats_mcnemar(10, 2) - 2 * 79.0 / 4096) < 1e-12);
    assert_true(stats_mcnemar(2, 10) == stats_mcnemar(10, 2) && stats_mcnemar(3000, 1000) < 1e-200);
    struct interval kept = stats_paired_ratio(90, 10, 5); /* 95 of 100; error of the logarithm sqrt(16 / (100.5 95.5)) */
    assert_true(fabs(kept.v - 0.95) < 1e-12);
    assert_true(fabs(log(kept.hi / kept.lo) - 2 * 1.959963984540054 * sqrt(16 / (100.5 * 95.5))) < 1e-12);
    assert_true(fabs(kept.lo * kept.hi - pow(95.5 / 100.5, 2)) < 1e-12);
    assert_true(isnan(stats_paired_ratio(0, 0, 3).v));
}

static void request_names(void **state)
{
    (void)state;
    for (int i = 0; i < N_OBJECTIVES; i++)
        assert_int_equal(objective_find(objective_name((enum objective)i)), i);
    assert_int_equal(objective_find("fast"), -1);
    struct request r;
    request_defaults(&r);
    assert_true(isnan(r.want.max_kld) && r.want.ram_bytes == -1 && r.want.ctx == 4096 && isnan(r.budget_s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_figures),
        cmocka_unit_test(nothing_measured_is_nan),
        cmocka_unit_test(median_interval_is_the_exact_one),
        cmocka_unit_test(mean_interval_has_the_textbook_width),
        cmocka_unit_test(intervals_cover_the_truth),
        cmocka_unit_test(ties_and_arithmetic),
        cmocka_unit_test(shares_and_paired_answers),
        cmocka_unit_test(request_names),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
