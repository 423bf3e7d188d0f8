/* 2, 3, 4 or 8-bit codes with a zero of as many bits and an f16 scale per group: w ~ f16((code - zero) * scale).
 * The last group is shorter where groups do not divide a row, as in GPTQModel (g_idx[k] = k / group).
 * The codes are made with the f32 scale, the file holds its half. Plain rounding here; the Hessian solve that makes
 * the name is bench/quant/gptq.c. With an order of columns (PLANE_PERM) groups are of positions. */
#include "kernels/formats/gptq.h"
#include "kernels/formats/fit.h"

static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    struct qpar p = par ? *par : (struct qpar){.bits = 4, .sym = 1, .group = 128};
    if ((p.bits != 2 && p.bits != 3 && p.bits != 4 && p.bits != 8) || p.group < 0)
        return err_set(e, ERR_USAGE, "gptq has codes of 2, 3, 4 or 8 bits in groups of a row: not %d bits, group %d",
                       p.bits, (int)p.group);
    return grouped_layout_cut(&codec_gptq, q, n, k, p, 2, p.bits, e);
}

struct gptq_grid gptq_fit(const float *w, int64_t n, int64_t stride, int bits, bool sym)
{
    float lo = 0, hi = 0, max = (float)((1 << bits) - 1);
    for (int64_t i = 0; i < n; i++) {
        float v = w[i * stride];
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
    }
    if (sym) {
        hi = -lo > hi ? -lo : hi;
        lo = lo < 0 ? -hi : lo;
    }
    if (lo == 0 && hi == 0) {
        lo = -1;
        hi = 1;
    }
    float scale = (hi - lo) / max;
    float zero = sym ? (max + 1) / 2 : fit_round(-lo / scale);
    return (struct gptq_grid){.scale = scale, .zero = zero, .max = max};
}

void gptq_store(const struct qmat *q, int64_t r, int64_t g, const struct gptq_grid *grid)
{
    wr_u16le(grouped_scale(q, r, g, 2), f32_to_f16(grid->scale));
    bits_set(grouped_zeros(q, r), g, q->seg->q.bits, (unsigned)grid->zero);
}

static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                  const struct calib *cal, struct arena *a)
{
    (void)stat, (void)cal, (void)a;
    int64_t len = grouped_len(q);
    uint8_t codes[GROUPED_PIECE];
    for (int64_t r = r0; r < r1; r++, w += q->k)
        for (int64_t g = 0; g * len < q->k; g++) {
            const int64_t own = grouped_len_of(q, g);
            struct gptq_grid grid = gptq_fit(w + g * len, own, 1, q->seg->q.bits, q->seg->q.sym);
            gptq_store(q, r, g, &grid);
            for (int64_t i = 0; i < own; i += GROUPED_PIECE) {
                int n = own - i < GROUPED_PIECE ? (int)(own - i) : GROUPED_PIECE;
                for (int j = 0; j < n; j++)
                    codes[j] = (uint8_t)gptq_code(&grid, w[g * len + i + j]);
                grouped_put(q, r, g * len + i, codes, n);
            }
        }
    return 0;
}

static void book(float *value, const struct qmat *q, int64_t r, int64_t g)
{
    int bits = q->seg->q.bits;
    float scale = f16_to_f32(rd_u16le(grouped_scale(q, r, g, 2)));
    int zero = (int)bits_get(grouped_zeros(q, r), g, bits);
    for (int c = 0; c < 1 << bits; c++)
        value[c] = round_f16((float)(c - zero) * scale);
}

static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    grouped_decode(dst, q, r0, r1, book);
}

const struct codec codec_gptq = {.name = "gptq",
                                 .doc = "2, 3, 4 or 8-bit codes, a zero and an f16 scale per group.",
                                 .source = "GPTQModel gptqmodel/quantization/quantizer.py, nn_modules/qlinear",
                                 .gguf_type = -1,
                                 .block = 1,

                                 .act = "f16",
                                 .layout = layout,
                                 .encode = encode,
                                 .decode = decode};
