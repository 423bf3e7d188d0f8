/* 4-bit codes with a 4-bit zero and an f16 scale per group of 128 (AutoAWQ): w ~ f16((code - zero) * scale).
 * All arithmetic is half precision, each operation rounded, as the quantizer's is. Weights are halves first. */
#include "kernels/formats/fit.h"
#include "kernels/formats/grouped.h"

enum { MAX_CODE = 15 };

static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    struct qpar p = par ? *par : (struct qpar){.group = 128};
    if (p.group < 0)
        return err_set(e, ERR_USAGE, "awq has groups of weights of one row, not one scale per tensor");
    p.bits = 4;
    return grouped_layout(&codec_awq, q, n, k, p, 2, 4, e);
}

/* No zero inclusion: a group of positive weights has zero 0 and loses what its scale cannot reach. */
static void fit_group(const float *w, int64_t n, float *scale, float *zero)
{
    float lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        float h = round_f16(w[i]);
        lo = h < lo ? h : lo;
        hi = h > hi ? h : hi;
    }
    float range = round_f16(hi - lo), least = round_f16(1e-5f);
    *scale = round_f16((range < least ? least : range) / MAX_CODE);
    *zero = clampf(-fit_round(round_f16(lo / *scale)), 0, MAX_CODE);
}

/* The quantizer makes halves on the grid, the packer codes of them: two roundings. */
static uint8_t code_of(float w, float scale, float zero)
{
    float q = clampf(round_f16(fit_round(round_f16(round_f16(w) / scale)) + zero), 0, MAX_CODE);
    float grid = round_f16(round_f16(q - zero) * scale);
    float packed = round_f16(round_f16(grid + round_f16(zero * scale)) / scale);
    return (uint8_t)clampf(fit_round(packed), 0, MAX_CODE);
}

static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                  const struct calib *cal, struct arena *a)
{
    (void)stat, (void)cal, (void)a;
    int64_t len = grouped_len(q);
    uint8_t codes[GROUPED_PIECE];
    for (int64_t r = r0; r < r1; r++, w += q->k)
        for (int64_t g = 0; g * len < q->k; g++) {
            float scale, zero;
            fit_group(w + g * len, len, &scale, &zero);
            wr_u16le(grouped_scale(q, r, g, 2), f32_to_f16(scale));
            bits_set(grouped_zeros(q, r), g, 4, (unsigned)zero);
            for (int64_t i = 0; i < len; i += GROUPED_PIECE) {
                int n = len - i < GROUPED_PIECE ? (int)(len - i) : GROUPED_PIECE;
                for (int j = 0; j < n; j++)
                    codes[j] = code_of(w[g * len + i + j], scale, zero);
                grouped_put(q, r, g * len + i, codes, n);
            }
        }
    return 0;
}

static void book(float *value, const struct qmat *q, int64_t r, int64_t g)
{
    float scale = f16_to_f32(rd_u16le(grouped_scale(q, r, g, 2)));
    int zero = (int)bits_get(grouped_zeros(q, r), g, 4);
    for (int c = 0; c <= MAX_CODE; c++)
        value[c] = round_f16((float)(c - zero) * scale);
}

static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    grouped_decode(dst, q, r0, r1, book);
}

const struct codec codec_awq = {.name = "awq",
                                .doc = "4-bit codes, 4-bit zero and f16 scale per 128 weights, half arithmetic.",
                                .source = "AutoAWQ awq/quantize/quantizer.py, awq/modules/linear/gemm.py",
                                .gguf_type = -1,
                                .block = 1,

                                .act = "f16",
                                .layout = layout,
                                .encode = encode,
                                .decode = decode};
