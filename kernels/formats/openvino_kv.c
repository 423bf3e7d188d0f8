/* OpenVINO's quantized KV cache: codes of 8 or 4 bits, an f32 scale and an f32 zero point per token and head, or per
 * group of a head: scale = (max - min) / top, zero = -min / scale. Of two 4-bit codes the first has the high half of
 * the byte. */
#include "kernels/formats/openvino_kv.h"

/* Where code i of n stands: a pair of 4-bit codes changes places. */
static inline int64_t place(const struct qpar *par, int64_t i, int64_t n)
{
    return par->bits == 4 && (i ^ 1) < n ? i ^ 1 : i;
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    struct range r = range_of(x, n);
    float top = (float)((1 << par->bits) - 1);
    *g = openvino_kv_grid(r.lo, (r.hi - r.lo) / top);
    float inverse = 1.0f / g->scale;
    for (int64_t i = 0; i < n; i++)
        code[place(par, i, n)] = openvino_kv_code(x[i], *g, inverse, top);
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    for (int i = 0; i < n; i++)
        y[i] = ((float)code[place(par, i, n)] - g.zero) * g.scale;
}

static const struct group_rule rule = {
    .usual = {.bits = 8, .scale_type = NUMBER_F32, .zero_type = ZERO_FLOAT},
    .bits = 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(openvino_kv,
            .doc = "OpenVINO's KV cache: codes of 4 or 8 bits, f32 scale and zero point per token or group.",
            .source = "openvinotoolkit/openvino src/plugins/intel_cpu/src/nodes/kernels/scaled_attn/attn_quant.cpp",
            .act = "f32");
