/* Weights of 2, 4 or 8 bits times int8 activations: what decode and prefill share. value = ((stored ^ flip) - zero) *
 * scale, and the sum over a block of activations is an exact integer before any scale is applied.
 *
 * Activations come with an f32 scale before each block, which is as long as the group of weights (MatMulNBits: i8_16
 * ... i8_256) or 32 (openvino_i8). */
#ifndef KERNELS_X86_I8_ROWS_H
#define KERNELS_X86_I8_ROWS_H
#include "kernels/x86/group_rows.h"

/* log2 of the activations that share a scale. */
INLINE int act_log2(const struct qmat *w)
{
    return w->codec == &codec_openvino_int ? 5 : group_log2(w);
}

INLINE float scale_at(const uint8_t *p)
{
    return f32_from_bits(rd_u32le(p));
}

/* Where column c of an encoded row stands; c is a multiple of 16. */
INLINE const uint8_t *x_codes(const uint8_t *x, int64_t c, int log2)
{
    return x + ((c >> log2) + 1) * 4 + c;
}
INLINE float x_scale(const uint8_t *x, int64_t c, int log2)
{
    return scale_at(x + (c >> log2) * (4 + (INT64_C(1) << log2)));
}
#endif
