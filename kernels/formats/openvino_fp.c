/* NNCF's small floats: FP4, MXFP4 and NVFP4 (E2M1 codes), FP8 and MXFP8 (E4M3 codes), with scales in f16, E8M0 or
 * (NVFP4) E4M3 times one f32 per tensor. Codes are made with the unrounded scale; E4M3 is rounded through f16. */
#include <float.h>
#include "kernels/formats/group.h"
#include "kernels/formats/minifloat.h"

static const float most_e2m1 = 6, most_e4m3 = 448;

/* NVFP4: the tensor's largest group scale becomes 448. */
static float tensor_scale(const struct wstat *stat)
{
    return fmaxf(fmaxf(stat->abs_max, FLT_EPSILON) / most_e2m1, FLT_EPSILON) / most_e4m3;
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    float s = fmaxf(range_absmax(x, n), FLT_EPSILON) / (par->bits == 4 ? most_e2m1 : most_e4m3);
    if (par->scale_type == NUMBER_E8M0)
        s = ldexpf(1, (int)clampf(ceilf(log2f(s)), -127, 127));
    for (int64_t i = 0; i < n; i++)
        code[i] = par->bits == 4 ? f32_to_e2m1(x[i] / s) : f32_to_e4m3(number_round(NUMBER_F16, x[i] / s));
    if (par->scale_type == NUMBER_E4M3)
        s = number_round(NUMBER_F16, s / tensor_scale(stat));
    *g = (struct grid){s, 0};
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    float s = number_round(NUMBER_F16, g.scale); /* as the model's own Convert leaves a power of two */
    for (int i = 0; i < n; i++)
        y[i] = (par->bits == 4 ? e2m1_to_f32(code[i]) : e4m3_to_f32(code[i])) * s;
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_E8M0, .group = 32},
    .bits = 1 << 4 | 1 << 8,
    .tensor_scale = tensor_scale,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(openvino_fp, .doc = "NNCF: E2M1 or E4M3 codes with scales in f16, E8M0 or E4M3.", .measure = group_measure,
            .source = "openvinotoolkit/nncf src/nncf/quantization/algorithms/weight_compression/weight_lowering.py",
            .act = "f32");
