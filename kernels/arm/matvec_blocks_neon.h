/* Decode with small blocks times Q8_0 or Q8_1 activations, with sdot. Scales of x, and times the sum of its codes where
 * the type has minima, are taken out once per call. */
#ifndef KERNELS_ARM_MATVEC_BLOCKS_NEON_H
#define KERNELS_ARM_MATVEC_BLOCKS_NEON_H
#include "kernels/arm/codecs_blocks.h"

enum { TILE_BLOCKS = 128 }; /* 4096 columns */

INLINE float sum_of_codes(const int8_t *code)
{
    return (float)(vaddlvq_s8(vld1q_s8(code)) + vaddlvq_s8(vld1q_s8(code + 16)));
}

/* Blocks [0, n) of x times those of a row. */
INLINE float dot_blocks(const uint8_t *w, const uint8_t *x, const float *dx, const float *sx, int64_t n,
                        struct block_codec codec)
{
    float32x4_t sum = vdupq_n_f32(0);
    double min = 0; /* a sum of many that cancel against the dots */
    for (int64_t i = 0; i < n; i++, x += codec.x_block) {
        const uint8_t *b = w + i / codec.x_blocks * codec.block;
        const int8_t *code = (const int8_t *)x + codec.x_block - 32;
        int part = (int)(i % codec.x_blocks);
        struct codes v = codec.codes(b, part);
        int32x4_t lo = vdotq_s32(vdupq_n_s32(0), v.lo, vld1q_s8(code));
        if (codec.halves == 1) {
            lo = vdotq_s32(lo, v.hi, vld1q_s8(code + 16));
            sum = vfmaq_n_f32(sum, vcvtq_f32_s32(lo), codec.scale(b, part) * dx[i]);
        } else {
            int32x4_t hi = vdotq_s32(vdupq_n_s32(0), v.hi, vld1q_s8(code + 16));
            sum = vfmaq_n_f32(sum, vcvtq_f32_s32(lo), codec.scale(b, 2 * part) * dx[i]);
            sum = vfmaq_n_f32(sum, vcvtq_f32_s32(hi), codec.scale(b, 2 * part + 1) * dx[i]);
        }
        if (codec.has_min)
            min += (double)(half_at(b + 2) * sx[i]);
    }
    return (float)((double)vaddvq_f32(sum) + min);
}

INLINE void matvec_blocks(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                          struct block_codec codec)
{
    float dx[TILE_BLOCKS], sx[TILE_BLOCKS];
    int64_t n_blocks = w->k / 32;
    for (int64_t at = 0; at < n_blocks; at += TILE_BLOCKS) {
        int64_t n = min_i64(n_blocks - at, TILE_BLOCKS);
        const uint8_t *xt = (const uint8_t *)x + at * codec.x_block;
        for (int64_t i = 0; i < n; i++) {
            dx[i] = half_at(xt + i * codec.x_block);
            sx[i] = codec.has_min ? dx[i] * sum_of_codes((const int8_t *)xt + (i + 1) * codec.x_block - 32) : 0;
        }
        for (int64_t r = r0; r < r1; r++) {
            const uint8_t *b = qmat_row(w, r) + at / codec.x_blocks * codec.block;
            float before = at ? y[r - r0] : 0;
            y[r - r0] = before + dot_blocks(b, xt, dx, sx, n, codec);
        }
    }
}
#endif
