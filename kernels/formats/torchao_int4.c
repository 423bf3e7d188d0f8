/* 4-bit codes with a bf16 scale and a bf16 zero per group of 128, the zero being the value of code 8 (tinygemm):
 * w ~ bf16(bf16((code - 8) * scale) + zero). Weights are brain floats first and every operation rounds to them. */
#include "kernels/formats/fit.h"
#include "kernels/formats/grouped.h"

enum { MAX_CODE = 15, MIDDLE = 8 };

static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    struct qpar p = par ? *par : (struct qpar){.group = 128};
    if (p.group < 0)
        return err_set(e, ERR_USAGE, "torchao_int4 has groups of weights of one row, not one scale per tensor");
    p.bits = 4;
    return grouped_layout(&codec_torchao_int4, q, n, k, p, 2, 16, e);
}

static void fit_group(const float *w, int64_t n, float *scale, float *zero)
{
    float lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        float v = round_bf16(w[i]);
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
    }
    float s = round_bf16(round_bf16(hi - lo) / MAX_CODE);
    *scale = s < 0x1p-126f ? 0x1p-126f : s;
    *zero = round_bf16(lo + round_bf16(*scale * MIDDLE));
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
            wr_u16le(grouped_scale(q, r, g, 2), f32_to_bf16(scale));
            wr_u16le(grouped_zeros(q, r) + 2 * g, f32_to_bf16(zero));
            float lo = round_bf16(zero - round_bf16(scale * MIDDLE));
            for (int64_t i = 0; i < len; i += GROUPED_PIECE) {
                int n = len - i < GROUPED_PIECE ? (int)(len - i) : GROUPED_PIECE;
                for (int j = 0; j < n; j++) {
                    float off = round_bf16(round_bf16(w[g * len + i + j]) - lo);
                    codes[j] = (uint8_t)clampf(fit_round(round_bf16(off / scale)), 0, MAX_CODE);
                }
                grouped_put(q, r, g * len + i, codes, n);
            }
        }
    return 0;
}

static void book(float *value, const struct qmat *q, int64_t r, int64_t g)
{
    float scale = bf16_to_f32(rd_u16le(grouped_scale(q, r, g, 2)));
    float zero = bf16_to_f32(rd_u16le(grouped_zeros(q, r) + 2 * g));
    for (int c = 0; c <= MAX_CODE; c++)
        value[c] = round_bf16(round_bf16((float)(c - MIDDLE) * scale) + zero);
}

static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    grouped_decode(dst, q, r0, r1, book);
}

const struct codec codec_torchao_int4 = {.name = "torchao_int4",
                                         .doc = "4-bit codes, bf16 scale and bf16 zero per 128 weights.",
                                         .source = "torchao quantization/quant_primitives.py, tinygemm",
                                         .gguf_type = -1,
                                         .block = 1,

                                         .act = "bf16",
                                         .layout = layout,
                                         .encode = encode,
                                         .decode = decode};
