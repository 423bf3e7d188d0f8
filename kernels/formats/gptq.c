/* 2, 3, 4 or 8-bit codes with a zero of as many bits and an f16 scale per group: w ~ f16((code - zero) * scale).
 * The last group is shorter where groups do not divide a row, as in GPTQModel (g_idx[k] = k / group).
 * The codes are made with the f32 scale, the file holds its half. Plain rounding here; the Hessian solve that makes
 * the name is bench/quant/gptq.c. With an order of columns (PLANE_PERM) groups are of positions. */
#include "kernels/formats/gptq.h"

struct grid gptq_grid(const float *w, int64_t n, int bits, bool sym)
{
    struct range r = range_with_zero(w, n);
    float top = (float)((1 << bits) - 1);
    if (sym) {
        r.hi = -r.lo > r.hi ? -r.lo : r.hi;
        r.lo = r.lo < 0 ? -r.hi : r.lo;
    }
    if (r.lo == 0 && r.hi == 0)
        r = (struct range){-1, 1};
    float scale = (r.hi - r.lo) / top;
    return (struct grid){scale, sym ? (top + 1) / 2 : fit_round(-r.lo / scale)};
}

void gptq_store(const struct qmat *q, int64_t r, int64_t g, struct grid grid)
{
    if (g == 0) /* what the last byte has beyond the zeros is 0 */
        memset(group_zeros(q, r), 0, q->plane[PLANE_ZERO].row_stride);
    wr_u16le(group_scales(q, r) + 2 * g, f32_to_f16(grid.scale));
    bits_set(group_zeros(q, r), g, q->seg->q.bits, (unsigned)grid.zero);
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    *g = gptq_grid(x, n, par->bits, par->sym);
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)gptq_code(*g, par->bits, x[i]);
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .sym = 1, .scale_type = NUMBER_F16, .zero_type = ZERO_CODE, .group = 128},
    .bits = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8,
    .zero_bits = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .end = GROUP_CUT,
    .look_up = true,
    .one_type = true,
    .fit = fit,
    .values = group_values_f16,
};
GROUP_CODEC(gptq, .doc = "2, 3, 4 or 8-bit codes, a zero and an f16 scale per group.",
            .source = "GPTQModel gptqmodel/quantization/quantizer.py, nn_modules/qlinear", .act = "f16");
