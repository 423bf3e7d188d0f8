/* MLX floating modes: mxfp4 and nvfp4 (E2M1 codes), mxfp8 (E4M3 codes); scales are powers of two per 32 weights, for
 * nvfp4 E4M3 per 16. Ties go to the smaller magnitude in E2M1, and there is no -0. */
#include "kernels/formats/group.h"
#include "kernels/formats/minifloat.h"

static unsigned nearest_e2m1(float x)
{
    float a = fabsf(x);
    unsigned m = (unsigned)((a > 0.25f) + (a > 0.75f) + (a > 1.25f) + (a > 1.75f) + (a > 2.5f) + (a > 3.5f) + (a > 5));
    return x < 0 && m ? m | 8 : m;
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    float s = range_absmax(x, n) / (par->bits == 4 ? 6.0f : 448.0f);
    if (par->scale_type == NUMBER_E8M0) {
        s = s > 0 ? ldexpf(1, (int)clampf(ceilf(log2f(s)), -127, 127)) : 1;
    } else {
        s = number_round(par->scale_type, s);
    }
    for (int64_t i = 0; i < n; i++) {
        float v = s != 0 ? x[i] / s : 0;
        code[i] = par->bits == 4 ? (uint8_t)nearest_e2m1(v) : f32_to_e4m3(v);
    }
    *g = (struct grid){s, 0};
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    for (int i = 0; i < n; i++)
        y[i] = (par->bits == 4 ? e2m1_to_f32(code[i]) : e4m3_to_f32(code[i])) * g.scale;
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_E8M0, .group = 32},
    .bits = 1 << 4 | 1 << 8,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(mlx_fp, .doc = "MLX: E2M1 or E4M3 codes, a scale of 8 bits per group (mxfp4, mxfp8, nvfp4).",
            .source = "ml-explore/mlx mlx/backend/cpu/quantized.cpp", .act = "bf16");
