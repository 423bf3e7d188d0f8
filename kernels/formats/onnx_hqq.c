/* MatMulNBits with the float zero points of half-quadratic quantization: the scale of min and max, the zero point moved
 * in up to 20 steps towards less of an error that forgives outliers. The Python tool stops all blocks of a matrix
 * together, this each by itself. */
#include "kernels/formats/group.h"

enum { MOST_STEPS = 20 };

/* What stays of an error after shrinking: |e| - |e|^(p-1) / beta, p = 0.7. */
static float shrink(float e, float beta)
{
    float a = fabsf(e), left = a - powf(a + 1e-8f, -0.3f) / beta;
    return left > 0 ? copysignf(left, e) : 0;
}

static float improve(const float *x, int64_t n, float top, float inverse, float zero)
{
    float best = 1e4f, beta = 10;
    for (int step = 0; step < MOST_STEPS; step++, beta *= 1.01f) {
        float moved = 0, error = 0;
        for (int64_t i = 0; i < n; i++) {
            float q = group_clamp(rintf(x[i] * inverse + zero), 0, top), e = x[i] - (q - zero) / inverse;
            moved += q - (x[i] - shrink(e, beta)) * inverse;
            error += fabsf(e);
        }
        zero = moved / (float)n;
        error /= (float)n;
        if (error >= best)
            break;
        best = error;
    }
    return zero;
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    float top = (float)((1 << par->bits) - 1);
    struct range r = range_of(x, n);
    float inverse = fminf(r.hi != r.lo ? top / (r.hi - r.lo) : 1, 2e4f);
    float zero = improve(x, n, top, inverse, rintf(-r.lo * inverse));
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)group_clamp(rintf(x[i] * inverse + zero), 0, top);
    *g = (struct grid){1 / inverse, zero};
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F32, .zero_type = ZERO_FLOAT, .group = 128},
    .bits = 1 << 2 | 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .pads = true,
    .pads_coded = true,
    .fit = fit,
    .values = group_values_unsigned,
};
GROUP_CODEC(onnx_hqq, .doc = "MatMulNBits with float zero points by half-quadratic quantization.",
            .source = "microsoft/onnxruntime onnxruntime/python/tools/quantization/matmul_nbits_quantizer.py",
            .act = "i8_32");
