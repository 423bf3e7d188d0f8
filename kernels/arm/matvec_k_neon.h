/* Decode with superblocks of 256 times Q8_K activations, with sdot: integers up to the end of a superblock. */
#ifndef KERNELS_ARM_MATVEC_K_NEON_H
#define KERNELS_ARM_MATVEC_K_NEON_H
#include "kernels/arm/codecs_k.h"

enum { X_BLOCK = 292, X_CODES = 4, X_SUMS = 260 }; /* Q8_K: d:f32, qs[256], sums of 16 columns[16]:i16 */

/* One superblock of a row times one of x. */
INLINE float dot_super(const uint8_t *b, const uint8_t *x, struct k_codec codec)
{
    struct k_head h;
    codec.head(&h, b);
    int32x4_t sum = vdupq_n_s32(0), zero = sum;
    const int8_t *code = (const int8_t *)x + X_CODES;
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) {
        struct codes v = codec.codes(b, c);
        int32x4_t lo = vdotq_s32(zero, v.lo, vld1q_s8(code + 32 * c));
        if (codec.n_sub == 8) {
            sum = vmlaq_n_s32(sum, vdotq_s32(lo, v.hi, vld1q_s8(code + 32 * c + 16)), h.scale[c]);
        } else {
            sum = vmlaq_n_s32(sum, lo, h.scale[2 * c]);
            sum = vmlaq_n_s32(sum, vdotq_s32(zero, v.hi, vld1q_s8(code + 32 * c + 16)), h.scale[2 * c + 1]);
        }
    }
    float total = h.d * (float)vaddvq_s32(sum);
    if (codec.has_min) {
        int16_t sums[16];
        memcpy(sums, x + X_SUMS, sizeof sums);
        int32x4_t min = zero;
        for (int i = 0; i < 16; i += 4)
            min = vmlal_s16(min, vld1_s16(h.min + i), vld1_s16(sums + i));
        total -= h.dmin * (float)vaddvq_s32(min);
    }
    float dx;
    memcpy(&dx, x, sizeof dx);
    return total * dx;
}

INLINE void matvec_k(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, struct k_codec codec)
{
    for (int64_t r = r0; r < r1; r++) {
        const uint8_t *b = qmat_row(w, r), *xb = x;
        float sum = 0;
        for (int64_t i = 0; i < w->k / 256; i++, b += codec.block, xb += X_BLOCK)
            sum += dot_super(b, xb, codec);
        y[r - r0] = sum;
    }
}
#endif
