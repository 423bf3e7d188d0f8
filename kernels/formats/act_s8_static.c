/* int8 with a scale and zero point fixed beforehand, from the range of a tensor's inputs over a calibration text: the
 * QuantizeLinear and DequantizeLinear pair of ONNX Runtime's quantize_static. */
#include <float.h>
#include "kernels/formats/group.h"

static void round_all(float *dst, const float *x, int64_t n, struct act_range r)
{
    double lo = r.lo < 0 ? (double)r.lo : 0, hi = r.hi > 0 ? (double)r.hi : 0, wide = (hi - lo) / 255;
    float s = (float)wide, zero = (float)rint(-128 - lo / (wide > 0 ? wide : 1));
    if (wide < (double)FLT_MIN)
        s = 1, zero = 0;
    for (int64_t i = 0; i < n; i++)
        dst[i] = (group_clamp(rintf(x[i] / s) + zero, -128, 127) - zero) * s;
}

const struct act act_s8_static = {.name = "s8_static",
                                  .doc = "int8 codes, scale and zero point of the tensor from calibration.",
                                  .scope = ACT_TENSOR,
                                  .block = 1,
                                  .block_bytes = 1,
                                  .round_in = round_all};
