/* matrix/changepoint: the named series, closed forms of the energy statistic, gaps, signs, growth, size, no memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "bench/values.h"
#include "matrix/changepoint.h"
#include "matrix/changepoint_int.h"

enum { MOST = 20 };
struct answer {
    int n, index[MOST];
    struct changepoint c[MOST];
    bool spike[5000];
};

static void ask(struct answer *a, const double *value, int n, const char *name, const struct changepoint_options *o)
{
    struct err e = {0};
    struct changepoint *c;
    assert_true(n <= 5000);
    if (changepoint_find(&c, &a->n, a->spike, value, n, name, o, &e) != 0)
        fail_msg("%s", e.text);
    assert_true(a->n <= MOST);
    for (int i = 0; i < a->n; i++) {
        a->c[i] = c[i];
        a->index[i] = c[i].index;
    }
    mem_free(c);
}

/* ---- the named series ---- */

static void ask_fixture(struct answer *a, const char *name, int which)
{
    char path[512], *text;
    size_t n;
    struct value_table t;
    struct err e = {0};
    double value[200];
    snprintf(path, sizeof path, SOURCE_ROOT "/tests/fixtures/series/%s.csv", name);
    if (file_read(path, 1 << 20, &text, &n, &e) != 0 || values_read(&t, text, n, path, &e) != 0)
        fail_msg("%s", e.text);
    mem_free(text);
    assert_true(which < t.n && t.series[which].n <= 200);
    for (int i = 0; i < t.series[which].n; i++)
        value[i] = t.series[which].row[i].value;
    ask(a, value, t.series[which].n, t.series[which].name, NULL);
    values_free(&t);
}

static void named_series(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int n, index[2];
        double effect[2];
    } want[] = {{"flat", 0, {0}, {0}},       {"step", 1, {70}, {-0.05}},  {"step_back", 2, {50, 80}, {-0.05, 0.0526}},
                {"small_step", 0, {0}, {0}}, {"slow_drift", 0, {0}, {0}}, {"spike", 0, {0}, {0}},
                {"variance", 0, {0}, {0}},   {"gap", 1, {75}, {0.10}},    {"fingerprint", 0, {0}, {0}}};
    static struct answer a;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        ask_fixture(&a, want[i].name, 0);
        if (a.n != want[i].n)
            fail_msg("%s: %d changes, not %d", want[i].name, a.n, want[i].n);
        for (int k = 0; k < a.n; k++) {
            assert_true(abs(a.index[k] - want[i].index[k]) <= 1);
            assert_true(fabs(a.c[k].effect - want[i].effect[k]) < 0.008); /* 1 % of noise, 30 values and more */
            assert_true(a.c[k].p > 0 && a.c[k].p <= 0.005);
        }
    }
    ask_fixture(&a, "fingerprint", 1);
    assert_int_equal(a.n, 0);
}

static void spikes_are_told(void **state)
{
    (void)state;
    static struct answer a;
    ask_fixture(&a, "spike", 0);
    for (int i = 0; i < 120; i++)
        assert_int_equal(a.spike[i], i == 20 || i == 55 || i == 90); /* not the last night: nothing follows yet */
}

/* A trend has no place where it changed: it is told as steps, all of one direction, which add up to it. */
static void drift_is_told_as_steps(void **state)
{
    (void)state;
    static struct answer a;
    double whole = 1;
    ask_fixture(&a, "drift", 0);
    assert_true(a.n >= 1 && a.n <= 3);
    for (int i = 0; i < a.n; i++) {
        assert_true(a.c[i].effect < 0);
        whole *= 1 + a.c[i].effect;
    }
    assert_true(whole > 0.92 - 0.01 && whole < 0.97); /* -8 % from end to end */
}

/* ---- the statistic ---- */

/* Two levels, a step of 1 between them, no noise: the right place has the larger Q whatever the sizes, and p is the
 * smallest there is, for a random order of 10 and 10 equals the sorted one in 2 of 184756 cases. */
static void split_without_noise(void **state)
{
    (void)state;
    struct err e = {0};
    for (int a = 3; a <= 17; a++) {
        double y[20], p[20];
        for (int i = 0; i < 20; i++)
            y[i] = i >= a;
        assert_int_equal(changepoint_split(p, y, 20, "x", &changepoint_defaults, &e), 0);
        for (int i = 0; i < 20; i++)
            assert_true(i == a ? p[i] <= 0.01 : isnan(p[i]));
    }
}

/* Under no change at all a p below the limit is as rare as the limit says: 2000 series, 1 % of them is 20, three
 * standard deviations are 13. That is what a t-test at the best place does not do. */
static void permutation_test_keeps_its_word(void **state)
{
    (void)state;
    struct rng r;
    int n_found = 0;
    rng_seed(&r, 3);
    for (int round = 0; round < 2000; round++) {
        double y[24], p[24];
        char name[16];
        bool any = false;
        snprintf(name, sizeof name, "%d", round);
        for (int i = 0; i < 24; i++)
            y[i] = rng_normal(&r);
        assert_int_equal(changepoint_split(p, y, 24, name, &changepoint_defaults, NULL), 0);
        for (int i = 0; i < 24; i++)
            any = any || !isnan(p[i]);
        n_found += any;
    }
    assert_in_range(n_found, 7, 33);
}

/* ---- what it promises ---- */

static void fill(double *v, int n, uint64_t seed, double sd, int at, double factor)
{
    struct rng r;
    rng_seed(&r, seed);
    for (int i = 0; i < n; i++)
        v[i] = 100 * (i < at ? 1 : factor) * exp(sd * rng_normal(&r));
}

static void figures_of_a_change(void **state)
{
    (void)state;
    static struct answer a;
    const double v[] = {10, 11, 10, 11, 10, 11, 10, 11, 20, 21, 20, 21, 20, 21, 20, 21};
    ask(&a, v, 16, "x", NULL);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.index[0], 8);
    assert_true(a.c[0].before == 10.5 && a.c[0].after == 20.5 && a.c[0].effect == 10.0 / 10.5);
    assert_true(a.c[0].mean_before == 10.5 && a.c[0].mean_after == 20.5);
    assert_true(fabs(a.c[0].sd_before - sqrt(2.0 / 7)) < 1e-12 && fabs(a.c[0].sd_after - sqrt(2.0 / 7)) < 1e-12);
    assert_true(fabs(a.c[0].t - 10 / sqrt(2.0 / 7 / 4)) < 1e-9);
    assert_true(fabs(a.c[0].p_t / 1.9623087614733164e-15 - 1) < 1e-9); /* scipy 1.17.1, t.sf with 14 degrees */
}

static void scale_and_direction_do_not_matter(void **state)
{
    (void)state;
    static struct answer a, b;
    double v[90], w[90];
    fill(v, 90, 4, 0.01, 40, 0.93);
    for (int i = 0; i < 90; i++)
        w[i] = 1e-9 * v[i];
    ask(&a, v, 90, "x", NULL);
    ask(&b, w, 90, "x", NULL);
    assert_int_equal(a.n, 1);
    assert_true(b.n == 1 && b.index[0] == a.index[0] && b.c[0].p == a.c[0].p);
    for (int i = 0; i < 90; i++) /* a time in the place of a rate: the same in logarithms */
        w[i] = 1e4 / v[i];
    ask(&b, w, 90, "x", NULL);
    assert_true(b.n == 1 && b.index[0] == a.index[0] && b.c[0].effect > 0);
}

static void values_that_are_not_positive(void **state)
{
    (void)state;
    static struct answer a;
    double v[60];
    struct rng r;
    rng_seed(&r, 9);
    for (int i = 0; i < 60; i++)
        v[i] = (i < 30 ? -0.01 : 0.03) + 0.002 * rng_normal(&r);
    ask(&a, v, 60, "x", NULL);
    assert_true(a.n == 1 && a.index[0] == 30 && a.c[0].effect > 3 && a.c[0].effect < 5);
    for (int i = 0; i < 60; i++) /* a level of nothing: no ratio to it */
        v[i] = i < 30 ? 0 : 1;
    ask(&a, v, 60, "x", NULL);
    assert_true(a.n == 1 && a.index[0] == 30 && isnan(a.c[0].effect));
}

static void gaps_keep_the_index(void **state)
{
    (void)state;
    static struct answer a;
    double v[100];
    fill(v, 100, 5, 0.01, 60, 1.08);
    for (int i = 0; i < 100; i += 7)
        v[i] = i % 2 ? NAN : INFINITY;
    ask(&a, v, 100, "x", NULL);
    assert_true(a.n == 1 && abs(a.index[0] - 60) <= 1 && isfinite(a.c[0].mean_after));
    for (int i = 0; i < 100; i++)
        v[i] = NAN;
    ask(&a, v, 100, "x", NULL);
    assert_int_equal(a.n, 0);
    ask(&a, NULL, 0, "x", NULL);
    assert_int_equal(a.n, 0);
}

static void too_few_values_find_nothing(void **state)
{
    (void)state;
    static struct answer a;
    const double v[] = {1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2};
    ask(&a, v, 10, "x", NULL); /* 5 and 5: p = 2/252 */
    assert_int_equal(a.n, 0);
    ask(&a, v, 11, "x", NULL); /* 5 and 6: p = 2/462 */
    assert_true(a.n == 1 && a.index[0] == 5 && fabs(a.c[0].p - 0.005) < 1e-12);
    for (int i = 0; i < 11; i++) {
        static const double same[] = {5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5};
        ask(&a, same, i, "x", NULL);
        assert_int_equal(a.n, 0);
    }
}

/* The same answer each time; the seed is the name. As nights are added, a change stays where it was found. */
static void stays_as_the_series_grows(void **state)
{
    (void)state;
    static struct answer a, b;
    double v[200];
    fill(v, 200, 6, 0.015, 80, 0.94);
    int first = 0, n_moved = 0;
    for (int n = 70; n <= 200; n++) {
        ask(&a, v, n, "x", NULL);
        ask(&b, v, n, "x", NULL);
        assert_true(a.n == b.n && !memcmp(a.c, b.c, sizeof a.c[0] * (size_t)a.n));
        if (n < 80)
            assert_int_equal(a.n, 0);
        first = !first && a.n ? n : first;
        if (first)
            assert_int_equal(a.n, 1);
        n_moved += first && abs(a.index[0] - 80) > 1;
    }
    assert_in_range(first, 83, 90); /* within ten nights */
    assert_int_equal(n_moved, 0);
}

/* 5000 values with a change every 100: all found, nothing else; memory is by windows (this would take 200 MB else). */
static void long_series(void **state)
{
    (void)state;
    double *v = mem_alloc_n(5000, sizeof *v), level = 100;
    struct changepoint *c;
    struct err e = {0};
    struct rng r;
    int n, n_exact = 0;
    rng_seed(&r, 11);
    for (int i = 0; i < 5000; i++) {
        level *= i % 100 ? 1 : i % 200 ? 1.1 : 1 / 1.1;
        v[i] = level * exp(0.01 * rng_normal(&r));
    }
    assert_int_equal(changepoint_find(&c, &n, NULL, v, 5000, "x", NULL, &e), 0);
    assert_int_equal(n, 49);
    for (int i = 0; i < n; i++)
        n_exact += c[i].index == 100 * (i + 1);
    assert_in_range(n_exact, 47, 49);
    mem_free(c);
    mem_free(v);
}

/* Other values, the same median, no smallest effect: no change of the level. */
static void no_change_of_nothing(void **state)
{
    (void)state;
    static struct answer a;
    struct changepoint_options any = changepoint_defaults;
    double v[60];
    any.min_effect = 0;
    for (int i = 0; i < 60; i++)
        v[i] = i >= 30 && i % 5 < 2 ? 7 : 5;
    ask(&a, v, 60, "x", &any);
    assert_int_equal(a.n, 0);
    for (int i = 0; i < 60; i++)
        v[i] = i < 30 ? 5 : 5.0001;
    ask(&a, v, 60, "x", &any);
    assert_true(a.n == 1 && a.index[0] == 30);
    ask(&a, v, 60, "x", NULL);
    assert_int_equal(a.n, 0);
}

static void options_that_make_no_sense(void **state)
{
    (void)state;
    struct changepoint *c;
    struct err e = {0};
    int n;
    const double v[] = {1, 2, 3};
    struct changepoint_options bad[5];
    for (int i = 0; i < 5; i++)
        bad[i] = changepoint_defaults;
    bad[0].min_effect = -0.1;
    bad[1].min_effect = NAN;
    bad[2].p_merge = 0;
    bad[3].min_side = 1;
    bad[4].step = 61;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(changepoint_find(&c, &n, NULL, v, 3, "x", &bad[i], &e), ERR_USAGE);
        assert_true(c == NULL && n == 0 && e.text[0]);
    }
}

static void no_memory_anywhere(void **state)
{
    (void)state;
    struct changepoint *c;
    struct err e = {0};
    double v[40];
    int n, rc = -1, failed = 0;
    fill(v, 40, 8, 0.01, 20, 1.2);
    for (int at = 1; rc != 0; at++) {
        mem_fail_from(at);
        rc = changepoint_find(&c, &n, NULL, v, 40, "x", NULL, &e);
        mem_fail_from(0);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        assert_true(rc == 0 ? n == 1 : c == NULL && n == 0);
        failed += rc != 0;
        mem_free(c);
    }
    assert_true(failed > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_series),
        cmocka_unit_test(spikes_are_told),
        cmocka_unit_test(drift_is_told_as_steps),
        cmocka_unit_test(split_without_noise),
        cmocka_unit_test(permutation_test_keeps_its_word),
        cmocka_unit_test(figures_of_a_change),
        cmocka_unit_test(scale_and_direction_do_not_matter),
        cmocka_unit_test(values_that_are_not_positive),
        cmocka_unit_test(gaps_keep_the_index),
        cmocka_unit_test(too_few_values_find_nothing),
        cmocka_unit_test(stays_as_the_series_grows),
        cmocka_unit_test(long_series),
        cmocka_unit_test(no_change_of_nothing),
        cmocka_unit_test(options_that_make_no_sense),
        cmocka_unit_test(no_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
