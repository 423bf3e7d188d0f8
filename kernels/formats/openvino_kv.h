/* What both of OpenVINO's KV caches share: codes of 8 or 4 bits on a grid from the least to the largest value of a
 * group, an f32 scale and an f32 zero point that is not rounded; x ~ (code - zero) * scale. */
#ifndef KERNELS_FORMATS_OPENVINO_KV_H
#define KERNELS_FORMATS_OPENVINO_KV_H
#include "kernels/formats/group.h"
#include "kernels/formats/minifloat.h"

/* scale: 0 for a group of one value becomes 1e-4. */
static inline struct grid openvino_kv_grid(float lo, float scale)
{
    float s = scale == 0 ? 1e-4f : scale;
    return (struct grid){s, -lo / s};
}

static inline uint8_t openvino_kv_code(float x, struct grid g, float inverse, float top)
{
    float q = minifloat_rne(fmaf(x, inverse, g.zero));
    return (uint8_t)(q > 0 ? q < top ? q : top : 0);
}
#endif
