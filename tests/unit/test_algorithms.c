/* bench/quant: GPTQ and AWQ against closed forms and against plain rounding on inputs whose columns hang together. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/half.h"
#include "base/rng.h"
#include "bench/quant/algorithm.h"
#include "bench/quant/recipe.h"
#include "bench/quant/linalg.h"
#include "bench/quant/exl2_plan.h"
#include "kernels/formats/gptq.h"
#include "kernels/kernels.h"

enum { N = 24, K = 64, TOKENS = 96 };

/* One matrix that reads inputs with that gram matrix and those mean magnitudes, through an algorithm or (NULL) the
 * codec alone; what it stands for goes to y. */
static void encode_with(const char *algorithm, const char *codec, struct qpar par, const float *w, int64_t n, int64_t k,
                        const float *gram, const float *magnitude, enum tensor_use use, struct pool *pool, float *y)
{
    const struct algorithm *algo = algorithm ? algorithm_find(algorithm) : NULL;
    const struct model_tensor t = {.name = "m", .use = use};
    const struct model_desc d = {.n_head = 4, .n_head_kv = 2};
    struct calib cal = {.gram = gram, .magnitude = magnitude};
    struct arena *a = arena_new();
    struct qmat q;
    struct err e = {0};
    assert_int_equal(codec_find(codec)->layout(&q, n, k, &par, &e), 0);
    if (algo && algo->layout)
        assert_int_equal(algo->layout(&q, &e), 0);
    assert_int_equal(qmat_alloc(&q, &e), 0);
    struct algo_target target = {.q = &q, .w = w, .t = &t};
    struct algo_group g = {.d = &d,
                           .cal = &cal,
                           .k = k,
                           .n = 1,
                           .target = &target,
                           .pool = pool,
                           .gemm = kernel_find(OP_GEMM_F32, NULL, NULL, 0),
                           .arena = a};
    int rc = algo ? algo->encode(&g, &e) : q.codec->encode(&q, 0, n, w, NULL, NULL, a);
    if (rc)
        fail_msg("%s", e.text);
    q.codec->decode(y, &q, 0, n);
    qmat_free(&q);
    arena_free(a);
}

static double output_error(const float *w, const float *y, const float *gram, int64_t n, int64_t k)
{
    double sum = 0;
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < k; i++)
            for (int64_t j = 0; j < k; j++)
                sum += ((double)y[r * k + i] - (double)w[r * k + i]) * (double)gram[i * k + j] *
                       ((double)y[r * k + j] - (double)w[r * k + j]);
    return sum;
}

/* Inputs made of a few common factors, a little noise, and columns of very different size. */
static void draw_case(uint64_t seed, int n_tokens, float *w, float *gram, float *magnitude)
{
    static float x[TOKENS * K];
    float factor[6][K];
    struct rng r;
    rng_seed(&r, seed);
    for (int f = 0; f < 6; f++)
        for (int j = 0; j < K; j++)
            factor[f][j] = (float)(rng_normal(&r) * (j % 16 == 3 ? 8 : 1));
    for (int t = 0; t < n_tokens; t++) {
        float c[6];
        for (int f = 0; f < 6; f++)
            c[f] = (float)rng_normal(&r);
        for (int j = 0; j < K; j++) {
            x[t * K + j] = (float)(0.2 * rng_normal(&r));
            for (int f = 0; f < 6; f++)
                x[t * K + j] += c[f] * factor[f][j];
        }
    }
    for (int i = 0; i < K; i++) {
        magnitude[i] = 0;
        for (int t = 0; t < n_tokens; t++)
            magnitude[i] += fabsf(x[t * K + i]) / (float)n_tokens;
        for (int j = 0; j < K; j++) {
            double sum = 0;
            for (int t = 0; t < n_tokens; t++)
                sum += (double)x[t * K + i] * (double)x[t * K + j];
            gram[i * K + j] = (float)(sum / n_tokens);
        }
    }
    for (int i = 0; i < N * K; i++)
        w[i] = (float)(rng_normal(&r) * 0.05);
}

static void need_lapacke(void)
{
    if (!linalg_present()) {
        print_message("skipped: this build has no LAPACKE\n");
        skip();
    }
}

/* a = U^-1 U^-T, that is U a U^T = 1. */
static void factor_inverts(void **state)
{
    const double a[9] = {4, 1, 0.5, 1, 3, -0.25, 0.5, -0.25, 2};
    double u[9], p[9] = {0};
    (void)state;
    need_lapacke();
    memcpy(u, a, sizeof a);
    assert_int_equal(linalg_inverse_factor(u, 3, NULL), 0);
    assert_true(u[3] == 0 && u[6] == 0 && u[7] == 0);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 3; k++)
                for (int l = 0; l < 3; l++)
                    p[3 * i + j] += u[3 * i + k] * a[3 * k + l] * u[3 * j + l];
    for (int i = 0; i < 9; i++)
        assert_true(fabs(p[i] - (i % 4 == 0)) < 1e-12);
    double singular[4] = {1, 1, 1, 1};
    struct err e = {0};
    assert_int_equal(linalg_inverse_factor(singular, 2, &e), ERR_DATA);
}

/* Two columns with gram a c, c b: after the first is rounded to q, the second must become w1 + (w0 - q) c / b. */
static void two_columns_in_closed_form(void **state)
{
    (void)state;
    need_lapacke();
    for (int i = 0; i < 40; i++) {
        float w[2] = {0.31f + 0.011f * (float)i, -0.77f}, y[2], a = 2, b = 3, c = i % 2 ? 1.9f : -1.3f;
        const float gram[4] = {a, c, c, b};
        float damped = b + 0.01f * (a + b) / 2;
        encode_with("gptq", "gptq", (struct qpar){.bits = 3, .group = 0}, w, 1, 2, gram, NULL, USE_FFN_UP, NULL, y);
        struct grid g = gptq_grid(w, 2, 3, false);
        float q0 = g.scale * (gptq_code(g, 3, w[0]) - g.zero), moved = w[1] + (w[0] - q0) * c / damped;
        float want[2] = {gptq_code(g, 3, w[0]), gptq_code(g, 3, moved)};
        for (int j = 0; j < 2; j++)
            assert_true(y[j] == f16_round(f16_round(g.scale) * (want[j] - g.zero)));
    }
}

static void solving_beats_rounding(void **state)
{
    static const struct qpar pars[] = {{.bits = 2, .group = 32},
                                       {.bits = 3, .group = 32},
                                       {.bits = 4, .group = 64, .sym = 1},
                                       {.bits = 8, .group = 64}};
    static float w[N * K], y[N * K], gram[K * K];
    float magnitude[K];
    (void)state;
    need_lapacke();
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (size_t p = 0; p < sizeof pars / sizeof *pars; p++) {
            draw_case(seed, seed % 2 ? TOKENS : 20, w, gram, magnitude); /* 20 tokens: a gram without full rank */
            encode_with(NULL, "gptq", pars[p], w, N, K, gram, NULL, USE_FFN_UP, NULL, y);
            double rounded = output_error(w, y, gram, N, K);
            encode_with("gptq", "gptq", pars[p], w, N, K, gram, NULL, USE_FFN_UP, NULL, y);
            double solved = output_error(w, y, gram, N, K);
            encode_with("gptq_act_order", "gptq", pars[p], w, N, K, gram, NULL, USE_FFN_UP, NULL, y);
            double ordered = output_error(w, y, gram, N, K);
            if (!(solved < rounded) || !(ordered < rounded))
                fail_msg("seed %d, %d bits: rounded %g, solved %g, ordered %g", (int)seed, pars[p].bits, rounded,
                         solved, ordered);
        }
}

/* No statistics but independent columns of one size: there is nothing to make up for, and every code is the nearest. */
static void independent_columns_are_rounded(void **state)
{
    static float w[N * K], y[N * K], z[N * K], gram[K * K];
    float magnitude[K];
    const struct qpar par = {.bits = 4, .sym = 1, .group = 32};
    (void)state;
    need_lapacke();
    draw_case(3, TOKENS, w, gram, magnitude);
    memset(gram, 0, sizeof gram);
    for (int i = 0; i < K; i++)
        gram[i * K + i] = 2;
    encode_with("gptq", "gptq", par, w, N, K, gram, NULL, USE_FFN_UP, NULL, y);
    encode_with(NULL, "gptq", par, w, N, K, NULL, NULL, USE_FFN_UP, NULL, z);
    assert_memory_equal(y, z, sizeof y);
    gram[5 * K + 5] = 0; /* a column that never carried anything */
    encode_with("gptq_act_order", "gptq", par, w, N, K, gram, NULL, USE_FFN_UP, NULL, y);
    for (int r = 0; r < N; r++)
        assert_true(y[r * K + 5] == 0);
}

static void scaling_beats_rounding(void **state)
{
    static float w[N * K], y[N * K], z[N * K], gram[K * K];
    float magnitude[K];
    const struct qpar par = {.group = 32};
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        draw_case(seed, TOKENS, w, gram, magnitude);
        encode_with(NULL, "awq", par, w, N, K, gram, magnitude, USE_FFN_UP, NULL, y);
        double rounded = output_error(w, y, gram, N, K);
        encode_with("awq", "awq", par, w, N, K, gram, magnitude, USE_FFN_UP, NULL, y);
        double scaled = output_error(w, y, gram, N, K);
        encode_with("awq", "awq", par, w, N, K, gram, magnitude, USE_ATTN_OUT, NULL, z);
        double clipped = output_error(w, z, gram, N, K); /* nothing to fold into: no scales */
        if (!(scaled < 0.8 * rounded) || !(clipped <= rounded * 1.001) || !(scaled < clipped))
            fail_msg("seed %d: rounded %g, clipped %g, scaled %g", (int)seed, rounded, clipped, scaled);
    }
}

static void exl2_beats_rounding(void **state)
{
    static const struct qpar pars[] = {{.bits = 2, .group = 32, .wide_bits = 3, .wide_percent = 50},
                                       {.bits = 4, .group = 32},
                                       {.bits = 6, .group = 64}};
    static float w[N * K], y[N * K], gram[K * K];
    float magnitude[K];
    (void)state;
    need_lapacke();
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (size_t p = 0; p < sizeof pars / sizeof *pars; p++) {
            draw_case(seed, TOKENS, w, gram, magnitude);
            encode_with(NULL, "exl2", pars[p], w, N, K, gram, magnitude, USE_FFN_UP, NULL, y);
            double rounded = output_error(w, y, gram, N, K);
            encode_with("exl2", "exl2", pars[p], w, N, K, gram, magnitude, USE_FFN_UP, NULL, y);
            double solved = output_error(w, y, gram, N, K);
            if (!(solved < 0.7 * rounded))
                fail_msg("seed %d, %d bits: rounded %g, solved %g", (int)seed, pars[p].bits, rounded, solved);
        }
}

static void threads_change_nothing(void **state)
{
    static const char *const names[][2] = {
        {"gptq", "gptq"}, {"gptq_act_order", "gptq"}, {"awq", "awq"}, {"exl2", "exl2"}};
    static float w[N * K], y[N * K], z[N * K], gram[K * K];
    float magnitude[K];
    struct pool *pool;
    (void)state;
    need_lapacke();
    assert_int_equal(pool_new(&pool, 3, NULL, NULL), 0);
    draw_case(9, TOKENS, w, gram, magnitude);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct qpar par = {.bits = 4, .group = 32};
        encode_with(names[i][0], names[i][1], par, w, N, K, gram, magnitude, USE_FFN_UP, NULL, y);
        encode_with(names[i][0], names[i][1], par, w, N, K, gram, magnitude, USE_FFN_UP, pool, z);
        assert_memory_equal(y, z, sizeof y);
    }
    pool_free(pool);
}

/* ---- a whole model: the statistics are those of its inputs, the matrices of a group are solved with them ---- */

static struct calibration *collect(const struct model *m, unsigned want, struct pool *pool)
{
    struct calibration *c = NULL;
    struct weights *w = NULL;
    struct err e = {0};
    int32_t ids[256];
    struct rng r;
    rng_seed(&r, 4);
    for (int i = 0; i < 256; i++)
        ids[i] = 3 + (int32_t)rng_below(&r, 93);
    const struct calib_text text = {.tokens = ids, .n_tokens = 256, .n_ctx = 64, .bos = -1};
    assert_int_equal(weights_source(&w, m, false, &e), 0);
    if (calibration_collect(&c, w, want, &text, 0, pool, &e))
        fail_msg("%s", e.text);
    weights_free(w);
    return c;
}

static void gram_has_the_squares_on_its_diagonal(void **state)
{
    struct model *m = NULL;
    struct err e = {0};
    struct pool *pool;
    (void)state;
    assert_int_equal(pool_new(&pool, 2, NULL, NULL), 0);
    assert_int_equal(model_open(&m, SOURCE_ROOT "/tests/golden/arch/llama.gguf", &e), 0);
    struct calibration *c = collect(m, CALIB_SQUARES | CALIB_MAGNITUDE | CALIB_GRAM, NULL);
    struct calibration *threaded = collect(m, CALIB_GRAM, pool);
    for (int i = 0; i < m->d.n_tensors; i++) {
        const struct calib *s = c->tensor[i];
        int64_t k = m->d.tensor[i].src.k;
        if (!s)
            continue;
        assert_memory_equal(s->gram, threaded->tensor[i]->gram, (size_t)(k * k) * sizeof(float));
        for (int64_t a = 0; a < k; a++) {
            double square = (double)s->importance[a], mean = (double)s->magnitude[a];
            assert_true(fabs((double)s->gram[a * k + a] - square) <= 1e-5 * square);
            assert_true(mean * mean <= square * 1.00001 && mean > 0);
            for (int64_t b = 0; b < a; b++)
                assert_true(fabsf(s->gram[a * k + b] - s->gram[b * k + a]) <=
                            1e-4f * sqrtf(s->gram[a * k + a] * s->gram[b * k + b]));
        }
    }
    calibration_free(c);
    calibration_free(threaded);
    model_close(m);
    pool_free(pool);
}

/* Sum over all matrices of the error of their outputs, and how many the recipe touched. */
static double model_error(const struct model *m, const char *recipe, const struct calibration *c, int *n_touched)
{
    const struct recipe *r = recipe_find(recipe);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct weights *w = NULL;
    struct err e = {0};
    double sum = 0;
    *n_touched = 0;
    assert_non_null(r);
    assert_int_equal(recipe_assign(&m->d, r, "weights-only", &(struct recipe_known){.importance = true}, a, &e), 0);
    if (weights_encode(&w, m, a, c, 0, NULL, &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < m->d.n_tensors; i++) {
        const struct qmat *src = &m->d.tensor[i].src;
        if (!m->d.tensor[i].matrix || strcmp(a[i].codec->name, r->codec) != 0)
            continue;
        float *x = mem_alloc_n((size_t)(src->n * src->k), sizeof *x),
              *y = mem_alloc_n((size_t)(src->n * src->k), sizeof *y);
        src->codec->decode(x, src, 0, src->n);
        w->mat[i].codec->decode(y, &w->mat[i], 0, src->n);
        sum += output_error(x, y, c->tensor[i]->gram, src->n, src->k);
        mem_free(x);
        mem_free(y);
        ++*n_touched;
    }
    weights_free(w);
    mem_free(a);
    return sum;
}

static void a_model_gains_from_its_statistics(void **state)
{
    struct model *m = NULL;
    struct err e = {0};
    int n;
    (void)state;
    need_lapacke();
    assert_int_equal(model_open(&m, SOURCE_ROOT "/tests/golden/arch/llama.gguf", &e), 0);
    struct calibration *c = collect(m, CALIB_GRAM | CALIB_MAGNITUDE, NULL);
    double rounded = model_error(m, "gptq/4bit-channel-sym-rtn", c, &n);
    double solved = model_error(m, "gptq/4bit-channel-sym", c, &n);
    assert_int_equal(n, 7 * m->d.n_layer); /* linear layers; embedding and head stay */
    if (!(solved < 0.9 * rounded))
        fail_msg("rounded %g, solved %g", rounded, solved);
    calibration_free(c);
    model_close(m);
}

/* Bits of the first layer's matrices in the widths chosen; the sum of 16 outputs' relative errors by plain rounding. */
static double bits_of_widths(const struct model *m, double bpw, const struct calibration *c, double *error)
{
    struct recipe r;
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct err e = {0};
    double bits = 0, weights = 0;
    *error = 0;
    assert_int_equal(recipe_resolve(&r, "exl2/grid", &e), 0);
    r.bpw = bpw;
    assert_int_equal(recipe_assign(&m->d, &r, "weights-only", &(struct recipe_known){.importance = true}, a, &e), 0);
    for (int i = 0; i < m->d.n_tensors; i++)
        a[i].algorithm = m->d.tensor[i].layer == 0 ? a[i].algorithm : NULL;
    if (bpw > 0 && exl2_plan(&(struct algo_plan){m, algorithm_find("exl2"), a, c, NULL}, &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < m->d.n_tensors; i++) {
        const struct qmat *src = &m->d.tensor[i].src;
        struct qmat q;
        size_t n = (size_t)(src->n * src->k);
        if (!a[i].algorithm)
            continue;
        float *x = mem_alloc_n(n, sizeof *x), *y = mem_alloc_n(n, sizeof *y), *zero = mem_alloc_n(n, sizeof *zero);
        assert_int_equal(codec_exl2.layout(&q, src->n, src->k, &a[i].par, &e), 0);
        assert_int_equal(qmat_alloc(&q, &e), 0);
        src->codec->decode(x, src, 0, src->n);
        assert_int_equal(codec_exl2.encode_all(&q, x, NULL, NULL), 0);
        codec_exl2.decode(y, &q, 0, src->n);
        *error +=
            output_error(x, y, c->tensor[i]->gram, 16, src->k) / output_error(x, zero, c->tensor[i]->gram, 16, src->k);
        bits += 8 * (double)qmat_bytes(&q);
        weights += (double)n;
        qmat_free(&q);
        mem_free(x);
        mem_free(y);
        mem_free(zero);
    }
    mem_free(a);
    return bits / weights;
}

static void widths_meet_their_bits(void **state)
{
    struct model *m = NULL;
    struct recipe r;
    struct err e = {0};
    double same, chosen, bits;
    (void)state;
    assert_int_equal(model_open(&m, SOURCE_ROOT "/datasets/models/default.gguf", &e), 0);
    struct calibration *c = collect(m, CALIB_GRAM, NULL);
    bits = bits_of_widths(m, 2.7, c, &chosen);
    assert_true(bits <= 2.7 && bits > 2.68);
    bits = bits_of_widths(m, 0, c, &same); /* 4 bits everywhere */
    assert_true(bits_of_widths(m, bits, c, &chosen) <= bits);
    if (!(chosen < same))
        fail_msg("at %g bits: error %g with one width, %g with widths by error", bits, same, chosen);
    assert_int_equal(recipe_resolve(&r, "exl2/grid@bpw=9", &e), ERR_USAGE);
    assert_int_equal(recipe_resolve(&r, "exl2/grid@bpw=2", &e), 0);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct weights *w = NULL;
    assert_int_equal(recipe_assign(&m->d, &r, NULL, &(struct recipe_known){.importance = true}, a, &e), 0);
    assert_int_equal(weights_encode(&w, m, a, c, 0, NULL, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "cannot be met"));
    mem_free(a);
    calibration_free(c);
    model_close(m);
}

static uint64_t bytes_of(const struct model *m, const char *recipe, const struct calibration *c, struct pool *pool)
{
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct weights *w = NULL;
    struct recipe r;
    struct err e = {0};
    uint64_t hash = 0;
    assert_int_equal(recipe_resolve(&r, recipe, &e), 0);
    r.par.group = 0; /* the rows are short */
    assert_int_equal(recipe_assign(&m->d, &r, "weights-only", &(struct recipe_known){.importance = true}, a, &e), 0);
    if (weights_encode(&w, m, a, c, 0, pool, &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < m->d.n_tensors; i++)
        for (int p = 0; p < N_PLANES && a[i].algorithm; p++)
            for (size_t b = 0; b < w->mat[i].plane[p].bytes; b++)
                hash = (hash ^ w->mat[i].plane[p].p[b]) * 0x100000001b3u;
    assert_true(hash != 0);
    weights_free(w);
    mem_free(a);
    return hash;
}

/* A format after others, which leave factors of the same or of another kind: the bytes are those of a first one. */
static void what_is_kept_changes_nothing(void **state)
{
    static const char *const names[] = {"gptq/4bit-channel-sym", "gptq/4bit-channel-sym",
                                        "gptq/4bit-g128-sym-act-order", "gptq/4bit-channel-sym"};
    struct model *m = NULL;
    struct pool *pool = NULL;
    struct err e = {0};
    (void)state;
    need_lapacke();
    assert_int_equal(model_open(&m, SOURCE_ROOT "/tests/golden/arch/llama.gguf", &e), 0);
    assert_int_equal(pool_new(&pool, 2, NULL, &e), 0);
    struct calibration *shared = collect(m, CALIB_GRAM, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct calibration *fresh = collect(m, CALIB_GRAM, NULL);
        uint64_t alone = bytes_of(m, names[i], fresh, NULL);
        assert_int_equal(bytes_of(m, names[i], shared, i % 2 ? pool : NULL), alone);
        calibration_free(fresh);
    }
    calibration_free(shared);
    pool_free(pool);
    model_close(m);
}

static void missing_statistics_are_named(void **state)
{
    struct model *m = NULL;
    struct weights *w = NULL;
    struct err e = {0};
    (void)state;
    assert_int_equal(model_open(&m, SOURCE_ROOT "/tests/golden/arch/llama.gguf", &e), 0);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    const struct recipe *r = recipe_find("gptq/4bit-channel-sym");
    assert_int_equal(recipe_assign(&m->d, r, NULL, NULL, a, &e), ERR_MISSING);
    assert_non_null(strstr(e.text, "--calibration"));
    assert_int_equal(recipe_assign(&m->d, r, NULL, &(struct recipe_known){.importance = true}, a, &e), 0);
    assert_int_equal(weights_encode(&w, m, a, NULL, 0, NULL, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "--calibration"));
    struct calibration *c = collect(m, CALIB_SQUARES, NULL); /* what an importance matrix has */
    assert_int_equal(weights_encode(&w, m, a, c, 0, NULL, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "importance matrix"));
    calibration_free(c);
    /* groups of 128 do not divide rows of 32 and 48: AutoAWQ stops, torchao leaves such tensors as they are */
    assert_int_equal(recipe_assign(&m->d, recipe_find("awq/4bit-g128-rtn"), NULL, NULL, a, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "do not divide"));
    assert_int_equal(recipe_assign(&m->d, recipe_find("torchao/int4-g128"), NULL, NULL, a, &e), 0);
    for (int i = 0; i < m->d.n_tensors; i++)
        if (m->d.tensor[i].matrix && m->d.tensor[i].layer >= 0) {
            assert_string_equal(a[i].codec->name, "bf16");
            assert_string_equal(a[i].wanted->name, "torchao_int4");
            assert_non_null(strstr(a[i].why, "do not divide"));
        }
    mem_free(a);
    model_close(m);
}

static void every_failed_allocation_is_survived(void **state)
{
    static float w[N * K], gram[K * K];
    float magnitude[K];
    struct model_tensor t = {.use = USE_FFN_UP};
    const struct model_desc d = {.n_head = 1, .n_head_kv = 1, .tensor = &t};
    struct calib cal = {.gram = gram, .magnitude = magnitude, .sample = w, .n_samples = 3};
    const struct qpar in_groups = {.bits = 4, .group = 32}, in_rows = {.bits = 8};
    float lo[K], hi[K];
    struct calib_input in = {.k = K, .lo = lo, .hi = hi, .n_edges = 1};
    struct calibration all = {.d = &d, .input = &in, .input_of = (int[]){0}};
    struct use_assign assign = {.alpha = 0.5};
    (void)state;
    draw_case(2, TOKENS, w, gram, magnitude);
    for (int i = 0; i < K; i++) {
        hi[i] = magnitude[i];
        lo[i] = -hi[i];
    }
    for (const struct algorithm *const *algo = algorithms; *algo; algo++) {
        bool rows = (*algo)->needs == CALIB_EDGES; /* SmoothQuant */
        int rc = ERR_NOMEM;
        for (long fail = 1; rc == ERR_NOMEM && fail < 100; fail++) {
            struct qmat q;
            struct err e = {0};
            struct arena *a = arena_new();
            assert_int_equal(codec_find((*algo)->codec)->layout(&q, N, K, rows ? &in_rows : &in_groups, NULL), 0);
            assert_int_equal((*algo)->layout ? (*algo)->layout(&q, &e) : 0, 0);
            assert_int_equal(qmat_alloc(&q, NULL), 0);
            struct algo_target target = {.q = &q, .w = w, .t = &t};
            struct algo_group g = {.d = &d,
                                   .cal = &cal,
                                   .all = rows ? &all : NULL,
                                   .assign = &assign,
                                   .k = K,
                                   .n = 1,
                                   .target = &target,
                                   .arena = a,
                                   .gemm = kernel_find(OP_GEMM_F32, NULL, NULL, 0)};
            mem_fail_from(fail);
            rc = (*algo)->encode(&g, &e);
            mem_fail_from(0);
            assert_true(rc == 0 || rc == ERR_NOMEM || rc == ERR_UNSUPPORTED);
            qmat_free(&q);
            arena_free(a);
        }
        assert_true(rc == 0 || rc == ERR_UNSUPPORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factor_inverts),
        cmocka_unit_test(two_columns_in_closed_form),
        cmocka_unit_test(solving_beats_rounding),
        cmocka_unit_test(independent_columns_are_rounded),
        cmocka_unit_test(scaling_beats_rounding),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(exl2_beats_rounding),
        cmocka_unit_test(gram_has_the_squares_on_its_diagonal),
        cmocka_unit_test(a_model_gains_from_its_statistics),
        cmocka_unit_test(widths_meet_their_bits),
        cmocka_unit_test(what_is_kept_changes_nothing),
        cmocka_unit_test(missing_statistics_are_named),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("algorithms", tests, NULL, NULL);
}
