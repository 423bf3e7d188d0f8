/* OpenVINO's quantized keys by channel: rows are the values of one channel at consecutive positions. Unlike by token,
 * the width of the range is multiplied by the reciprocal of the number of steps. */
#include "kernels/formats/openvino_kv.h"

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    struct range r = range_of(x, n);
    float top = (float)((1 << par->bits) - 1);
    *g = openvino_kv_grid(r.lo, (r.hi - r.lo) * (1.0f / top));
    float inverse = 1.0f / g->scale;
    for (int64_t i = 0; i < n; i++)
        code[i] = openvino_kv_code(x[i], *g, inverse, top);
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    (void)par;
    for (int i = 0; i < n; i++)
        y[i] = ((float)code[i] - g.zero) * g.scale;
}

static const struct group_rule rule = {
    .usual = {.bits = 8, .scale_type = NUMBER_F32, .zero_type = ZERO_FLOAT},
    .bits = 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(openvino_kv_channel,
            .doc = "OpenVINO's keys by channel: codes of 4 or 8 bits, f32 scale and zero point per group of positions.",
            .source = "openvinotoolkit/openvino src/plugins/intel_cpu/src/nodes/kernels/scaled_attn/attn_quant.cpp",
            .act = "f32");
