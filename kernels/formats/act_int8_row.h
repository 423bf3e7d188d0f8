/* One f32 scale and int8 codes per row: what the rules of torchao and BitNet share. */
#ifndef KERNELS_FORMATS_ACT_INT8_ROW_H
#define KERNELS_FORMATS_ACT_INT8_ROW_H
#include "base/half.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/range.h"

/* code = nearest(x * factor) within -128..127; the scale stands in front. */
static inline void act_int8_row_put(void *dst, const float *x, int64_t k, float factor, float scale)
{
    uint8_t *out = dst;
    wr_u32le(out, f32_bits(scale));
    for (int64_t i = 0; i < k; i++)
        out[4 + i] = (uint8_t)(int8_t)clamp_code(fit_round(x[i] * factor), -128, 127);
}
static inline void act_int8_row_get(float *dst, const void *src, int64_t k)
{
    const uint8_t *in = src;
    float scale = f32_from_bits(rd_u32le(in));
    for (int64_t i = 0; i < k; i++)
        dst[i] = (float)(int8_t)in[4 + i] * scale;
}
#define ACT_INT8_ROW(id, ...)                                                                                          \
    const struct act act_##id = {.name = #id,                                                                          \
                                 .scope = ACT_ROW,                                                                     \
                                 .block = 1,                                                                           \
                                 .block_bytes = 1,                                                                     \
                                 .head_bytes = 4,                                                                      \
                                 .encode = encode,                                                                     \
                                 .decode = act_int8_row_get,                                                           \
                                 __VA_ARGS__}
#endif
