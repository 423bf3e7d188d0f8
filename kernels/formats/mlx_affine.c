/* MLX affine: codes of 2, 3, 4, 5, 6 or 8 bits, a scale and a bias per group, both in the model's own float type:
 * x ~ T(T(q*s) + b). The end of the range with the larger magnitude is exact and zero lies on the grid; the scale is
 * negative unless the negative side is the larger. */
#include "base/half.h"
#include "kernels/formats/group.h"
#include "kernels/formats/minifloat.h"

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    float top = (float)((1 << par->bits) - 1), bias = 0;
    struct range r = range_of(x, n);
    r.lo = number_round(par->scale_type, r.lo); /* the model is cast to that type first; rounding keeps the order */
    r.hi = number_round(par->scale_type, r.hi);
    bool negative = fabsf(r.lo) > fabsf(r.hi);
    float s = fmaxf((r.hi - r.lo) / top, 1e-7f), edge = negative ? r.lo : r.hi;
    s = negative ? s : -s;
    float steps = rintf(edge / s);
    if (steps != 0) {
        s = edge / steps;
        bias = edge;
    }
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)clampf(minifloat_rne((number_round(par->scale_type, x[i]) - bias) / s), 0, top);
    *g = (struct grid){s, bias};
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    switch (par->scale_type) {
    case NUMBER_F16:
        for (int i = 0; i < n; i++)
            y[i] = f16_round(f16_round((float)code[i] * g.scale) + g.zero);
        break;
    case NUMBER_BF16:
        for (int i = 0; i < n; i++)
            y[i] = bf16_round(bf16_round((float)code[i] * g.scale) + g.zero);
        break;
    default:
        for (int i = 0; i < n; i++)
            y[i] = (float)code[i] * g.scale + g.zero;
    }
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F16, .zero_type = ZERO_FLOAT, .group = 64},
    .bits = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8,
    .zero_plane = PLANE_BIAS,
    .look_up = true,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(mlx_affine, .doc = "MLX: codes of 2 to 8 bits, a scale and a bias per group.",
            .source = "ml-explore/mlx mlx/backend/cpu/quantized.cpp", .act = "f16");
