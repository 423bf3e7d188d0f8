/* bench/stats_compare: closed forms, figures of scipy 1.17.1 (mannwhitneyu, wilcoxon, PermutationMethod,
 * false_discovery_control), every subset counted one by one, and the exact distribution of a bootstrap. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rng.h"
#include "bench/stats_compare.h"

static void close_to(double a, double b, double relative)
{
    if (!(fabs(a - b) <= relative * fabs(b)))
        fail_msg("%.17g is not %.17g within %g of it", a, b, relative);
}

static const double base[] = {100.691, 101.643, 100.661, 97.394,  101.811, 100.893, 98.926,  101.162, 100.729, 100.588,
                              100.057, 101.093, 98.527,  99.674,  99.036,  101.198, 100.079, 99.415,  98.436,  99.486,
                              100.016, 99.449,  102.588, 102.013, 94.578,  96.222,  99.65,   99.156,  100.427, 100.435};
static const double fresh[] = {107.236, 100.776, 102.245, 107.086};

static void rank_sum_against_scipy(void **state)
{
    (void)state;
    close_to(stats_mann_whitney(fresh, 4, base, 30), 0.001530964291875108, 1e-12);
    close_to(stats_mann_whitney(base, 30, fresh, 4), 0.9988571675004312, 1e-12);
    close_to(stats_mann_whitney_two_sided(fresh, 4, base, 30), 0.003061928583750216, 1e-12);
    const double a[] = {3, 5, 5, 7, 9, 9}, b[] = {1, 2, 3, 3, 5, 7, 8};
    close_to(stats_mann_whitney(a, 6, b, 7), 0.07284382284382285, 1e-12);
    close_to(stats_mann_whitney(b, 7, a, 6), 0.9388111888111889, 1e-12);
    close_to(stats_mann_whitney_two_sided(a, 6, b, 7), 0.1456876456876457, 1e-12);
}

/* The same numbers as the script that asked scipy made. */
static void numbers(double *x, int n, uint64_t s, double add)
{
    for (int i = 0; i < n; i++) {
        s = (s * 1103515245 + 12345) % ((uint64_t)1 << 31);
        x[i] = (double)(s / 65536 % 1000) + add;
    }
}

static void many_values_go_by_the_normal(void **state)
{
    (void)state;
    double a[120], b[150], d[100];
    numbers(a, 120, 7, 40);
    numbers(b, 150, 11, 0);
    close_to(stats_mann_whitney(a, 120, b, 150), 0.18460894260137567, 1e-12);
    close_to(stats_mann_whitney(b, 150, a, 120), 0.8158088789722105, 1e-12);
    close_to(stats_mann_whitney_two_sided(a, 120, b, 150), 0.36921788520275134, 1e-12);
    numbers(d, 100, 5, -440);
    close_to(stats_wilcoxon(d, 100), 0.1495465324983809, 1e-12);
}

static double choose(int n, int k)
{
    double c = 1;
    for (int i = 1; i <= k; i++)
        c = c * (n - k + i) / i;
    return c;
}

static void separated_sides_have_a_closed_form(void **state)
{
    (void)state;
    double x[60];
    for (int i = 0; i < 60; i++)
        x[i] = i;
    close_to(stats_mann_whitney(x + 30, 4, x, 30), 1 / choose(34, 4), 1e-12);
    close_to(stats_mann_whitney(x, 30, x + 30, 4), 1, 1e-12);
    close_to(stats_mann_whitney(x + 20, 3, x, 20), 1 / 1771.0, 1e-12);
    close_to(stats_mann_whitney(x + 20, 20, x, 20), 1 / choose(40, 20), 1e-12); /* 400 pairs */
    close_to(stats_mann_whitney_two_sided(x, 20, x + 20, 20), 2 / choose(40, 20), 1e-12);
    close_to(stats_mann_whitney(x + 57, 3, x, 57), 1 / choose(60, 3), 1e-12);
    close_to(stats_wilcoxon(x + 1, 30), ldexp(1, -30), 1e-12);
    close_to(stats_wilcoxon(x + 1, 59), ldexp(1, -59), 1e-12);
    const double same[] = {7, 7, 7, 7, 7, 7};
    close_to(stats_mann_whitney(same, 3, same + 3, 3), 1, 0);
    assert_true(stats_mann_whitney(x, 0, x, 5) == 1 && stats_mann_whitney(x, 5, NULL, 0) == 1);
    assert_true(stats_wilcoxon(NULL, 0) == 1 && stats_wilcoxon((double[]){0, 0}, 2) == 1);
}

/* P(rank sum of a >= seen) by going through all 2^n subsets; midranks by counting. */
static double by_hand(const double *x, int n, int n_a)
{
    double rank[16], seen = 0;
    int more = 0, all = 0;
    for (int i = 0; i < n; i++) {
        rank[i] = 0.5;
        for (int k = 0; k < n; k++)
            rank[i] += x[k] < x[i] ? 1 : x[k] == x[i] ? 0.5 : 0;
        seen += i < n_a ? rank[i] : 0;
    }
    for (unsigned set = 0; set < 1u << n; set++) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += set >> i & 1 ? rank[i] : 0;
        if (__builtin_popcount(set) == n_a) {
            all++;
            more += sum >= seen;
        }
    }
    return (double)more / all;
}

static void every_subset_counted(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 5);
    for (int round = 0; round < 60; round++) {
        double x[11];
        int n = 2 + (int)rng_below(&r, 10), n_a = 1 + (int)rng_below(&r, (uint64_t)n - 1), kinds = 1 + round % 9;
        for (int i = 0; i < n; i++)
            x[i] = round % 10 ? (double)rng_below(&r, (uint64_t)kinds) : rng_normal(&r);
        close_to(stats_mann_whitney(x, n_a, x + n_a, n - n_a), by_hand(x, n, n_a), 1e-12);
    }
}

static void signed_ranks(void **state)
{
    (void)state;
    const double d[] = {1.5, -0.3, 2.1, 0.7, -1.1, 3.2, 0.9, 1.8, -0.2, 2.5};
    const double tied[] = {1, -1, 2, 2, -2, 3, 0, 1, 0, 4, -1, 2};
    close_to(stats_wilcoxon(d, 10), 0.0244140625, 1e-12);
    close_to(stats_wilcoxon(tied, 12), 0.064453125, 1e-12); /* zeros left out */
    close_to(stats_wilcoxon((double[]){-1, -2, -3}, 3), 1, 1e-12);
    close_to(stats_wilcoxon((double[]){1, 1, 1}, 3), 0.125, 1e-12);
}

static void false_discovery_rate(void **state)
{
    (void)state;
    double p[] = {0.074, 0.384, 0.942, 0.34,  0.008, 0.06,  0.762, 0.222, 0.216, 0.275, 0.986, 0.269, 0.041,
                  0.212, 0.94,  0.975, 0.001, 0.039, 0.341, 0.696, 0.251, 0.042, 0.569, 0.594, 0.205};
    const double adjusted[] = {0.2642857142857143,
                               0.5647058823529413,
                               0.986,
                               0.5328125,
                               0.1,
                               0.25,
                               0.9071428571428571,
                               0.49107142857142866,
                               0.49107142857142866,
                               0.49107142857142866,
                               0.986,
                               0.49107142857142866,
                               0.21000000000000002,
                               0.49107142857142866,
                               0.986,
                               0.986,
                               0.025,
                               0.21000000000000002,
                               0.5328125,
                               0.8699999999999999,
                               0.49107142857142866,
                               0.21000000000000002,
                               0.781578947368421,
                               0.781578947368421,
                               0.49107142857142866};
    assert_int_equal(stats_benjamini_hochberg(p, p, 25), 0);
    for (int i = 0; i < 25; i++)
        close_to(p[i], adjusted[i], 1e-12);
    assert_int_equal(stats_benjamini_hochberg(p, p, 0), 0);
}

/* Three values on each side: the median of a resample is the smallest, middle, largest one with 7, 13, 7 in 27. */
static void ratio_of_medians(void **state)
{
    (void)state;
    const double a[] = {12, 10, 15}, b[] = {4, 5, 8}, none[] = {1, NAN};
    struct interval r = stats_ratio_of_medians(a, 3, b, 3, 0.99, 20000, 1);
    assert_true(r.v == 2.4);
    assert_true(r.lo == 10 / 8.0 && r.hi == 15 / 4.0); /* each (7/27)^2 = 6.7 %, more than half a percent */
    r = stats_ratio_of_medians(a, 3, b, 3, 0.80, 20000, 1);
    /* sorted: 10/8 12/8 15/8 10/5 12/5 10/4 15/5 12/4 15/4: 6.7 %, then 12.5 % more: the tenth lies in 12/8. */
    assert_true(r.lo == 12 / 8.0 && r.hi == 12 / 4.0);
    struct interval again = stats_ratio_of_medians(a, 3, b, 3, 0.80, 20000, 1);
    assert_true(again.lo == r.lo && again.hi == r.hi);
    r = stats_ratio_of_medians(base, 30, fresh, 1, 0.99, 2000, 1);
    assert_true(r.v > 0 && isnan(r.lo) && isnan(r.hi));
    assert_true(isnan(stats_ratio_of_medians(none, 2, b, 3, 0.99, 100, 1).v));
}

static void spread(void **state)
{
    (void)state;
    close_to(stats_mad(base, 30), 1.2876380999999961, 1e-12);
    assert_true(isnan(stats_mad(NULL, 0)) && stats_mad(fresh, 1) == 0);
}

static void students_t(void **state)
{
    (void)state;
    const double scipy[][3] = {{2.0, 10, 0.07338803477074037},      {0.3, 3, 0.783763292039919},
                               {-5.5, 58, 8.94521804779452e-07},    {40, 100, 2.462107602140071e-63},
                               {12.7062, 1, 0.0500000185607104},    {0.001, 7, 0.9992300172449988},
                               {3.2, 10000, 0.0013785672873676414}, {0, 5, 1}};
    for (size_t i = 0; i < sizeof scipy / sizeof *scipy; i++)
        close_to(stats_student_two_sided(scipy[i][0], scipy[i][1]), scipy[i][2], 1e-11);
    assert_true(stats_student_two_sided(INFINITY, 4) == 0 && isnan(stats_student_two_sided(1, 0)));
}

static void nan_and_no_memory(void **state)
{
    (void)state;
    const double bad[] = {1, NAN, 3};
    double p[] = {0.5};
    assert_true(isnan(stats_mann_whitney(bad, 3, base, 30)) && isnan(stats_mann_whitney_two_sided(base, 30, bad, 3)));
    assert_true(isnan(stats_wilcoxon(bad, 3)) && isnan(stats_mad(bad, 3)));
    for (int n = 1; n <= 4; n++) {
        mem_fail_from(n);
        double w = stats_mann_whitney(fresh, 4, base, 30);
        mem_fail_from(n);
        double s = stats_wilcoxon(fresh, 4);
        mem_fail_from(0);
        assert_true(isnan(w) && isnan(s));
    }
    mem_fail_from(1);
    assert_true(stats_benjamini_hochberg(p, p, 1) < 0);
    mem_fail_from(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rank_sum_against_scipy),
                                       cmocka_unit_test(many_values_go_by_the_normal),
                                       cmocka_unit_test(separated_sides_have_a_closed_form),
                                       cmocka_unit_test(every_subset_counted),
                                       cmocka_unit_test(signed_ranks),
                                       cmocka_unit_test(false_discovery_rate),
                                       cmocka_unit_test(ratio_of_medians),
                                       cmocka_unit_test(spread),
                                       cmocka_unit_test(students_t),
                                       cmocka_unit_test(nan_and_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
