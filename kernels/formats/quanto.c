/* optimum-quanto's 4 and 2-bit codes, as transformers' quantized KV cache has them: f16 scale (max - min) / top and f16
 * shift -min per group. It calculates in f16: every step is rounded. x ~ f16(f16(code * scale) - shift). */
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    struct range r = range_of(x, n);
    const float top = (float)((1 << par->bits) - 1), lo = f16_round(r.lo), hi = f16_round(r.hi);
    *g = (struct grid){f16_round(f16_round(hi - lo) / top), -lo};
    for (int64_t i = 0; i < n; i++) {
        float q = f16_round(f16_round(f16_round(x[i]) - lo) / g->scale);
        code[i] = g->scale > 0 ? (uint8_t)fit_round(clampf(q, 0, top)) : 0; /* a group of one value is its shift */
    }
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    (void)par;
    for (int i = 0; i < n; i++)
        y[i] = f16_round(f16_round((float)code[i] * g.scale) - g.zero);
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F16, .zero_type = ZERO_FLOAT, .group = 64},
    .bits = 1 << 2 | 1 << 4,
    .zero_plane = PLANE_ZERO,
    .look_up = true,
    .one_type = true,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(quanto, .doc = "optimum-quanto: codes of 2 or 4 bits, f16 scale and f16 shift per 64 values.",
            .source = "optimum-quanto optimum/quanto/tensor/optimizers/max_optimizer.py, library/quantize.py",
            .act = "f16");
