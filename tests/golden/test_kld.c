/* KL divergence of encodings of the two story models against llama-perplexity's figures (golden/kld-stories.csv: real
 * llama-quantize and llama-perplexity, 20 chunks of 512): our encoders, our recipes, our engine with llama.cpp's
 * activation rules. Every figure must lie within the error that llama-perplexity prints beside it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/eval.h"
#include "bench/quant/recipe.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

enum { MAX_ROWS = 16, N_CHUNKS = 20 };

struct row {
    char quant[16];
    double ppl, ppl_err, kld, kld_err, kld_median, kld_p99, kld_max, top1, top1_err, rms_dp, ratio, ratio_err;
    struct weights *weights;
    struct engine *engine;
};

/* Rows of the model but for the reference itself; *base is the reference's perplexity. */
static int read_rows(const char *model, struct row *rows, double *base)
{
    char *text, *line, *save;
    struct err e;
    int n = 0;
    assert_int_equal(file_read(test_data("golden/kld-stories.csv"), 1 << 16, &text, NULL, &e), 0);
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct row r = {0};
        char name[32];
        int got = sscanf(line, "%31[^,],%*[^,],512,20,%15[^,],%*d,%lf,%lf,%lf,%lf,%lf,%lf,%lf,%lf,%lf,%lf,%lf,%lf",
                         name, r.quant, &r.ppl, &r.ppl_err, &r.kld, &r.kld_err, &r.kld_median, &r.kld_p99, &r.kld_max,
                         &r.top1, &r.top1_err, &r.rms_dp, &r.ratio, &r.ratio_err);
        if (got < 3 || strcmp(name, model) != 0)
            continue;
        if (strcmp(r.quant, "F32") == 0) {
            *base = r.ppl;
            continue;
        }
        assert_int_equal(got, 14);
        for (char *p = r.quant; *p; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        assert_true(n < MAX_ROWS);
        rows[n++] = r;
    }
    mem_free(text);
    assert_true(n >= 11);
    return n;
}

static void encode(struct row *r, const struct model *m, const struct engine_opts *o)
{
    struct err e = {0};
    const struct recipe *recipe = recipe_find(r->quant);
    if (!recipe)
        fail_msg("no recipe %s", r->quant);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    if (recipe_assign(&m->d, recipe, "llama.cpp", NULL, a, &e) ||
        weights_encode(&r->weights, m, a, NULL, 0, o->pool, &e) || engine_new(&r->engine, r->weights, o, &e))
        fail_msg("%s: %s", r->quant, e.text);
    mem_free(a);
}

static void near(const struct row *r, const char *what, double got, double want, double error)
{
    if (!(fabs(got - want) <= error))
        fail_msg("%s: %s %.6f, llama-perplexity has %.6f +- %.6f", r->quant, what, got, want, error);
}

static void compare(const struct row *r, const struct eval_quality *q, double base)
{
    /* Theirs went through 16-bit log-probabilities, which alone scatters a divergence by a few 1e-5. */
    const double noise = 4e-5;
    near(r, "base perplexity", q->ppl_base, base, 1e-4 * base);
    near(r, "mean KLD", q->kld, r->kld, r->kld_err + noise / 10);
    near(r, "median KLD", q->kld_p50, r->kld_median, 0.03 * r->kld_median + noise);
    near(r, "99 % KLD", q->kld_p99, r->kld_p99, 0.1 * r->kld_p99 + noise);
    /* f16 differs from the reference by rounding noise alone, of which each program draws its own. */
    const double ratio_err = strcmp(r->quant, "f16") ? r->ratio_err : 2 * r->ratio_err;
    near(r, "ln PPL ratio", q->ln_ppl_ratio, r->ratio, ratio_err);
    near(r, "PPL", q->ppl, r->ppl, ratio_err * r->ppl);
    near(r, "PPL error", q->ppl_err, r->ppl_err, 0.01 * r->ppl_err);
    near(r, "top token", 100 * q->top1_agreement, r->top1, r->top1_err);
    near(r, "RMS dp", 100 * q->rms_dp, r->rms_dp, 0.05 * r->rms_dp + 0.02);
}

static void check(const char *model)
{
    char path[64];
    struct row rows[MAX_ROWS];
    struct err e = {0};
    struct pool *pool;
    double base = NAN;
    snprintf(path, sizeof path, "models/%s-F32.gguf", model);
    if (!test_data_there("golden/kld-stories.csv") || !test_data_there(path))
        skip();
    int n = read_rows(model, rows, &base);
    assert_int_equal(pool_new(&pool, 2, NULL, &e), 0);
    struct engine_opts o = fixture_opts(512, 512, pool);
    struct fixture ref = fixture_open(test_data(path), false, &o);
    struct eval_cand cand[MAX_ROWS] = {0};
    o.kv = KV_BOTH(F16);
    for (int i = 0; i < n; i++) {
        encode(&rows[i], ref.model, &o);
        cand[i].engine = rows[i].engine;
    }
    int32_t *ids;
    struct eval_text t = {.n_ctx = 512, .n_chunks = N_CHUNKS, .bos = vocab_bos(ref.model->vocab)};
    assert_int_equal(eval_tokenize(ref.model->vocab, test_data("text/stories-ascii.txt"), 512, &ids, &t.n_tokens, &e),
                     0);
    t.tokens = ids;
    struct eval *v;
    assert_int_equal(eval_new(&v, &t, ref.engine, cand, n, &e), 0);
    for (int i = 0; i < N_CHUNKS; i++)
        assert_int_equal(eval_chunk(v, i, NULL, &e), 0);
    for (int i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        struct eval_quality q;
        assert_int_equal(eval_result(v, i, &q, &e), 0);
        assert_int_equal(q.n_scored, N_CHUNKS * 255);
        if (strcmp(r->quant, "iq4_nl") == 0) { /* the one whose blocks are not llama-quantize's: at least as good */
            assert_true(q.kld < r->kld + r->kld_err);
            assert_true(100 * q.top1_agreement > r->top1 - 2 * r->top1_err);
        } else {
            compare(r, &q, base);
        }
        assert_true(q.kld_lo < q.kld && q.kld < q.kld_hi && q.ppl_lo < q.ppl && q.ppl < q.ppl_hi);
        engine_free(rows[i].engine);
        weights_free(rows[i].weights);
    }
    eval_free(v);
    mem_free(ids);
    fixture_close(&ref);
    pool_free(pool);
}

static void stories260k(void **state)
{
    (void)state;
    check("stories260K");
}
static void tinystories656k(void **state)
{
    (void)state;
    check("TinyStories-656K");
}

/* Files of every type that llama-quantize made of random weights, evaluated as they are: decoders and activation
 * rules. llama-perplexity (0c1e570) on text/stories-ascii.txt, 4 chunks of 512, against golden/source-f32.gguf. */
static void types_have_their_arithmetic(void **state)
{
    static const struct {
        const char *file;
        double kld, kld_median, ppl;
    } want[] = {
        {"pure-IQ4_NL", 0.127910, 0.118932, 677.35}, {"pure-IQ4_XS", 0.138963, 0.130017, 668.73},
        {"pure-IQ3_S", 0.423810, 0.412748, 797.88},  {"im-IQ3_XXS", 0.485323, 0.470752, 808.42},
        {"mix-IQ2_M", 0.472066, 0.469663, 811.03},   {"im-IQ2_XS", 0.651516, 0.642838, 997.88},
        {"im-IQ2_XXS", 0.697149, 0.696136, 1007.25}, {"im-IQ1_M", 0.948477, 0.943174, 1179.42},
        {"im-IQ1_S", 0.791745, 0.779077, 739.57},    {"pure-TQ1_0", 1.092443, 1.089750, 893.39},
        {"pure-TQ2_0", 1.092443, 1.089750, 893.39},  {"pure-Q1_0", 0.767736, 0.759796, 997.84},
        {"pure-Q2_0", 1.110195, 1.105455, 924.98},   {"pure-Q4_K_S", 0.120470, 0.111432, 827.21},
    };
    enum { N = sizeof want / sizeof *want, CHUNKS = 4 };
    struct err e = {0};
    struct pool *pool;
    (void)state;
    if (!test_data_there("golden/source-f32.gguf"))
        skip();
    assert_int_equal(pool_new(&pool, 2, NULL, &e), 0);
    struct engine_opts o = fixture_opts(512, 512, pool);
    struct fixture ref = fixture_open(test_data("golden/source-f32.gguf"), false, &o), file[N];
    struct eval_cand cand[N] = {0};
    o.kv = KV_BOTH(F16);
    for (int i = 0; i < N; i++) {
        char name[64];
        snprintf(name, sizeof name, "golden/%s.gguf", want[i].file);
        file[i] = fixture_open(test_data(name), true, &o);
        cand[i].engine = file[i].engine;
    }
    int32_t *ids;
    struct eval_text t = {.n_ctx = 512, .n_chunks = CHUNKS, .bos = vocab_bos(ref.model->vocab)};
    struct eval *v;
    assert_int_equal(eval_tokenize(ref.model->vocab, test_data("text/stories-ascii.txt"), 512, &ids, &t.n_tokens, &e),
                     0);
    t.tokens = ids;
    assert_int_equal(eval_new(&v, &t, ref.engine, cand, N, &e), 0);
    for (int i = 0; i < CHUNKS; i++)
        assert_int_equal(eval_chunk(v, i, NULL, &e), 0);
    for (int i = 0; i < N; i++) {
        struct eval_quality q;
        struct row r = {0};
        snprintf(r.quant, sizeof r.quant, "%s", want[i].file);
        assert_int_equal(eval_result(v, i, &q, &e), 0);
        near(&r, "mean KLD", q.kld, want[i].kld, 1e-3 * want[i].kld);
        near(&r, "median KLD", q.kld_p50, want[i].kld_median, 5e-3 * want[i].kld_median);
        near(&r, "PPL", q.ppl, want[i].ppl, 3e-3 * want[i].ppl);
        fixture_close(&file[i]);
    }
    eval_free(v);
    mem_free(ids);
    fixture_close(&ref);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories260k),
        cmocka_unit_test(tinystories656k),
        cmocka_unit_test(types_have_their_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
