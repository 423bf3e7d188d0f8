/* 4-bit codes with a 4-bit zero and an f16 scale per group of 128 (AutoAWQ): w ~ f16((code - zero) * scale).
 * All arithmetic is half precision, each operation rounded, as the quantizer's is. Weights are halves first. */
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

enum { MAX_CODE = 15 };

/* The quantizer makes halves on the grid, the packer codes of them: two roundings. */
static uint8_t code_of(float w, struct grid g)
{
    float q = clampf(f16_round(fit_round(f16_round(f16_round(w) / g.scale)) + g.zero), 0, MAX_CODE);
    float half = f16_round(f16_round(q - g.zero) * g.scale);
    float packed = f16_round(f16_round(half + f16_round(g.zero * g.scale)) / g.scale);
    return (uint8_t)clampf(fit_round(packed), 0, MAX_CODE);
}

/* No zero inclusion: a group of positive weights has zero 0 and loses what its scale cannot reach. */
static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)par, (void)stat;
    struct range r = range_of(x, n); /* rounding keeps the order */
    float lo = f16_round(r.lo), wide = f16_round(f16_round(r.hi) - lo), least = f16_round(1e-5f);
    g->scale = f16_round((wide < least ? least : wide) / MAX_CODE);
    g->zero = clampf(-fit_round(f16_round(lo / g->scale)), 0, MAX_CODE);
    for (int64_t i = 0; i < n; i++)
        code[i] = code_of(x[i], *g);
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F16, .zero_type = ZERO_CODE, .group = 128},
    .bits = 1 << 4,
    .zero_plane = PLANE_ZERO,
    .look_up = true,
    .one_type = true,
    .fit = fit,
    .values = group_values_f16,
};
GROUP_CODEC(awq, .doc = "4-bit codes, 4-bit zero and f16 scale per 128 weights, half arithmetic.",
            .source = "AutoAWQ awq/quantize/quantizer.py, awq/modules/linear/gemm.py", .act = "f16");
