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
#include "bench/quant/linalg.h"
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
        struct gptq_grid g = gptq_fit(w, 2, 1, 3, false);
        float q0 = g.scale * (gptq_code(&g, w[0]) - g.zero), moved = w[1] + (w[0] - q0) * c / damped;
        float want[2] = {gptq_code(&g, w[0]), gptq_code(&g, moved)};
        for (int j = 0; j < 2; j++)
            assert_true(y[j] == round_f16(round_f16(g.scale) * (want[j] - g.zero)));
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

static void threads_change_nothing(void **state)
{
    static const char *const names[][2] = {{"gptq", "gptq"}, {"gptq_act_order", "gptq"}, {"awq", "awq"}};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factor_inverts),         cmocka_unit_test(two_columns_in_closed_form),
        cmocka_unit_test(solving_beats_rounding), cmocka_unit_test(independent_columns_are_rounded),
        cmocka_unit_test(scaling_beats_rounding), cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests_name("algorithms", tests, NULL, NULL);
}
