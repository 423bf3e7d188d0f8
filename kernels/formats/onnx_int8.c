/* The int8 weights of ONNX Runtime's quantize_dynamic and quantize_static: per tensor or per output channel, signed
 * and symmetric over -127..127, or unsigned with a zero point (embeddings). */
#include <float.h>
#include "kernels/formats/group.h"

static void fit_signed(struct range r, const float *x, int64_t n, uint8_t *code, struct grid *g)
{
    double most = (double)fmaxf(-r.lo, r.hi);
    float s = (float)(2 * most / 254);
    s = s < FLT_MIN ? 1 : s;
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)(int8_t)clampf(rintf(x[i] / s), -128, 127);
    *g = (struct grid){s, 0};
}

static void fit_unsigned(struct range r, const float *x, int64_t n, uint8_t *code, struct grid *g)
{
    double wide = ((double)r.hi - (double)r.lo) / 255;
    float s = (float)wide, zero = wide > 0 ? (float)rint(0 - (double)r.lo / wide) : 0;
    if (s < FLT_MIN)
        s = 1, zero = 0;
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)clampf(rintf(x[i] / s) + zero, 0, 255);
    *g = (struct grid){s, zero};
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    struct range r = par->group < 0 ? (struct range){fminf(stat->lo, 0), fmaxf(stat->hi, 0)} : range_with_zero(x, n);
    if (par->sym)
        fit_signed(r, x, n, code, g);
    else
        fit_unsigned(r, x, n, code, g);
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    int flip = par->sym ? 128 : 0, zero = par->sym ? 128 : (int)g.zero;
    for (int i = 0; i < n; i++)
        y[i] = (float)((code[i] ^ flip) - zero) * g.scale;
}

static const struct group_rule rule = {
    .usual = {.bits = 8, .sym = 1, .scale_type = NUMBER_F32, .group = -1},
    .bits = 1 << 8,
    .zero_plane = PLANE_ZERO,
    .per_tensor = true,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(onnx_int8, .doc = "int8 codes, one scale per tensor or output channel.", .measure = group_measure,
            .source = "microsoft/onnxruntime onnxruntime/python/tools/quantization/quant_utils.py", .act = "u8_batch");
