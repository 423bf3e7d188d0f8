/* The int8 weights of NNCF's quantize: -127..127 per row, f32 scales, rounded as OpenVINO's FakeQuantize does. A row
 * far below the largest of the tensor keeps a hundredth of its range. PLANE_COLUMN (f32[k]) where SmoothQuant has
 * multiplied the columns: decoded weights are divided by it. */
#include "kernels/formats/group.h"

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    float least = fmaxf((stat ? stat->abs_max : 0) * 0.01f, 8e-5f), most = fmaxf(range_absmax(x, n), least);
    (void)par;
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)(int8_t)(rintf((x[i] + most) / (most + most) * 254) - 127);
    *g = (struct grid){2 * most / 254, 0};
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    (void)par;
    for (int i = 0; i < n; i++)
        y[i] = (float)(int8_t)code[i] * g.scale;
}

static const struct group_rule rule = {
    .usual = {.bits = 8, .sym = 1, .scale_type = NUMBER_F32},
    .bits = 1 << 8,
    .one_type = true,
    .rows_only = true,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(openvino_i8, .doc = "int8 codes -127..127, one f32 scale per row.", .measure = group_measure,
            .source = "openvinotoolkit/nncf src/nncf/quantization/fake_quantize.py", .act = "i8_fixed");
