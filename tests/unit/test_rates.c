/* The calibration: predictions in closed form, the store, and that measuring on this machine gives figures. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "bench/measure.h"
#include "bench/rates.h"

static struct machine_rates rates, back;

struct subject {
    struct model *m;
    struct use_assign *a;
    struct recipe_summary s;
};

static struct subject open_subject(const char *shape, const char *format)
{
    struct subject x = {0};
    assert_int_equal(model_from_shape(&x.m, &shape_find(shape)->d, NULL), 0);
    x.a = mem_alloc_n((size_t)x.m->d.n_tensors, sizeof *x.a);
    assert_int_equal(recipe_assign(&x.m->d, recipe_find(format), NULL, NULL, x.a, NULL), 0);
    assert_int_equal(recipe_summarize(&x.m->d, x.a, &x.s, NULL), 0);
    return x;
}

static void close_subject(struct subject *x)
{
    mem_free(x->a);
    model_close(x->m);
}

static double layer_weights(const struct model_desc *d)
{
    return d->d_model * (2.0 * d->n_head * d->head_dim + 2.0 * d->n_head_kv * d->head_dim + 3.0 * d->d_ff);
}

/* A machine that reads r GB/s of every codec and needs fixed_ns a layer whatever it holds. */
static void make_rates(double r, double fixed_ns, double bits)
{
    static const char *const codec[][2] = {{"q8_0", "q8_0"}, {"q4_k", "q8_k"}, {"q6_k", "q8_k"}, {"f16", "f16"}};
    rates = (struct machine_rates){.threads = 2,
                                   .n_codecs = 4,
                                   .seen_gb_s = INTERVAL_NONE,
                                   .kv_gb_s = INTERVAL_NONE,
                                   .value_ns = INTERVAL_NONE,
                                   .pair_ns = INTERVAL_NONE};
    rates_build(rates.build);
    for (int c = 0; c < 4; c++) {
        snprintf(rates.codec[c].codec, sizeof rates.codec[c].codec, "%s", codec[c][0]);
        snprintf(rates.codec[c].act, sizeof rates.codec[c].act, "%s", codec[c][1]);
        for (int s = 0; s < RATE_SHAPES; s++) {
            double bytes = layer_weights(&shape_find(rate_shape_ids[s])->d) * bits / 8;
            rates.codec[c].decode_gb_s[s] = stats_exact(bytes / (bytes / r + fixed_ns));
            rates.codec[c].prefill_gop_s[s] = stats_exact(500);
        }
    }
}

static struct rates_guess predict(const struct subject *x, int n_prompt, int depth, const double *read)
{
    struct rates_guess g;
    rates_predict(&g, &rates,
                  &(struct rates_work){.model = &x->m->d,
                                       .assign = x->a,
                                       .read = read,
                                       .n_prompt = n_prompt,
                                       .kv_bytes = rates_kv_bytes(&x->m->d, depth)});
    return g;
}

/* One rate for all: bytes of the file, its head being the embedding, over the rate. */
static void one_rate(void **state)
{
    (void)state;
    struct subject x = open_subject("qwen3-1.7b", "gguf/q4_k_m");
    make_rates(20, 0, 8);
    struct rates_guess g = predict(&x, 0, 0, NULL);
    assert_string_equal(g.missing, "");
    double vectors = 0;
    for (int i = 0; i < x.m->d.n_tensors; i++)
        vectors += x.m->d.tensor[i].matrix ? 0 : 4.0 * (double)(x.m->d.tensor[i].src.n * x.m->d.tensor[i].src.k);
    double expected = 20e9 / ((double)x.s.bytes - vectors);
    assert_true(fabs(g.decode_tok_s.v / expected - 1) < 1e-6);
    assert_true(g.decode_tok_s.lo < expected && expected < g.decode_tok_s.hi);
    assert_true(isnan(g.prefill_tok_s.v));
    close_subject(&x);
}

/* A fixed time a layer: exact for a layer that is none of the three shapes, inside and beyond them. */
static void a_time_per_layer(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen3-1.7b", "qwen2.5-0.5b", "smollm2-360m", "qwen3-4b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct subject x = open_subject(names[i], "gguf/q8_0");
        const struct model_desc *d = &x.m->d;
        make_rates(20, 30000, 8.5);
        double layers = layer_weights(d) * 8.5 / 8, head = (double)d->n_vocab * d->d_model * 8.5 / 8;
        double large = layer_weights(&shape_find("llama-3.1-8b")->d) * 8.5 / 8;
        double ns = d->n_layer * (layers / 20 + 30000) + head / (large / (large / 20 + 30000));
        assert_true(fabs(predict(&x, 0, 0, NULL).decode_tok_s.v * ns / 1e9 - 1) < 1e-6);
        close_subject(&x);
    }
}

/* KV bytes at that depth over their own rate; attention of a prompt grows with its length. */
static void cache_and_prompt(void **state)
{
    (void)state;
    struct subject x = open_subject("llama-3.2-1b", "gguf/q8_0");
    make_rates(20, 0, 8);
    double empty = 1e9 / predict(&x, 0, 0, NULL).decode_tok_s.v;
    rates.kv_gb_s = stats_exact(10);
    double full = 1e9 / predict(&x, 0, 1000, NULL).decode_tok_s.v;
    assert_true(fabs(full - empty - 16 * 2 * 8 * 64 * 2 * 1000.0 / 10) < 1); /* layers, K and V, heads, dim, f16 */
    struct rates_guess g = predict(&x, 512, 0, NULL);
    double ops = 2.0 * 16 * layer_weights(&x.m->d);
    assert_true(fabs(g.prefill_tok_s.v * ops / 500e9 - 1) < 1e-6);
    assert_true(fabs(g.ttft_ms.v - 512e3 / g.prefill_tok_s.v - empty * 1e-6) < 1e-3);
    rates.pair_ns = stats_exact(0.001);
    double more = 1e9 / predict(&x, 512, 0, NULL).prefill_tok_s.v - 1e9 / g.prefill_tok_s.v;
    assert_true(fabs(more - 16 * 0.001 * 32 * 64 * 512) < 1);
    close_subject(&x);
}

/* Only the experts in use are read; what was never measured is named and nothing is guessed. */
static void experts_and_unknown_codecs(void **state)
{
    (void)state;
    struct subject x = open_subject("llama-3.1-8b", "gguf/q8_0");
    make_rates(20, 0, 8);
    const struct model_desc *d = &x.m->d;
    double read[512], feed_forward = 3.0 * d->n_layer * d->d_model * d->d_ff * 8.5 / 8 / 20;
    for (int i = 0; i < d->n_tensors; i++) {
        enum tensor_use use = d->tensor[i].use;
        bool expert = use == USE_FFN_GATE || use == USE_FFN_UP || use == USE_FFN_DOWN;
        read[i] = use == USE_TOKEN_EMBD ? 0 : expert ? 0.25 : 1;
    }
    double all = 1e9 / predict(&x, 0, 0, NULL).decode_tok_s.v, some = 1e9 / predict(&x, 0, 0, read).decode_tok_s.v;
    assert_true(fabs((all - some) / (0.75 * feed_forward) - 1) < 1e-6);
    close_subject(&x);
    x = open_subject("llama-3.1-8b", "gguf/q3_k_m");
    struct rates_guess g = predict(&x, 512, 0, NULL);
    assert_string_equal(g.missing, "q3_k");
    assert_true(isnan(g.decode_tok_s.v) && isnan(g.prefill_tok_s.v) && isnan(g.ttft_ms.v));
    close_subject(&x);
}

/* Memory that was slower in an earlier calibration, or faster: the interval covers it, the figure is that of now. */
static void what_memory_did_before(void **state)
{
    (void)state;
    struct subject x = open_subject("llama-3.2-1b", "gguf/q8_0");
    make_rates(20, 0, 8);
    struct rates_guess alone = predict(&x, 0, 0, NULL);
    rates.n_bandwidth = 1;
    rates.bandwidth[0].gb_s = stats_exact(40);
    back = (struct machine_rates){.seen_gb_s = INTERVAL_NONE};
    rates_remember(&rates, &back);
    assert_true(rates.seen_gb_s.v == 40 && rates.seen_gb_s.lo == 40 && rates.seen_gb_s.hi == 40);
    back.seen_gb_s = (struct interval){30, 20, 50};
    rates_remember(&rates, &back);
    assert_true(rates.seen_gb_s.v == 40 && rates.seen_gb_s.lo == 20 && rates.seen_gb_s.hi == 50);
    struct rates_guess now = predict(&x, 0, 0, NULL);
    assert_true(now.decode_tok_s.v == alone.decode_tok_s.v);
    assert_true(fabs(now.decode_tok_s.lo / alone.decode_tok_s.lo - 0.5) < 1e-9);
    assert_true(fabs(now.decode_tok_s.hi / alone.decode_tok_s.hi - 1.25) < 1e-9);
    close_subject(&x);
}

static void kept_by_environment(void **state)
{
    (void)state;
    struct store *s;
    assert_int_equal(store_open(&s, ":memory:", NULL), 0);
    make_rates(20, 1000, 8);
    memset(rates.env_sha256, 'a', 64);
    rates.isa = UINT64_C(0x8000000000000001);
    rates.n_bandwidth = 1;
    rates.bandwidth[0].threads = 2;
    rates.bandwidth[0].gb_s = (struct interval){30, 28, 31};
    rates.codec[2].par = (struct qpar){.bits = 4, .group = -1, .sym = 1};
    assert_int_equal(store_put_rates(s, &rates, NULL), 0);
    assert_int_equal(store_get_rates(s, rates.env_sha256, 2, rates.isa, &back, NULL), 1);
    assert_memory_equal(&rates.codec[2].par, &back.codec[2].par, sizeof back.codec[2].par);
    assert_true(back.n_codecs == 4 && back.isa == rates.isa && back.bandwidth[0].gb_s.hi == 31);
    assert_true(fabs(back.codec[3].decode_gb_s[1].v / rates.codec[3].decode_gb_s[1].v - 1) < 1e-6);
    assert_true(isnan(back.kv_gb_s.v));
    assert_int_equal(store_get_rates(s, rates.env_sha256, 1, rates.isa, &back, NULL), 0);
    assert_int_equal(store_get_rates(s, rates.env_sha256, 2, 1, &back, NULL), 0);
    assert_int_equal(store_get_rates(s, "b", 2, rates.isa, &back, NULL), 0);
    snprintf(rates.build, sizeof rates.build, "0.0 another compiler");
    assert_int_equal(store_put_rates(s, &rates, NULL), 0); /* in place of the first */
    assert_int_equal(store_get_rates(s, rates.env_sha256, 2, rates.isa, &back, NULL), 0);
    store_close(s);
    json_t *bad = json_object();
    struct err e = {0};
    assert_int_equal(rates_from_json(&back, bad, &e), ERR_FORMAT);
    json_decref(bad);
}

static void on_this_machine(void **state)
{
    (void)state;
    struct pool *pool;
    struct err e = {0};
    assert_int_equal(pool_new(&pool, 1, NULL, NULL), 0);
    struct rates_opts o = {.pool = pool, .isa = UINT64_MAX, .budget_s = 0.1, .least_rounds = 1};
    assert_true(isa_narrow("scalar", o.isa, &o.isa)); /* there is no packed kernel: bandwidth alone */
    if (rates_measure(&rates, &o, &e) < 0)
        fail_msg("%s", e.text);
    assert_true(rates.n_bandwidth == 1 && rates.bandwidth[0].gb_s.v > 0.05);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rate),
        cmocka_unit_test(a_time_per_layer),
        cmocka_unit_test(cache_and_prompt),
        cmocka_unit_test(experts_and_unknown_codecs),
        cmocka_unit_test(what_memory_did_before),
        cmocka_unit_test(kept_by_environment),
        cmocka_unit_test(on_this_machine),
    };
    return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
