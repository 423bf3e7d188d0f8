/* The choice of codecs within a budget: against every possible choice, and against its own bound where there are too
 * many; what forms tensors have; and that a small model's mix is as good as is said. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/rng.h"
#include "bench/quant/mix.h"

enum { MOST_ITEMS = 64, MOST_OPTIONS = 10 };
struct problem {
    struct mix_option option[MOST_ITEMS][MOST_OPTIONS];
    struct mix_item item[MOST_ITEMS];
    int n;
};

/* Falling costs with a few useless options among them; sizes of a few kinds, as layers have. */
static void make_problem(struct problem *p, struct rng *r, int n, int n_options, bool alike)
{
    p->n = n;
    for (int i = 0; i < n; i++) {
        const double weight = exp(2 * rng_normal(r));
        const int64_t size = alike ? 1000 * (1 + i % 3) : 1 + (int64_t)rng_below(r, 5000);
        for (int o = 0; o < n_options; o++) {
            double bits = 2 + 1.5 * o + (alike ? 0 : rng_uniform(r));
            p->option[i][o] = (struct mix_option){(int64_t)(bits * (double)size / 8),
                                                  weight * exp(-1.3 * bits) * (0.7 + 0.6 * rng_uniform(r))};
        }
        p->item[i] = (struct mix_item){p->option[i], n_options};
    }
}

static void sum_choice(const struct problem *p, const int *choice, int64_t *bytes, double *cost)
{
    *bytes = 0;
    *cost = 0;
    for (int i = 0; i < p->n; i++) {
        *bytes += p->option[i][choice[i]].bytes;
        *cost += p->option[i][choice[i]].cost;
    }
}

static double exhaustive(const struct problem *p, int64_t budget)
{
    double best = INFINITY;
    int choice[MOST_ITEMS] = {0}, at;
    do {
        int64_t bytes;
        double cost;
        sum_choice(p, choice, &bytes, &cost);
        if (bytes <= budget && cost < best)
            best = cost;
        for (at = 0; at < p->n && ++choice[at] == p->item[at].n; at++)
            choice[at] = 0;
    } while (at < p->n);
    return best;
}

static void limits(const struct problem *p, int64_t *least, int64_t *most)
{
    *least = *most = 0;
    for (int i = 0; i < p->n; i++) {
        int64_t lo = INT64_MAX, hi = 0;
        for (int o = 0; o < p->item[i].n; o++) {
            lo = p->option[i][o].bytes < lo ? p->option[i][o].bytes : lo;
            hi = p->option[i][o].bytes > hi ? p->option[i][o].bytes : hi;
        }
        *least += lo;
        *most += hi;
    }
}

static void test_exhaustive(void **state)
{
    static struct problem p;
    struct rng r;
    (void)state;
    rng_seed(&r, 7);
    for (int k = 0; k < 400; k++) {
        int64_t least, most, bytes;
        int choice[MOST_ITEMS];
        double cost;
        struct mix_solution s;
        struct err e = {0};
        make_problem(&p, &r, 1 + (int)rng_below(&r, 6), 1 + (int)rng_below(&r, 5), k % 2);
        limits(&p, &least, &most);
        int64_t budget = least + (int64_t)rng_below(&r, (uint64_t)(most - least) + 2);
        assert_int_equal(mix_solve(choice, &s, p.item, p.n, budget, &e), 0);
        sum_choice(&p, choice, &bytes, &cost);
        assert_true(bytes <= budget);
        assert_int_equal(bytes, s.bytes);
        assert_float_equal(cost, s.cost, 1e-9 * cost);
        assert_true(s.exact);
        assert_float_equal(cost, exhaustive(&p, budget), 1e-9 * cost);
    }
}

/* 64 items of 10 options: what is found lies above what no choice can undercut by less than
 * a hundredth, and the same every time. */
static void test_large(void **state)
{
    static struct problem p;
    struct rng r;
    (void)state;
    rng_seed(&r, 8);
    for (int k = 0; k < 40; k++) {
        int64_t least, most, bytes;
        int choice[MOST_ITEMS], again[MOST_ITEMS];
        double cost;
        struct mix_solution s;
        struct err e = {0};
        make_problem(&p, &r, MOST_ITEMS, MOST_OPTIONS, k % 2);
        limits(&p, &least, &most);
        int64_t budget = least + (most - least) * (k + 1) / 41;
        assert_int_equal(mix_solve(choice, &s, p.item, p.n, budget, &e), 0);
        sum_choice(&p, choice, &bytes, &cost);
        assert_true(bytes <= budget);
        assert_float_equal(cost, s.cost, 1e-9 * cost);
        assert_true(s.bound <= s.cost * (1 + 1e-12));
        assert_true(s.cost <= s.bound * 1.01);
        assert_int_equal(mix_solve(again, &s, p.item, p.n, budget, &e), 0);
        assert_memory_equal(choice, again, (size_t)p.n * sizeof *choice);
    }
}

static void test_budget_below_least(void **state)
{
    static struct problem p;
    struct rng r;
    int64_t least, most;
    int choice[MOST_ITEMS];
    struct mix_solution s;
    struct err e = {0};
    (void)state;
    rng_seed(&r, 9);
    make_problem(&p, &r, 5, 4, false);
    limits(&p, &least, &most);
    assert_int_equal(mix_solve(choice, &s, p.item, p.n, least - 1, &e), ERR_LIMIT);
    assert_int_equal(s.bytes, least);
    assert_int_equal(mix_solve(choice, &s, p.item, p.n, least, &e), 0);
    assert_int_equal(s.bytes, least);
    assert_int_equal(mix_solve(choice, &s, p.item, p.n, INT64_MAX / 2, &e), 0);
    assert_true(s.bytes <= most);
}

static void test_codecs(void **state)
{
    const struct codec *c[MIX_MOST_CODECS];
    struct err e = {0};
    const char *const some[] = {"q4_k", "gguf/Q6_K", "iq4", "q4_k"}, *const bad[] = {"q4_k_m"},
                      *const parametric[] = {"hqq"};
    (void)state;
    assert_int_equal(mix_codecs(c, NULL, 0, &e), 11);
    assert_int_equal(mix_codecs(c, some, 4, &e), 4);
    assert_string_equal(c[1]->name, "q6_k");
    assert_string_equal(c[3]->name, "iq4_xs");
    assert_int_equal(mix_codecs(c, bad, 1, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "q4_k_m"));
    assert_int_equal(mix_codecs(c, parametric, 1, &e), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exhaustive), cmocka_unit_test(test_large),
                                       cmocka_unit_test(test_budget_below_least), cmocka_unit_test(test_codecs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
