/* kernels/formats: tables, layouts, hand-made blocks of every codec, error bounds, awkward rows, activation
 * rules. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/half.h"
#include "base/hash.h"
#include "base/rng.h"
#include "kernels/formats/codec.h"

enum { K = 512 };

static void fill_normal(float *x, int64_t n, uint64_t seed, double scale)
{
    struct rng r;
    rng_seed(&r, seed);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(rng_normal(&r) * scale);
}

static void matrix_new(struct qmat *q, const struct codec *c, int64_t n, int64_t k)
{
    struct err e = {0};
    assert_int_equal(c->layout(q, n, k, NULL, &e), 0);
    assert_int_equal(qmat_alloc(q, &e), 0);
}

/* Encodes and decodes x[n][k]; returns the root of the weighted mean square error. */
static double round_trip(const struct codec *c, const float *x, float *y, int64_t n, int64_t k, const float *imp,
                         const float *error_weight)
{
    struct qmat q;
    struct calib cal = {imp};
    double sum = 0;
    matrix_new(&q, c, n, k);
    assert_int_equal(c->encode(&q, 0, n, x, NULL, imp ? &cal : NULL, NULL), 0);
    c->decode(y, &q, 0, n);
    qmat_free(&q);
    for (int64_t i = 0; i < n * k; i++) {
        double d = (double)x[i] - (double)y[i];
        sum += d * d * (error_weight ? (double)error_weight[i % k] : 1);
    }
    return sqrt(sum / (double)(n * k));
}

static void tables_are_sound(void **state)
{
    (void)state;
    for (const struct codec *const *c = codecs; *c; c++) {
        assert_ptr_equal(codec_find((*c)->name), *c);
        assert_ptr_equal(codec_by_gguf_type((*c)->gguf_type), (*c)->gguf_type < 0 ? NULL : *c);
        assert_non_null(act_find((*c)->act));
        assert_true((*c)->block % act_find((*c)->act)->block == 0 || act_find((*c)->act)->block % (*c)->block == 0);
    }
    assert_null(codec_find("q4_9"));
    assert_null(codec_by_gguf_type(-1));
    assert_null(codec_by_gguf_type(1000));
    assert_null(act_find("int7"));
    assert_int_equal(act_row_bytes(act_find("q8_k"), 512), 2 * 292);
}

/* Bits per weight as the format's documentation states them. */
static void layouts_have_the_stated_bits(void **state)
{
    static const struct {
        const char *name;
        double bits;
    } want[] = {{"f32", 32},       {"f16", 16},         {"bf16", 16},      {"q8_0", 8.5},      {"q4_0", 4.5},
                {"q4_1", 5},       {"q5_0", 5.5},       {"q5_1", 6},       {"q2_k", 2.625},    {"q3_k", 3.4375},
                {"q4_k", 4.5},     {"q5_k", 5.5},       {"q6_k", 6.5625},  {"iq4_nl", 4.5},    {"iq4_xs", 4.25},
                {"iq3_s", 3.4375}, {"iq3_xxs", 3.0625}, {"iq2_s", 2.5625}, {"iq2_xs", 2.3125}, {"iq2_xxs", 2.0625},
                {"iq1_m", 1.75},   {"iq1_s", 1.5625},   {"tq1_0", 1.6875}, {"tq2_0", 2.0625},  {"mxfp4", 4.25},
                {"nvfp4", 4.5},    {"q1_0", 1.125},     {"q2_0", 2.25}};
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct qmat q, shared;
        assert_int_equal(codec_find(want[i].name)->layout(&q, 3, 768, NULL, NULL), 0);
        assert_true(qmat_bits_per_weight(&q) == want[i].bits);
        assert_null(q.plane[PLANE_CODE].p);
        qmat_share(&shared, &q);
        assert_ptr_equal(shared.seg, &shared.seg1);
        assert_int_equal(shared.seg[0].k1, 768);
    }
}

static void layouts_refuse(void **state)
{
    const struct codec *c = codec_find("q4_k");
    struct qmat q;
    struct err e = {0};
    (void)state;
    assert_int_equal(c->layout(&q, 4, 576, NULL, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "576"));
    assert_non_null(strstr(e.text, "256"));
    assert_int_equal(c->layout(&q, 0, 256, NULL, &e), ERR_FORMAT);
    assert_int_equal(c->layout(&q, 1, 0, NULL, &e), ERR_FORMAT);
    assert_int_equal(c->layout(&q, 1, -256, NULL, &e), ERR_FORMAT);
    assert_int_equal(c->layout(&q, INT64_MAX, 1 << 20, NULL, &e), ERR_LIMIT);
    assert_int_equal(codec_find("f32")->layout(&q, INT64_MAX / 4, INT64_MAX / 8, NULL, &e), ERR_LIMIT);
    assert_int_equal(c->layout(&q, 1, INT64_MAX / 256 * 256, NULL, &e), ERR_LIMIT);
}

static void allocation_failure_is_reported(void **state)
{
    struct qmat q;
    struct err e = {0};
    (void)state;
    assert_int_equal(codec_find("q6_k")->layout(&q, 2, 256, NULL, &e), 0);
    mem_fail_from(1);
    int rc = qmat_alloc(&q, &e);
    mem_fail_from(0);
    assert_int_equal(rc, ERR_NOMEM);
    assert_non_null(strstr(e.text, "q6_k"));
    assert_null(q.plane[PLANE_CODE].p);
}

/* One block with known fields; the value of weight i follows from the layout tables, not from the code under
 * test. */
static void decode_block(const char *codec, uint8_t *block, float y[256])
{
    struct qmat q;
    const struct codec *c = codec_find(codec);
    assert_int_equal(c->layout(&q, 1, c->block, NULL, NULL), 0);
    q.plane[PLANE_CODE].p = block;
    c->decode(y, &q, 0, 1);
}

static void plain_blocks_decode_by_hand(void **state)
{
    float y[256];
    (void)state;
    uint8_t q4_0[18] = {0x00, 0x38, [2 + 5] = 0xf3}; /* d = 0.5; weight 5: code 3, weight 21: code 15 */
    decode_block("q4_0", q4_0, y);
    assert_true(y[5] == -2.5f && y[21] == 3.5f && y[0] == -4);
    uint8_t q4_1[20] = {0x00, 0x38, 0x00, 0xbc, [4 + 5] = 0xf3}; /* m = -1 */
    decode_block("q4_1", q4_1, y);
    assert_true(y[5] == 0.5f && y[21] == 6.5f && y[0] == -1);
    uint8_t q5_0[22] = {0x00, 0x38, 0x20, 0x00, 0x00, 0x80, [6 + 5] = 0x03, [6 + 15] = 0x40};
    decode_block("q5_0", q5_0, y); /* fifth bits of weights 5 and 31 */
    assert_true(y[5] == 1.5f && y[31] == 2 && y[21] == -8 && y[15] == -8);
    uint8_t q5_1[24] = {0x00, 0x38, 0x00, 0xbc, 0x20, 0x00, 0x00, 0x80, [8 + 5] = 0x03, [8 + 15] = 0x40};
    decode_block("q5_1", q5_1, y);
    assert_true(y[5] == 8.5f && y[31] == 9 && y[21] == -1);
    uint8_t q8_0[34] = {0x00, 0x38, 0x80, 0x7f};
    decode_block("q8_0", q8_0, y);
    assert_true(y[0] == -64 && y[1] == 63.5f && y[2] == 0);
}

static void super_blocks_decode_by_hand(void **state)
{
    float y[256];
    (void)state;
    /* d = 1, dmin = 0.5. Weight 228 = 128 + 3*32 + 4 lies in sub-block 14: scale 7, offset 3; code 2 at
     * bits 6. */
    uint8_t q2_k[84] = {[14] = 0x37, [16 + 32 + 4] = 2 << 6, [80] = 0x00, 0x3c, 0x00, 0x38};
    decode_block("q2_k", q2_k, y);
    assert_true(y[228] == 7 * 2 - 1.5f && y[229] == -1.5f && y[0] == 0);
    /* Weight 228 = 7*32 + 4: high bit 7 of byte 4. Sub-block 14: scale low half in byte 6 high, high pair in
     * byte 10. */
    uint8_t q3_k[110] = {[4] = 0x80, [32 + 32 + 4] = 1 << 6, [96 + 6] = 0x50, [96 + 10] = 3 << 6, [108] = 0x00, 0x3c};
    decode_block("q3_k", q3_k, y);
    assert_true(y[228] == (5 + 48 - 32) * (1 + 4 - 4) && y[229] == 21 * -4);
    /* Sub-block 7 of Q4_K: scale low half of byte 11 with bits of byte 3, offset high half with bits of
     * byte 7. */
    uint8_t q4_k[144] = {
        0x00, 0x3c, 0x00, 0x38, [4 + 3] = 2 << 6, [4 + 7] = 1 << 6, [4 + 11] = 0x43, [16 + 3 * 32 + 9] = 0xd2};
    decode_block("q4_k", q4_k, y);
    assert_true(y[224 + 9] == (3 + 32) * 13 - 0.5f * (4 + 16) && y[192 + 9] == 0);
    uint8_t q5_k[176] = {0x00, 0x3c, 0x00, 0x38, [4 + 2] = 33, [4 + 6] = 5, [16 + 9] = 1 << 2, [48 + 32 + 9] = 0x02};
    decode_block("q5_k", q5_k, y); /* sub-block 2, weight 64 + 9 */
    assert_true(y[73] == 33 * (2 + 16) - 2.5f && y[74] == -2.5f);
    uint8_t q6_k[210] = {[64 + 32 + 9] = 0xa0, [128 + 32 + 9] = 1 << 6, [192 + 14] = 0xfe, [208] = 0x00, 0x3c};
    decode_block("q6_k", q6_k, y); /* weight 128 + 96 + 9: scale -2, code 10 + 16 - 32 */
    assert_true(y[233] == 12 && y[234] == 64);
}

/* Relative error on normal data stays under what the number of bits allows (a bit is about a factor of two).
 */
static void errors_shrink_with_bits(void **state)
{
    static const struct {
        const char *name;
        double limit;
    } want[] = {{"f32", 0},       {"f16", 3e-4},      {"bf16", 2.4e-3}, {"q8_0", 6.5e-3},  {"q6_k", 0.019},
                {"q5_k", 0.037},  {"q5_1", 0.041},    {"q5_0", 0.045},  {"q4_k", 0.073},   {"q4_1", 0.083},
                {"q4_0", 0.092},  {"q3_k", 0.16},     {"q2_k", 0.29},   {"iq4_nl", 0.077}, {"iq4_xs", 0.077},
                {"iq3_s", 0.136}, {"iq3_xxs", 0.184}, {"iq2_s", 0.256}, {"iq2_xs", 0.307}, {"iq2_xxs", 0.355},
                {"iq1_m", 0.467}, {"iq1_s", 0.51},    {"mxfp4", 0.114}, {"nvfp4", 0.097},  {"q1_0", 0.61}};
    static float x[8 * K], y[8 * K];
    (void)state;
    fill_normal(x, 8 * K, 7, 1);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        double rms = round_trip(codec_find(want[i].name), x, y, 8, K, NULL, NULL);
        if (rms > want[i].limit || (want[i].limit > 0 && rms < 0.4 * want[i].limit))
            fail_msg("%s: error %g, expected just under %g", want[i].name, rms, want[i].limit);
    }
}

static void rows_do_not_depend_on_the_split(void **state)
{
    static float x[9 * K];
    struct calib cal = {x};
    float imp[K];
    (void)state;
    fill_normal(x, 9 * K, 3, 0.02);
    for (int i = 0; i < K; i++)
        imp[i] = fabsf(x[i]);
    cal.importance = imp;
    for (const struct codec *const *c = codecs; *c; c++)
        for (int with = 0; with < 2 && (*c)->block_bytes; with++) { /* the parametric ones: test_groups.c */
            struct qmat a, b;
            const struct calib *use = with ? &cal : NULL;
            matrix_new(&a, *c, 9, K);
            matrix_new(&b, *c, 9, K);
            (*c)->encode(&a, 0, 9, x, NULL, use, NULL);
            (*c)->encode(&b, 4, 9, x + 4 * K, NULL, use, NULL);
            for (int r = 3; r >= 0; r--)
                (*c)->encode(&b, r, r + 1, x + r * K, NULL, use, NULL);
            assert_memory_equal(a.plane[0].p, b.plane[0].p, qmat_bytes(&a));
            qmat_free(&a);
            qmat_free(&b);
        }
}

/* Fills one awkward row; returns what the decoded row may differ by, relative to its largest magnitude. */
static double awkward_row(int which, float x[K])
{
    fill_normal(x, K, 11 + (uint64_t)which, 0.02);
    switch (which) {
    case 0: /* all zero */
        memset(x, 0, K * sizeof *x);
        return 0;
    case 1: /* constant, positive */
    case 2: /* and negative */
        for (int i = 0; i < K; i++)
            x[i] = which == 1 ? 0.75f : -0.75f;
        return 0.01;
    case 3: /* one huge outlier */
        x[300] = 1e4f;
        return 0.05;
    case 4: /* all positive */
    case 5: /* all negative */
        for (int i = 0; i < K; i++)
            x[i] = which == 4 ? fabsf(x[i]) : -fabsf(x[i]);
        return 0.35;
    case 6: /* scales at the bottom of f16 */
        for (int i = 0; i < K; i++)
            x[i] *= 1e-4f;
        return 1;
    case 7: /* around the largest half */
        for (int i = 0; i < K; i++)
            x[i] = i % 2 ? 65504.0f : -65504.0f;
        return 0.26; /* grids of signed codes lack the code on one side */
    case 8:          /* below everything f16 can scale */
        for (int i = 0; i < K; i++)
            x[i] *= 1e-36f;
        return 1;
    default: /* zero runs between weights */
        for (int i = 0; i < K; i += 1 + i % 37)
            x[i] = 0;
        return 0.35;
    }
}

/* Too few values, or too small a range of scales, for the tolerances above. */
static bool is_coarse(const struct codec *c)
{
    return 8.0 * c->block_bytes / c->block < 4 || strcmp(c->name, "mxfp4") == 0 || strcmp(c->name, "nvfp4") == 0;
}

static void awkward_rows_survive(void **state)
{
    float x[K], y[K], imp[K] = {0};
    (void)state;
    for (int i = 0; i < K; i += 3)
        imp[i] = i % 2 ? 1e-20f : 1e9f;
    for (const struct codec *const *c = codecs; *c; c++)
        for (int which = 0; which < 10 && (*c)->block_bytes; which++)
            for (int with = 0; with < 2; with++) {
                double tolerance = awkward_row(which, x), top = 0;
                tolerance = tolerance > 0 && is_coarse(*c) ? 1.01 : tolerance;
                round_trip(*c, x, y, 1, K, with ? imp : NULL, NULL);
                for (int i = 0; i < K; i++) /* not fmax: gcc 12 for aarch64 fails on its reduction */
                    top = fabs((double)x[i]) > top ? fabs((double)x[i]) : top;
                for (int i = 0; i < K; i++) {
                    double off = fabs((double)x[i] - (double)y[i]);
                    if (!isfinite(y[i]) || (!with && off > tolerance * top))
                        fail_msg("%s, row %d: weight %d is %g, decoded %g", (*c)->name, which, i, (double)x[i],
                                 (double)y[i]);
                }
            }
}

/* Where d falls below the smallest half, the k-types still use their sub-scales. */
static void tiny_rows_keep_their_shape(void **state)
{
    static const char *const searched[] = {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k"};
    float x[K], y[K];
    (void)state;
    fill_normal(x, K, 17, 3e-6);
    for (size_t i = 0; i < sizeof searched / sizeof *searched; i++)
        assert_true(round_trip(codec_find(searched[i]), x, y, 1, K, NULL, NULL) < 0.35 * 3e-6);
}

/* Weights far beyond any f16 scale must not turn into NaN in the searched formats. */
static void absurd_weights_stay_finite(void **state)
{
    static const char *const searched[] = {"q2_k",  "q3_k",    "q4_k",  "q5_k",   "q6_k",    "iq4_nl", "iq4_xs",
                                           "iq3_s", "iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m",  "iq1_s"};
    float x[K], y[K];
    (void)state;
    fill_normal(x, K, 5, 1e36);
    for (size_t i = 0; i < sizeof searched / sizeof *searched; i++) {
        round_trip(codec_find(searched[i]), x, y, 1, K, NULL, NULL);
        for (int j = 0; j < K; j++)
            assert_true(isfinite(y[j]));
    }
}

static void importances_are_used(void **state)
{
    static const char *const searched[] = {"q4_0",    "q4_1",  "q5_0",   "q5_1",    "q2_k",   "q3_k",
                                           "q4_k",    "q5_k",  "q6_k",   "iq4_nl",  "iq4_xs", "iq3_s",
                                           "iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m",  "iq1_s"};
    static float x[8 * K], y[8 * K];
    float imp[K], none[K] = {0};
    struct rng r;
    (void)state;
    fill_normal(x, 8 * K, 21, 0.03);
    rng_seed(&r, 22);
    for (int i = 0; i < K; i++)
        imp[i] = (float)exp(2 * rng_normal(&r));
    for (size_t i = 0; i < sizeof searched / sizeof *searched; i++) {
        const struct codec *c = codec_find(searched[i]);
        double without = round_trip(c, x, y, 8, K, NULL, imp), with = round_trip(c, x, y, 8, K, imp, imp);
        if (with > 0.97 * without)
            fail_msg("%s: weighted error %g with importances, %g without", c->name, with, without);
        assert_true(round_trip(c, x, y, 8, K, none, NULL) < 0.6 * 0.03); /* all zero: as if all alike */
    }
}

static void halves_decode_as_the_scalar_does(void **state)
{
    static uint16_t h[65536];
    static float y[65536];
    struct qmat q;
    (void)state;
    for (int i = 0; i < 65536; i++)
        wr_u16le(&h[i], (uint16_t)i);
    assert_int_equal(codec_find("f16")->layout(&q, 256, 256, NULL, NULL), 0);
    q.plane[PLANE_CODE].p = (uint8_t *)h;
    q.codec->decode(y, &q, 0, 256);
    for (int i = 0; i < 65536; i++)
        assert_true(isnan(f16_to_f32((uint16_t)i)) ? isnan(y[i]) : f32_bits(y[i]) == f32_bits(f16_to_f32((uint16_t)i)));
}

/* 2.5 steps: activations round to even, weights in Q8_0 away from zero. */
static void ties_follow_the_rule(void **state)
{
    float x[32] = {127, 2.5f, -2.5f, 3.5f}, y[32];
    uint8_t block[36];
    struct qmat q;
    (void)state;
    act_find("q8_0")->encode(block, x, 32);
    act_find("q8_0")->decode(y, block, 32);
    assert_true(y[0] == 127 && y[1] == 2 && y[2] == -2 && y[3] == 4);
    act_find("q8_1")->encode(block, x, 32);
    assert_true(f16_to_f32(rd_u16le(block)) == 1 && f16_to_f32(rd_u16le(block + 2)) == 131);
    act_find("q8_1")->decode(y, block, 32);
    assert_true(y[1] == 2 && y[3] == 4);
    matrix_new(&q, codec_find("q8_0"), 1, 32);
    q.codec->encode(&q, 0, 1, x, NULL, NULL, NULL);
    q.codec->decode(y, &q, 0, 1);
    assert_true(y[1] == 3 && y[2] == -3 && y[3] == 4);
    qmat_free(&q);
}

/* Exact in f32 on every machine: wide range; every other 256 are halves up to 127, so that codes are often ties. */
static void fill_exact(float *x, int n)
{
    struct rng r;
    rng_seed(&r, 2026);
    for (int i = 0; i < n; i++) {
        uint64_t u = rng_u64(&r);
        double v = (double)(int)(u & 0xffff) - 32768;
        x[i] = (float)(i & 256 ? (double)(int)(u % 255) / 2 - 63.5 : ldexp(v, -(int)(u >> 16 & 15)));
        if ((i & 287) == 256)
            x[i] = 127;
    }
}

/* SHA-256 of what quantize_row_q8_0, _q8_1 and _q8_K of llama.cpp 0c1e570 (x86, AVX-512) write for that input. */
static void int8_rules_are_llama_cpps(void **state)
{
    static const char *const want[][2] = {
        {"q8_0", "213cafd945c7267554b0189f39dc0ccb155ff226f5659bb452404388d6df2031"},
        {"q8_1", "7f241141f01bf7c0ad8b7c6d59dca4df878c63b26f74794d7a3828269b17094f"},
        {"q8_k", "a4e926f2177f09d412fdd7da38c03d84e6d7353678a34b50045f6cc210a60280"},
    };
    static float x[1 << 16];
    static uint8_t row[65536 / 256 * 292]; /* q8_k takes the most, 292 bytes per 256 */
    _Static_assert(sizeof row >= 65536 / 32 * 36, "room for q8_1");
    char sha[65];
    (void)state;
    fill_exact(x, 1 << 16);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct act *a = act_find(want[i][0]);
        a->encode(row, x, 1 << 16);
        sha256_hex(row, act_row_bytes(a, 1 << 16), sha);
        assert_string_equal(sha, want[i][1]);
    }
}

static void q8_k_maps_the_extreme_to_minus_127(void **state)
{
    static float x[512], y[512];
    uint8_t row[2 * 292];
    (void)state;
    fill_normal(x, 256, 9, 1);
    x[77] = 9;
    act_find("q8_k")->encode(row, x, 512); /* the second block is all zero */
    assert_int_equal((int8_t)row[4 + 77], -127);
    assert_true(f32_from_bits(rd_u32le(row)) < 0);
    for (int j = 0; j < 16; j++) {
        int sum = 0;
        for (int i = 0; i < 16; i++)
            sum += (int8_t)row[4 + 16 * j + i];
        assert_int_equal((int16_t)rd_u16le(row + 260 + 2 * j), sum);
    }
    act_find("q8_k")->decode(y, row, 512);
    for (int i = 0; i < 512; i++)
        assert_true(fabsf(y[i] - x[i]) <= 9 / 127.0f * 0.5001f);
    assert_true(y[300] == 0);
}

static void sixteen_bit_acts_round(void **state)
{
    float x[2] = {1.00048828125f + 1e-5f, -65504}, y[2];
    uint16_t raw[2];
    (void)state;
    act_find("f16")->encode(raw, x, 2);
    act_find("f16")->decode(y, raw, 2);
    assert_true(y[0] == 1.0009765625f && y[1] == -65504);
    act_find("bf16")->encode(raw, x, 2);
    act_find("bf16")->decode(y, raw, 2);
    assert_true(y[0] == 1 && y[1] == -65536);
    act_find("f32")->encode(y, x, 2);
    assert_memory_equal(x, y, sizeof x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sound),
        cmocka_unit_test(layouts_have_the_stated_bits),
        cmocka_unit_test(layouts_refuse),
        cmocka_unit_test(allocation_failure_is_reported),
        cmocka_unit_test(plain_blocks_decode_by_hand),
        cmocka_unit_test(super_blocks_decode_by_hand),
        cmocka_unit_test(errors_shrink_with_bits),
        cmocka_unit_test(rows_do_not_depend_on_the_split),
        cmocka_unit_test(awkward_rows_survive),
        cmocka_unit_test(tiny_rows_keep_their_shape),
        cmocka_unit_test(absurd_weights_stay_finite),
        cmocka_unit_test(importances_are_used),
        cmocka_unit_test(halves_decode_as_the_scalar_does),
        cmocka_unit_test(ties_follow_the_rule),
        cmocka_unit_test(int8_rules_are_llama_cpps),
        cmocka_unit_test(q8_k_maps_the_extreme_to_minus_127),
        cmocka_unit_test(sixteen_bit_acts_round),
    };
    return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
