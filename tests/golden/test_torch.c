/* Formats of packages that need torch, against what those packages decoded (tests/equivalence/torch, recorded once),
 * and against the vectors of the specification. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/formats/bitstream.h"
#include "kernels/formats/codec.h"
#include "kernels/formats/exl2.h"

enum { ROWS = 12, COLS = 256 };

static const float w0[32] = {-37, 12, 90, -64, 5,   -1, 33,  -100, 71,  -18, 44,  0,  -52, 27, -9, 83,
                             -75, 60, -3, 16,  -28, 97, -46, 8,    -11, 39,  -88, 22, -57, 3,  66, -24};

static void read_floats(const char *name, float *x)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/torch/%s.f32", SOURCE_ROOT, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is not there", path);
    assert_int_equal(fread(x, sizeof *x, ROWS * COLS, f), ROWS * COLS);
    fclose(f);
}

/* The whole matrix through a codec, in `pieces` calls where rows can be encoded apart. */
static void through(struct qmat *q, const char *codec, const struct qpar *par, const float *w, float *y, int64_t n,
                    int64_t k, int pieces)
{
    const struct codec *c = codec_find(codec);
    struct arena *a = arena_new();
    struct wstat stat = {0};
    struct err e = {0};
    assert_non_null(c);
    if (c->layout(q, n, k, par, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(qmat_alloc(q, &e), 0);
    if (c->measure)
        assert_int_equal(c->measure(&stat, q, w, n), 0);
    if (c->encode_all)
        assert_int_equal(c->encode_all(q, w, NULL, a), 0);
    for (int i = pieces - 1; i >= 0 && !c->encode_all; i--) {
        int64_t r0 = n * i / pieces, r1 = n * (i + 1) / pieces;
        assert_int_equal(c->encode(q, r0, r1, w + r0 * k, &stat, NULL, a), 0);
    }
    c->decode(y, q, 0, n);
    arena_free(a);
}

static const struct {
    const char *file, *codec;
    struct qpar par;
    double tolerance; /* relative; 0: every bit */
} cases[] = {
    {"bnb_nf4", "bnb_nf4", {.group = 64}, 0},
    {"bnb_nf4_nested", "bnb_nf4", {.group = 64, .scale_type = 1}, 0},
    {"bnb_fp4", "bnb_fp4", {.group = 64}, 0},
    {"bnb_int8", "bnb_int8", {0}, 0},
    {"torchao_int8", "torchao_int8", {0}, 0},
    {"torchao_int4", "torchao_int4", {.group = 128}, 0},
    {"fp8_e4m3_row", "fp8_e4m3", {0}, 0},
    {"fp8_e4m3_tensor", "fp8_e4m3", {.group = -1}, 0},
    {"fp8_e5m2_row", "fp8_e5m2", {0}, 0},
    {"fp8_e5m2_tensor", "fp8_e5m2", {.group = -1}, 0},
    {"hqq2", "hqq", {.bits = 2, .group = 64}, 0},
    {"hqq3", "hqq", {.bits = 3, .group = 64}, 0},
    {"hqq4", "hqq", {.bits = 4, .group = 64}, 0},
    {"hqq8", "hqq", {.bits = 8, .group = 64}, 0},
    {"awq", "awq", {.group = 128}, 0},
    {"gptq4_sym", "gptq", {.bits = 4, .sym = 1, .group = 128}, 0},
    {"gptq4_asym", "gptq", {.bits = 4, .group = 128}, 0},
    {"gptq2_sym", "gptq", {.bits = 2, .sym = 1, .group = 128}, 0},
    {"gptq3_sym", "gptq", {.bits = 3, .sym = 1, .group = 128}, 0},
    {"gptq3_asym", "gptq", {.bits = 3, .group = 128}, 0},
    {"gptq8_sym", "gptq", {.bits = 8, .sym = 1, .group = 128}, 0},
    /* torch sums the magnitudes in f32 in an order of its own */
    {"bitnet_i2_s", "bitnet", {.scale_type = 0}, 2e-7},
    {"bitnet_i2_s", "bitnet", {.scale_type = 1}, 2e-7},
    {"bitnet_i2_s", "bitnet", {.scale_type = 2}, 2e-7},
};

static void packages_decode_the_same(void **state)
{
    static float w[ROWS * COLS], want[ROWS * COLS], got[ROWS * COLS], split[ROWS * COLS];
    (void)state;
    read_floats("input", w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qmat q;
        read_floats(cases[i].file, want);
        through(&q, cases[i].codec, &cases[i].par, w, got, ROWS, COLS, 1);
        qmat_free(&q);
        through(&q, cases[i].codec, &cases[i].par, w, split, ROWS, COLS, 5);
        qmat_free(&q);
        assert_memory_equal(got, split, sizeof got);
        for (int j = 0; j < ROWS * COLS; j++)
            if (fabs((double)got[j] - (double)want[j]) > cases[i].tolerance * fabs((double)want[j]) || isnan(got[j]))
                fail_msg("%s: weight %d, %g, is %.9g there and %.9g here", cases[i].file, j, (double)w[j],
                         (double)want[j], (double)got[j]);
    }
}

/* formats.md: codes, scales and zeros of W0 as one group of 32. */
static void w0_codes(const char *codec, struct qpar par, const uint8_t want[32], float scale, int zero)
{
    float w[32], y[32];
    uint8_t codes[32];
    struct qmat q;
    for (int i = 0; i < 32; i++)
        w[i] = w0[i] / 128;
    through(&q, codec, &par, w, y, 1, 32, 1);
    bits_unpack(codes, q.plane[PLANE_CODE].p, 32, 4);
    assert_memory_equal(codes, want, 32);
    assert_int_equal(rd_u16le(q.plane[PLANE_SCALE].p), f32_to_f16(scale));
    assert_int_equal(q.plane[PLANE_ZERO].p[0] & 15, zero);
    qmat_free(&q);
}

static void specification_vectors(void **state)
{
    static const uint8_t asym[32] = {5, 9,  15, 3, 8, 8,  11, 0, 13, 7,  11, 8,  4, 10, 7,  14,
                                     2, 13, 8,  9, 6, 15, 4,  9, 7,  11, 1,  10, 4, 8,  13, 6};
    static const uint8_t sym[32] = {5, 9,  15, 3, 8, 8,  10, 0, 13, 7,  11, 8,  4, 10, 7,  14,
                                    2, 12, 8,  9, 6, 15, 5,  9, 7,  11, 1,  10, 4, 8,  13, 6};
    static const uint8_t nf4[16] = {0x38, 0xf1, 0x87, 0xb0, 0xe5, 0xc7, 0x2a, 0x6e,
                                    0x1d, 0x79, 0x4f, 0x28, 0x6c, 0x0a, 0x27, 0xe4};
    float w[32], y[32];
    struct qmat q;
    (void)state;
    w0_codes("awq", (struct qpar){.group = 32}, asym, 0x1.a44p-4f, 8);
    w0_codes("gptq", (struct qpar){.bits = 4, .group = 32}, asym, 0.102604166f, 8);
    w0_codes("gptq", (struct qpar){.bits = 4, .sym = 1, .group = 32}, sym, 0.104166664f, 8);
    for (int i = 0; i < 32; i++)
        w[i] = w0[i] / 128;
    through(&q, "bnb_nf4", &(struct qpar){.group = 32}, w, y, 1, 32, 1);
    assert_memory_equal(q.plane[PLANE_CODE].p, nf4, 16);
    assert_true(f32_from_bits(rd_u32le(q.plane[PLANE_SCALE].p)) == 0.78125f);
    qmat_free(&q);
}

/* W0 four times is a block of I2_S: mean magnitude 0.314697265625, byte p holds t + 1 of p, p + 32, p + 64, p + 96. */
static void ternary_vector(void **state)
{
    static const int8_t want[32] = {-1, 0, 1, -1, 0,  0, 1,  -1, 1, 0, 1,  0, -1, 1, 0, 1,
                                    -1, 1, 0, 0,  -1, 1, -1, 0,  0, 1, -1, 1, -1, 0, 1, -1};
    float w[128], y[128], z[128];
    struct qmat q;
    (void)state;
    for (int i = 0; i < 128; i++)
        w[i] = w0[i % 32] / 128;
    through(&q, "bitnet", NULL, w, y, 1, 128, 1);
    for (int i = 0; i < 32; i++)
        assert_int_equal(q.plane[PLANE_CODE].p[i], (want[i] + 1) * 0x55);
    for (int i = 0; i < 128; i++)
        assert_true(y[i] == (float)want[i % 32] * 0.314697265625f);
    qmat_free(&q);
    /* TL1: pairs as nibbles 3a + b + 4; TL2: triples by magnitude with a sign; 128 = 3 * 42 + 2 */
    through(&q, "bitnet", &(struct qpar){.scale_type = 1}, w, z, 1, 128, 1);
    assert_int_equal(q.plane[PLANE_CODE].p[0], (3 * -1 + 0 + 4) | (3 * 1 - 1 + 4) << 4);
    assert_memory_equal(y, z, sizeof y);
    qmat_free(&q);
    through(&q, "bitnet", &(struct qpar){.scale_type = 2}, w, z, 1, 128, 1);
    assert_int_equal(q.plane[PLANE_CODE].p[0], 8 | 9 << 4); /* -1 0 1 -> -8; -1 0 0 -> -9 */
    assert_int_equal(q.plane[PLANE_HIGH].p[0] & 3, 3);
    assert_int_equal(qmat_bytes(&q), 22 + 6 + 4);
    assert_memory_equal(y, z, sizeof y);
    qmat_free(&q);
}

/* A trained ternary model in floats comes back bit for bit, however many zeros it has. */
static void ternary_weights_stay(void **state)
{
    float w[2 * 128], y[2 * 128];
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct qmat q;
        for (int i = 0; i < 2 * 128; i++)
            w[i] = i % 5 == 1 ? 0.01953125f : i % 7 == 3 ? -0.01953125f : 0;
        through(&q, "bitnet", &(struct qpar){.scale_type = (uint8_t)kind}, w, y, 2, 128, 1);
        assert_memory_equal(w, y, sizeof w);
        qmat_free(&q);
        memset(w, 0, sizeof w);
        through(&q, "bitnet", &(struct qpar){.scale_type = (uint8_t)kind}, w, y, 2, 128, 1);
        assert_memory_equal(w, y, sizeof w);
        qmat_free(&q);
    }
}

/* The rule of LLM.int8(): a column with one large value stays half precision for all rows; the others are int8 by the
 * largest magnitude that is no outlier. */
static void outlier_columns_stay(void **state)
{
    const struct act *act = act_find("bnb_int8");
    float x[3 * 8] = {0.5f, -2, 1, 6, 0.1f, 3, 0, 1, 0.25f, 1, -1, 0.3f, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, y[3 * 8];
    (void)state;
    act->round(y, x, 3, 8);
    assert_true(y[3] == 6 && y[8 + 3] == f16_to_f32(f32_to_f16(0.3f)) && y[16 + 3] == 0);
    for (int i = 0; i < 8; i++) {
        if (i == 3)
            continue;
        assert_true(fabsf(y[i] - x[i]) <= 3 / 127.0f * 0.501f);
        assert_true(fabsf(y[8 + i] - x[8 + i]) <= 2 / 127.0f * 0.501f);
        assert_true(y[16 + i] == 0);
    }
    assert_true(y[5] == 127 * (3 * 7.874015718698502e-3f));
    assert_true(y[0] == roundf(0.5f * (1 / 3.0f * 127)) * (3 * 7.874015718698502e-3f));
}

static void rows_have_their_own_scale(void **state)
{
    static const struct {
        const char *name;
        double step; /* largest error over the largest magnitude */
    } rules[] = {{"torchao_int8", 1 / 127.5}, {"bitnet_int8", 0.502 / 127}, {"fp8_e4m3", 1 / 27.9}};
    float x[64], y[64];
    uint8_t code[68];
    struct rng r;
    (void)state;
    rng_seed(&r, 5);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct act *act = act_find(rules[i].name);
        float top = 0;
        for (int j = 0; j < 64; j++) {
            x[j] = (float)rng_normal(&r);
            top = fabsf(x[j]) > top ? fabsf(x[j]) : top;
        }
        assert_int_equal(act_row_bytes(act, 64), 68);
        act->encode(code, x, 64);
        act->decode(y, code, 64);
        for (int j = 0; j < 64; j++)
            assert_true(fabs((double)x[j] - (double)y[j]) <= rules[i].step * (double)top);
        memset(x, 0, sizeof x);
        act->encode(code, x, 64);
        act->decode(y, code, 64);
        for (int j = 0; j < 64; j++)
            assert_true(y[j] == 0);
    }
    /* 127 / absmax times the values of W0: formats.md section 9 */
    for (int j = 0; j < 32; j++)
        x[j] = w0[j] / 128;
    act_find("bitnet_int8")->encode(code, x, 32);
    static const int8_t want[8] = {-47, 15, 114, -81, 6, -1, 42, -127};
    for (int j = 0; j < 8; j++)
        assert_int_equal((int8_t)code[4 + j], want[j]);
}

/* Values of the specification, then codes of two widths put in place by hand, columns in reverse. */
static void exl2_decodes_by_hand(void **state)
{
    const struct codec *c = codec_find("exl2");
    float s = exl2_scale(7, f16_to_f32(f32_to_f16(0.02f))), y[64];
    struct qmat q;
    (void)state;
    assert_true(fabsf(s - 0.005001068115f) < 1e-11f);
    assert_true(fabsf(f16_round(3 * s) - 0.01499938965f) < 1e-11f);
    const struct qpar par = {.bits = 3, .group = 32, .wide_bits = 4, .wide_percent = 50};
    assert_int_equal(c->layout(&q, 1, 64, &par, NULL), 0);
    assert_int_equal(qmat_bytes(&q), 16 + 12 + 1 + 2 * 2 + 2 * 4 + 64 * 4);
    assert_int_equal(qmat_alloc(&q, NULL), 0);
    memset(q.plane[PLANE_CODE].p, 0, 28);
    bits_set(q.plane[PLANE_CODE].p, 1, 4, 11);      /* position 1, middle 8 */
    bits_set(q.plane[PLANE_CODE].p + 16, 31, 3, 6); /* position 63, middle 4 */
    q.plane[PLANE_SCALE].p[0] = 7 | 15 << 4;
    for (int g = 0; g < 2; g++)
        wr_u16le(q.plane[PLANE_BIAS].p + 2 * g, f32_to_f16(0.02f));
    for (int i = 0; i < 64; i++)
        wr_u32le(q.plane[PLANE_PERM].p + 4 * i, (uint32_t)(63 - i));
    c->decode(y, &q, 0, 1);
    assert_true(y[62] == f16_round(3 * s) && y[63] == f16_round(-8 * s));
    float wide = exl2_scale(15, 0.02f);
    assert_true(y[0] == f16_round(2 * wide) && y[31] == f16_round(-4 * wide));
    qmat_free(&q);
    assert_int_equal(c->layout(&q, 1, 100, &par, NULL), ERR_UNSUPPORTED);
    assert_int_equal(
        c->layout(&q, 1, 64, &(struct qpar){.bits = 4, .group = 32, .wide_bits = 3, .wide_percent = 5}, NULL),
        ERR_USAGE);
}

/* 160 columns in groups of 128: what lies behind is coded as a matrix of 32 columns is. */
static void last_group_is_shorter(void **state)
{
    static const struct {
        const char *codec;
        struct qpar par;
    } rows[] = {{"gptq", {.bits = 3, .group = 128}}, {"gptq", {.bits = 4, .sym = 1, .group = 128}},
                {"exl2", {.bits = 5, .group = 128}}};
    enum { N = 6, K = 160, FIRST = 128 };
    float w[N * K], part[2][N * FIRST], whole[N * K], piece[2][N * FIRST];
    struct rng r;
    (void)state;
    rng_seed(&r, 8);
    for (int i = 0; i < N * K; i++)
        w[i] = (float)rng_normal(&r);
    for (int i = 0; i < N; i++) {
        memcpy(part[0] + i * FIRST, w + i * K, FIRST * sizeof *w);
        memcpy(part[1] + i * (K - FIRST), w + i * K + FIRST, (K - FIRST) * sizeof *w);
    }
    for (size_t c = 0; c < sizeof rows / sizeof *rows; c++) {
        struct qmat q;
        through(&q, rows[c].codec, &rows[c].par, w, whole, N, K, 1);
        qmat_free(&q);
        for (int p = 0; p < 2; p++) {
            through(&q, rows[c].codec, &rows[c].par, part[p], piece[p], N, p ? K - FIRST : FIRST, 1);
            qmat_free(&q);
        }
        for (int i = 0; i < N; i++) {
            assert_memory_equal(whole + i * K, piece[0] + i * FIRST, FIRST * sizeof *w);
            assert_memory_equal(whole + i * K + FIRST, piece[1] + i * (K - FIRST), (K - FIRST) * sizeof *w);
        }
    }
}

static void bits_as_the_files_state(void **state)
{
    static const struct {
        const char *codec;
        struct qpar par;
        double bits; /* at 1024 x 1024 */
    } want[] = {
        {"awq", {.group = 128}, 4.15625},
        {"gptq", {.bits = 4, .sym = 1, .group = 128}, 4.15625},
        {"gptq", {.bits = 3, .group = 128}, 3 + 19.0 / 128},
        {"hqq", {.bits = 4, .group = 64}, 4.5},
        {"torchao_int4", {.group = 128}, 4.25},
        {"bnb_nf4", {.group = 64}, 4.5},
        {"bnb_nf4", {.group = 64, .scale_type = 1}, 4.125 + 32.0 / 64 / 256 + 32.0 / (1 << 20)},
        {"bnb_int8", {0}, 8 + 32.0 / 1024},
        {"fp8_e4m3", {.group = -1}, 8 + 32.0 / (1 << 20)},
        {"bitnet", {.scale_type = 1}, 2 + 32.0 / (1 << 20)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct qmat q;
        assert_int_equal(codec_find(want[i].codec)->layout(&q, 1024, 1024, &want[i].par, NULL), 0);
        assert_true(qmat_bits_per_weight(&q) == want[i].bits);
    }
}

static void bad_shapes_are_refused(void **state)
{
    static const char *const grouped[] = {"awq", "gptq", "hqq", "torchao_int4", "bnb_nf4", "bnb_fp4"};
    struct qmat q;
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < sizeof grouped / sizeof *grouped; i++) {
        struct qpar par = {.bits = 4, .group = 128};
        assert_int_equal(codec_find(grouped[i])->layout(&q, 4, 172, &par, &e), ERR_UNSUPPORTED);
        assert_non_null(strstr(e.text, "172"));
        par.group = -1;
        assert_int_equal(codec_find(grouped[i])->layout(&q, 4, 128, &par, &e), ERR_USAGE);
    }
    assert_int_equal(codec_find("gptq")->layout(&q, 4, 128, &(struct qpar){.bits = 5, .group = 128}, &e),
                     ERR_UNSUPPORTED);
    assert_int_equal(codec_find("fp8_e4m3")->layout(&q, 4, 128, &(struct qpar){.group = 64}, &e), ERR_USAGE);
    assert_int_equal(codec_find("bitnet")->layout(&q, 4, 64, NULL, &e), ERR_UNSUPPORTED);
    assert_int_equal(codec_find("bitnet")->layout(&q, 4, 128, &(struct qpar){.scale_type = 3}, &e), ERR_USAGE);
    assert_int_equal(codec_find("bitnet")->layout(&q, INT64_MAX / 8, 1 << 20, NULL, &e), ERR_LIMIT);
    /* what needs the whole tensor says so instead of guessing */
    float w[128] = {0};
    assert_int_equal(codec_find("fp8_e4m3")->layout(&q, 1, 128, &(struct qpar){.group = -1}, &e), 0);
    assert_int_equal(qmat_alloc(&q, &e), 0);
    assert_int_equal(q.codec->encode(&q, 0, 1, w, NULL, NULL, NULL), ERR_USAGE);
    qmat_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packages_decode_the_same), cmocka_unit_test(specification_vectors),
        cmocka_unit_test(ternary_vector),           cmocka_unit_test(ternary_weights_stay),
        cmocka_unit_test(outlier_columns_stay),     cmocka_unit_test(rows_have_their_own_scale),
        cmocka_unit_test(exl2_decodes_by_hand),     cmocka_unit_test(bits_as_the_files_state),
        cmocka_unit_test(last_group_is_shorter),
        cmocka_unit_test(bad_shapes_are_refused),
    };
    return cmocka_run_group_tests_name("torch", tests, NULL, NULL);
}
