/* MatMulNBits by the RTN quantizer that ONNX Runtime has from Intel's neural compressor: arithmetic in f64, halves to
 * even, zero not included in the range; the symmetric grid is that of max|x| / 7.5. */
#include "kernels/formats/group.h"

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    double top = (1 << par->bits) - 1, zero = 1 << (par->bits - 1), s = 1;
    struct range r = range_of(x, n);
    if (par->sym) {
        float most = fmaxf(fabsf(r.lo), fabsf(r.hi));
        s = most > 0 ? (double)(most * 2) / top : 1;
    } else {
        s = r.lo != r.hi ? (double)(r.hi - r.lo) / top : 1;
        zero = fmax(0, fmin(top, rint((0.0 - (double)r.lo) / s)));
    }
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)fmax(0, fmin(top, rint((double)x[i] / s + zero)));
    *g = (struct grid){(float)s, (float)zero};
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F32, .zero_type = ZERO_CODE, .group = 32},
    .bits = 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .end = GROUP_EXTENDED,
    .fit = fit,
    .values = group_values_unsigned,
};
GROUP_CODEC(onnx_rtn, .doc = "MatMulNBits by round-to-nearest of the neural compressor.",
            .source = "microsoft/onnxruntime onnxruntime/python/tools/quantization/neural_compressor/weight_only.py",
            .act = "i8_32");
