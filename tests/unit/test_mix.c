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
#include "bench/quant/mix_probe.h"
#include "bench/quant/mix_verify.h"
#include "tests/host_isa.h"

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

enum { N_CTX = 64 };

static struct model *open_default(void)
{
    struct model *m;
    struct err e = {0};
    if (model_open(&m, SOURCE_ROOT "/datasets/models/default.gguf", &e))
        fail_msg("%s", e.text);
    return m;
}

static int tensor_index(const struct model *m, const char *name)
{
    for (int i = 0; i < m->d.n_tensors; i++)
        if (strcmp(m->d.tensor[i].name, name) == 0)
            return i;
    fail_msg("there is no %s", name);
    return -1;
}

/* The embedding, the first and the last layer: what is found by running the layers from the changed tensor on is what
 * the evaluation of the whole changed model says. */
static void test_probe_is_the_evaluation(void **state)
{
    static const char *const changed[] = {"token_embd.weight", "blk.0.attn_v.weight", "blk.2.ffn_down.weight"};
    struct model *m = open_default();
    struct rng r;
    int32_t tokens[N_CTX];
    struct err e = {0};
    (void)state;
    rng_seed(&r, 3);
    for (int i = 0; i < N_CTX; i++)
        tokens[i] = (int32_t)rng_below(&r, (uint64_t)m->d.n_vocab);
    const struct mix_setup s = {
        .tokens = tokens, .n_tokens = N_CTX, .n_ctx = N_CTX, .n_chunks = 1, .bos = -1, .isa = host_isa()};
    struct mix_probe *p;
    assert_int_equal(mix_probe_new(&p, m, &s, &e), 0);
    assert_int_equal(mix_probe_n_chunks(p), 1);
    assert_int_equal(mix_probe_chunk(p, 0, &e), 0);
    struct use_assign *a = calloc((size_t)m->d.n_tensors, sizeof *a);
    for (int k = 0; k < 3; k++) {
        const int at = tensor_index(m, changed[k]);
        struct weights *w;
        struct eval_quality q;
        double kld;
        for (int i = 0; i < m->d.n_tensors; i++)
            a[i] = (struct use_assign){.codec = m->d.tensor[i].src.codec, .wanted = m->d.tensor[i].src.codec};
        a[at].codec = codec_find("q4_k");
        assert_int_equal(mix_probe_kld(p, at, a[at].codec, &kld, &e), 0);
        assert_int_equal(weights_encode(&w, m, a, NULL, s.isa, NULL, &e), 0);
        assert_int_equal(mix_verify(&q, w, &s, tokens, N_CTX, 1, &e), 0);
        assert_true(kld > 1e-5);
        assert_float_equal(kld, q.kld, 0.01 * q.kld); /* there K and V are f16 */
        weights_free(w);
    }
    free(a);
    mix_probe_free(p);
    model_close(m);
}

/* Output by output, in f64. */
static void test_error_of_outputs(void **state)
{
    enum { N_X = 3 };
    struct model *m = open_default();
    const struct model_tensor *t = &m->d.tensor[tensor_index(m, "blk.0.attn_k.weight")];
    const size_t n = (size_t)t->src.n, k = (size_t)t->src.k;
    float *w = calloc(n * k, sizeof *w), *d = calloc(n * k, sizeof *d), *x = calloc(N_X * k, sizeof *x);
    const struct codec *c = codec_find("q4_0");
    struct qmat q;
    struct rng r;
    struct err e = {0};
    double found, truth = 0, weights = 0;
    (void)state;
    rng_seed(&r, 4);
    for (size_t i = 0; i < N_X * k; i++)
        x[i] = (float)rng_normal(&r);
    assert_int_equal(c->layout(&q, t->src.n, t->src.k, NULL, &e), 0);
    assert_int_equal(qmat_alloc(&q, &e), 0);
    t->src.codec->decode(w, &t->src, 0, t->src.n);
    assert_int_equal(qmat_encode(&q, w, NULL), 0);
    c->decode(d, &q, 0, t->src.n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < N_X; j++) {
            double y = 0;
            for (size_t l = 0; l < k; l++)
                y += ((double)d[i * k + l] - (double)w[i * k + l]) * (double)x[j * k + l];
            truth += y * y / N_X;
        }
    for (size_t i = 0; i < n * k; i++)
        weights += pow((double)d[i] - (double)w[i], 2);
    assert_int_equal(mix_error(&found, t, c, NULL, x, N_X, host_isa(), NULL, &e), 0);
    assert_float_equal(found, truth, 1e-4 * truth);
    assert_int_equal(mix_error(&found, t, c, NULL, NULL, 0, host_isa(), NULL, &e), 0);
    assert_float_equal(found, weights, 1e-4 * weights);
    qmat_free(&q);
    free(w);
    free(d);
    free(x);
    model_close(m);
}

static void test_halves(void **state)
{
    const int32_t tokens[5 * 8 + 3] = {0};
    struct mix_halves h;
    struct err e = {0};
    (void)state;
    assert_int_equal(mix_halve(&h, tokens, 43, 8, &e), 0);
    assert_int_equal(h.n_tokens, 16);
    assert_int_equal(h.n_held_out, 24);
    assert_ptr_equal(h.held_out, tokens + 16);
    assert_int_equal(mix_halve(&h, tokens, 15, 8, &e), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exhaustive),
                                       cmocka_unit_test(test_large),
                                       cmocka_unit_test(test_budget_below_least),
                                       cmocka_unit_test(test_codecs),
                                       cmocka_unit_test(test_probe_is_the_evaluation),
                                       cmocka_unit_test(test_error_of_outputs),
                                       cmocka_unit_test(test_halves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
