/* Stored floats times activations in the same form, multiplied in f32: F16, BF16 and F32 alike. */
#ifndef KERNELS_ARM_FLOAT_ROWS_NEON_H
#define KERNELS_ARM_FLOAT_ROWS_NEON_H
#include "kernels/arm/numbers_neon.h"

enum { TILE = 2048, WIDENED = 4 };

struct float_codec {
    int bytes; /* of a value */
    float32x4_t (*four)(const uint8_t *p);
    float (*one)(const uint8_t *p);
};

INLINE float32x4_t f32_four(const uint8_t *p)
{
    return vreinterpretq_f32_u8(vld1q_u8(p));
}
INLINE float f32_one(const uint8_t *p)
{
    return f32_from_bits(rd_u32le(p));
}
INLINE float32x4_t bf16_four(const uint8_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}
INLINE float bf16_one(const uint8_t *p)
{
    return bf16_to_f32(rd_u16le(p));
}

#define FLOAT_F32  ((struct float_codec){4, f32_four, f32_one})
#define FLOAT_F16  ((struct float_codec){2, halves_at, half_at})
#define FLOAT_BF16 ((struct float_codec){2, bf16_four, bf16_one})

INLINE void widen_some(float *dst, const uint8_t *src, struct float_codec codec)
{
    vst1q_f32(dst, codec.four(src));
}
#include "kernels/float_rows.h" /* behind it */

/* Decode: n columns of a row times x as f32. */
INLINE float dot_floats(const uint8_t *p, const float *x, int64_t n, struct float_codec codec)
{
    float32x4_t acc[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    int64_t c = 0;
    for (; c + 16 <= n; c += 16)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            acc[i] = vfmaq_f32(acc[i], codec.four(p + codec.bytes * (c + 4 * i)), vld1q_f32(x + c + 4 * i));
    float sum = vaddvq_f32(vaddq_f32(vaddq_f32(acc[0], acc[1]), vaddq_f32(acc[2], acc[3])));
    for (; c < n; c++)
        sum += codec.one(p + codec.bytes * c) * x[c];
    return sum;
}

INLINE void matvec_float(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                         struct float_codec codec)
{
    float tile[TILE];
    for (int64_t at = 0; at < w->k; at += TILE) {
        const int64_t n = min_i64(w->k - at, TILE);
        widen_row(tile, (const uint8_t *)x + codec.bytes * at, n, codec);
        for (int64_t r = r0; r < r1; r++) {
            float before = at ? y[r - r0] : 0;
            y[r - r0] = before + dot_floats(qmat_row(w, r) + codec.bytes * at, tile, n, codec);
        }
    }
}
#endif
