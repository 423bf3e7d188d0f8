/* Prefill with superblocks of 256 times Q8_K activations, on the panels of panel_neon.h.
 *
 *   y[token][row] += dx (sum_s scale[s] (sum code x) - min_scale sum_i min[i] sum16[i]),  s: sub-blocks, i: runs of 16
 */
#ifndef KERNELS_ARM_MATMUL_K_NEON_H
#define KERNELS_ARM_MATMUL_K_NEON_H
#include "kernels/arm/matvec_k_neon.h"
#include "kernels/arm/panel_neon.h"

struct k_panel {
    _Alignas(64) float y[MAX_TOKENS][NR]; /* of the tokens in hand, summed over the superblocks */
    int8_t code[64][NR][4];
    float scale[16][NR]; /* of each sub-block: d times its integer scale */
    int16_t min[16][NR];
    float min_scale[NR];
};

/* Superblock at `at` bytes into the rows [r, r + 8); rows beyond the last repeat it. */
INLINE void unpack_8_rows(struct k_panel *p, const struct qmat *w, int64_t r, int64_t last, size_t at,
                          struct k_codec codec)
{
    for (int i = 0; i < NR; i++) {
        const uint8_t *b = qmat_row(w, min_i64(r + i, last)) + at;
        struct k_head h;
        codec.head(&h, b);
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++)
            store_codes(p->code[8 * c][0], i, codec.codes(b, c));
        for (int s = 0; s < codec.n_sub; s++)
            p->scale[s][i] = h.d * h.scale[s];
        for (int s = 0; s < 16 && codec.has_min; s++)
            p->min[s][i] = h.min[s];
        p->min_scale[i] = codec.has_min ? -h.dmin : 0;
    }
}

/* What is subtracted from the sum of one token. */
INLINE void subtract_min(float32x4_t sum[2], const struct k_panel *p, const uint8_t *x)
{
    int32x4_t min[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int i = 0; i < 16; i++) {
        int16_t sum16 = (int16_t)rd_u16le(x + X_SUMS + 2 * i);
        min[0] = vmlal_n_s16(min[0], vld1_s16(p->min[i]), sum16);
        min[1] = vmlal_n_s16(min[1], vld1_s16(p->min[i] + 4), sum16);
    }
    for (int h = 0; h < 2; h++)
        sum[h] = vfmaq_f32(sum[h], vcvtq_f32_s32(min[h]), vld1q_f32(p->min_scale + 4 * h));
}

/* mr tokens (a constant at every call) from j0 on against the panel; x: their superblocks, stride bytes apart. */
INLINE void tile(const int mr, const int n_sub, const bool has_min, struct k_panel *p, int64_t j0, const uint8_t *x,
                 size_t stride, bool first)
{
    float32x4_t sum[MR][2], y[MR][2];
    load_sums(mr, sum, NULL, true);
    for (int s = 0; s < n_sub; s++) {
        int32x4_t acc[MR][2];
        zero_sums(mr, acc);
        for (int i = 0; i < 16 / n_sub; i++) {
            int run = 16 / n_sub * s + i;
            multiply_16(mr, acc, p->code[4 * run][0], (const int8_t *)x + X_CODES + 16 * run, stride, vdupq_n_s8(0));
        }
        finish_sums(mr, acc);
        float32x4_t d0 = vld1q_f32(p->scale[s]), d1 = vld1q_f32(p->scale[s] + 4);
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++) {
            sum[j][0] = vfmaq_f32(sum[j][0], vcvtq_f32_s32(acc[j][0]), d0);
            sum[j][1] = vfmaq_f32(sum[j][1], vcvtq_f32_s32(acc[j][1]), d1);
        }
    }
    load_sums(mr, y, p->y + j0, first);
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++) {
        float dx;
        memcpy(&dx, x + (size_t)j * stride, sizeof dx);
        if (has_min)
            subtract_min(sum[j], p, x + (size_t)j * stride);
        vst1q_f32(p->y[j0 + j], vfmaq_n_f32(y[j][0], sum[j][0], dx));
        vst1q_f32(p->y[j0 + j] + 4, vfmaq_n_f32(y[j][1], sum[j][1], dx));
    }
}

INLINE void matmul_k(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x, size_t stride,
                     int64_t m, void *scratch, struct k_codec codec)
{
    struct k_panel *p = scratch;
    int64_t in_hand = tokens_in_hand(m, max_tokens((size_t)(w->k / 256 * X_BLOCK)));
    for (int64_t j = 0; j < m; j += in_hand) {
        const uint8_t *xj = (const uint8_t *)x + (size_t)j * stride;
        int64_t tokens = min_i64(m - j, in_hand);
        for (int64_t r = r0; r < r1; r += NR) {
            for (int64_t b = 0; b < w->k / 256; b++) {
                unpack_8_rows(p, w, r, r1 - 1, (size_t)(b * codec.block), codec);
                const uint8_t *xb = xj + b * X_BLOCK;
                int64_t i = 0;
                for (; i + MR <= tokens; i += MR)
                    tile(MR, codec.n_sub, codec.has_min, p, i, xb + (size_t)i * stride, stride, b == 0);
                for (; i < tokens; i++)
                    tile(1, codec.n_sub, codec.has_min, p, i, xb + (size_t)i * stride, stride, b == 0);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
#endif
