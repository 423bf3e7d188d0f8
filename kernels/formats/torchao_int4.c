/* 4-bit codes with a bf16 scale and a bf16 zero per group of 128, the zero being the value of code 8 (tinygemm):
 * w ~ bf16(bf16((code - 8) * scale) + zero). Weights are brain floats first and every operation rounds to them. */
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

enum { MAX_CODE = 15, MIDDLE = 8 };

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)par, (void)stat;
    struct range r = range_of(x, n); /* rounding keeps the order */
    float lo = bf16_round(r.lo), s = bf16_round(bf16_round(bf16_round(r.hi) - lo) / MAX_CODE);
    g->scale = s < 0x1p-126f ? 0x1p-126f : s;
    g->zero = bf16_round(lo + bf16_round(g->scale * MIDDLE));
    lo = bf16_round(g->zero - bf16_round(g->scale * MIDDLE));
    for (int64_t i = 0; i < n; i++) {
        float off = bf16_round(bf16_round(x[i]) - lo);
        code[i] = (uint8_t)clampf(fit_round(bf16_round(off / g->scale)), 0, MAX_CODE);
    }
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    (void)par;
    for (int i = 0; i < n; i++)
        y[i] = bf16_round(bf16_round((float)(code[i] - MIDDLE) * g.scale) + g.zero);
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_BF16, .zero_type = ZERO_FLOAT, .group = 128},
    .bits = 1 << 4,
    .zero_plane = PLANE_ZERO,
    .look_up = true,
    .one_type = true,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(torchao_int4, .doc = "4-bit codes, bf16 scale and bf16 zero per 128 weights.",
            .source = "torchao quantization/quant_primitives.py, tinygemm", .act = "bf16");
