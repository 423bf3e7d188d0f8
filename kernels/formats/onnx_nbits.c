/* MatMulNBits by ONNX Runtime's own quantizer: codes of 2, 4 or 8 bits in blocks, x ~ (q - zp)*s. Codes are made with
 * the scale as it is stored (only a bf16 scale is rounded afterwards), halves away from zero. */
#include "kernels/formats/group.h"

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    int middle = 1 << (par->bits - 1);
    float top = (float)(2 * middle - 1), zero = (float)middle, s;
    float v[GROUP_RUN]; /* the weights are of the scale's type */
    for (int64_t i = 0; i < n; i++)
        v[i] = number_round(par->scale_type, x[i]);
    struct range r = range_with_zero(v, n);
    if (par->sym) {
        s = -(fabsf(r.hi) > fabsf(r.lo) ? r.hi : r.lo) / (float)middle;
    } else {
        s = (r.hi - r.lo) / top;
        zero = roundf(clampf(s != 0 ? 0 - r.lo / s : r.lo, 0, top));
    }
    if (par->scale_type == NUMBER_F16)
        s = number_round(NUMBER_F16, s);
    float inverse = s != 0 ? 1 / s : 0;
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)clampf(roundf(v[i] * inverse + zero), 0, top);
    *g = (struct grid){s, zero};
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .sym = 1, .scale_type = NUMBER_F32, .zero_type = ZERO_NONE, .group = 32},
    .bits = 1 << 2 | 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .end = GROUP_PADDED,
    .group_max = GROUP_RUN,
    .fit = fit,
    .values = group_values_unsigned,
};
GROUP_CODEC(onnx_nbits, .doc = "MatMulNBits: codes of 2, 4 or 8 bits, scale and zero point per block.",
            .source = "microsoft/onnxruntime onnxruntime/core/mlas/lib/q4_dq.cpp", .act = "i8_32");
