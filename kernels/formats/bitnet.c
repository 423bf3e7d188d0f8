/* BitNet b1.58: -1, 0 or 1 times one scale per tensor, g = mean|w|. One codec, three layouts (qpar.scale_type), row by
 * row: I2_S  four codes w + 1 per byte, 128 weights in 32 bytes: weight p in bits 7:6, p + 32 in 5:4, p + 64, p + 96.
 *   TL1   pairs (a, b) as nibbles 3a + b + 4, low nibble first.
 *   TL2   triples v = 9a + 3b + c: |v| as nibbles in PLANE_CODE, signs as bits in PLANE_HIGH; what 3 does not divide is
 *         pairs behind them.
 * The tiles of TL1 and TL2 are their container's business; sizes and values are these. */
#include <string.h>
#include "kernels/formats/fit.h"
#include "kernels/formats/bitnet.h"

int64_t bitnet_triples(int64_t k)
{
    return k % 3 == 0 ? k / 3 : (k / 3 - (k % 3 == 1)); /* the rest is one or two pairs */
}

static size_t code_bytes(int64_t k, int kind)
{
    if (kind != BITNET_TL2)
        return (size_t)k / 4;
    int64_t triples = bitnet_triples(k);
    return (size_t)(triples + (k - 3 * triples) / 2 + 1) / 2;
}

static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    int kind = par ? par->scale_type : BITNET_I2_S;
    int block = kind == BITNET_I2_S ? 128 : 4;
    if (kind > BITNET_TL2)
        return err_set(e, ERR_USAGE, "bitnet has layouts 0 (I2_S), 1 (TL1) and 2 (TL2): not %d", kind);
    struct qpar p = {.bits = 2, .sym = 1, .scale_type = (uint8_t)kind, .group = -1};
    int rc = group_start(&codec_bitnet, q, n, k, p, 4, GROUP_DIVIDES, e);
    if (rc)
        return rc;
    if (k % block != 0)
        return err_set(
            e, ERR_UNSUPPORTED,
            "bitnet stores blocks of %d weights, which do not divide rows of %lld: choose another format for "
            "this tensor",
            block, (long long)k);
    q->plane[PLANE_CODE].row_stride = code_bytes(k, kind);
    q->plane[PLANE_CODE].bytes = (size_t)n * code_bytes(k, kind);
    if (kind == BITNET_TL2) {
        q->plane[PLANE_HIGH].row_stride = (size_t)(bitnet_triples(k) + 7) / 8;
        q->plane[PLANE_HIGH].bytes = (size_t)n * q->plane[PLANE_HIGH].row_stride;
    }
    group_share_plane(q, PLANE_SCALE, 4);
    return 0;
}

static int measure(struct wstat *s, const struct qmat *q, const float *w, int64_t n_rows)
{
    for (int64_t i = 0; i < n_rows * q->k; i++) {
        double size = fabs((double)w[i]);
        s->abs_sum += size;
        s->square_sum += size * size;
        s->abs_max = (float)size > s->abs_max ? (float)size : s->abs_max;
    }
    s->count += n_rows * q->k;
    return 0;
}

/* Mean magnitude. Weights that are -g, 0, g already (a trained model in floats) keep their g: only for those does the
 * sum of squares reach the largest times the sum of magnitudes. */
static float tensor_scale(const struct wstat *s)
{
    double most = (double)s->abs_max * s->abs_sum;
    float mean = (float)(s->abs_sum / (double)s->count);
    if (s->abs_max > 0 && s->square_sum >= most * (1 - 1e-3))
        return s->abs_max;
    return mean > 1e-5f ? mean : 1e-5f;
}

static void put_i2_s(uint8_t *dst, const int8_t *t, int64_t k)
{
    for (int64_t b = 0; b < k / 128; b++, t += 128, dst += 32)
        for (int p = 0; p < 32; p++)
            dst[p] = (uint8_t)((t[p] + 1) << 6 | (t[p + 32] + 1) << 4 | (t[p + 64] + 1) << 2 | (t[p + 96] + 1));
}

static void get_i2_s(float *y, const uint8_t *src, int64_t k, float g)
{
    for (int64_t b = 0; b < k / 128; b++, y += 128, src += 32)
        for (int p = 0; p < 32; p++)
            for (int part = 0; part < 4; part++)
                y[p + 32 * part] = (float)((src[p] >> (6 - 2 * part) & 3) - 1) * g;
}

static void put_nibble(uint8_t *dst, int64_t i, int v)
{
    dst[i / 2] = (uint8_t)(i % 2 ? (dst[i / 2] & 15) | v << 4 : v);
}
static int get_nibble(const uint8_t *src, int64_t i)
{
    return i % 2 ? src[i / 2] >> 4 : src[i / 2] & 15;
}

/* From nibble `at` on, weights [0, k) two by two. */
static void put_pairs(uint8_t *dst, int64_t at, const int8_t *t, int64_t k)
{
    for (int64_t i = 0; i < k; i += 2)
        put_nibble(dst, at + i / 2, 3 * t[i] + t[i + 1] + 4);
}

static void get_pairs(float *y, const uint8_t *src, int64_t at, int64_t k, float g)
{
    for (int64_t i = 0; i < k; i += 2) {
        int v = get_nibble(src, at + i / 2);
        y[i] = (float)(v / 3 - 1) * g;
        y[i + 1] = (float)(v % 3 - 1) * g;
    }
}

static void put_tl2(uint8_t *dst, uint8_t *sign, const int8_t *t, int64_t k)
{
    int64_t n = bitnet_triples(k);
    memset(sign, 0, (size_t)(n + 7) / 8);
    for (int64_t i = 0; i < n; i++) {
        int v = 9 * t[3 * i] + 3 * t[3 * i + 1] + t[3 * i + 2];
        put_nibble(dst, i, v < 0 ? -v : v);
        sign[i / 8] |= (uint8_t)((v < 0) << i % 8);
    }
    put_pairs(dst, n, t + 3 * n, k - 3 * n);
}

static void get_tl2(float *y, const uint8_t *src, const uint8_t *sign, int64_t k, float g)
{
    int64_t n = bitnet_triples(k);
    for (int64_t i = 0; i < n; i++, y += 3) {
        int v = get_nibble(src, i) + 13;
        int s = sign[i / 8] >> i % 8 & 1 ? -1 : 1;
        y[0] = (float)(s * (v / 9 - 1)) * g;
        y[1] = (float)(s * (v / 3 % 3 - 1)) * g;
        y[2] = (float)(s * (v % 3 - 1)) * g;
    }
    get_pairs(y, src, n, k - 3 * n, g);
}

static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                  const struct calib *cal, struct arena *a)
{
    (void)cal;
    if (!stat || stat->count == 0 || !a)
        return ERR_USAGE; /* the mean magnitude of the tensor must be known */
    float g = tensor_scale(stat), inv = 1 / g;
    size_t mark = arena_mark(a);
    int8_t *t = arena_alloc(a, (size_t)q->k);
    if (!t)
        return ERR_NOMEM;
    for (int64_t r = r0; r < r1; r++, w += q->k) {
        for (int64_t i = 0; i < q->k; i++)
            t[i] = (int8_t)clampf(fit_round(w[i] * inv), -1, 1);
        if (q->seg->q.scale_type == BITNET_I2_S)
            put_i2_s(codec_row(q, r), t, q->k);
        else if (q->seg->q.scale_type == BITNET_TL1)
            put_pairs(codec_row(q, r), 0, t, q->k);
        else
            put_tl2(codec_row(q, r), q->plane[PLANE_HIGH].p + (size_t)r * q->plane[PLANE_HIGH].row_stride, t, q->k);
    }
    if (r0 == 0)
        wr_u32le(q->plane[PLANE_SCALE].p, f32_bits(g));
    arena_reset(a, mark);
    return 0;
}

static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    float g = f32_from_bits(rd_u32le(q->plane[PLANE_SCALE].p));
    for (int64_t r = r0; r < r1; r++, dst += q->k) {
        if (q->seg->q.scale_type == BITNET_I2_S)
            get_i2_s(dst, codec_row(q, r), q->k, g);
        else if (q->seg->q.scale_type == BITNET_TL1)
            get_pairs(dst, codec_row(q, r), 0, q->k, g);
        else
            get_tl2(dst, codec_row(q, r), q->plane[PLANE_HIGH].p + (size_t)r * q->plane[PLANE_HIGH].row_stride, q->k,
                    g);
    }
}

const struct codec codec_bitnet = {.name = "bitnet",
                                   .doc = "-1, 0, 1 times the mean magnitude of the tensor; layouts I2_S, TL1, TL2.",
                                   .source =
                                       "microsoft/BitNet utils/convert-hf-to-gguf-bitnet.py, src/ggml-bitnet-mad.cpp",
                                   .gguf_type = -1,
                                   .block = 1,
                                   .act = "bitnet_int8",
                                   .layout = layout,
                                   .measure = measure,
                                   .encode = encode,
                                   .decode = decode};
