/* Prefill with small blocks times Q8_0 or Q8_1 activations, on the panels of panel_neon.h.
 *
 *   y[token][row] += sum_b scale[b] dx[b] (sum code x) + min[b] sx[b],  b: blocks of x; sx: dx times the sum of x */
#ifndef KERNELS_ARM_MATMUL_BLOCKS_NEON_H
#define KERNELS_ARM_MATMUL_BLOCKS_NEON_H
#include "kernels/arm/matvec_blocks_neon.h"
#include "kernels/arm/panel_neon.h"

enum { BLOCKS = 8 }; /* of a row in a panel */

struct block_panel {
    _Alignas(64) float y[MAX_TOKENS][NR];
    int8_t code[8 * BLOCKS][NR][4];
    float scale[2 * BLOCKS][NR], min[BLOCKS][NR];
    float x[]; /* [tokens in hand][blocks of a row] of dx, then sx */
};

static int64_t block_tokens(int64_t k)
{
    return max_tokens((size_t)(k / 32 * 40));
}

static size_t block_scratch(int64_t k)
{
    return sizeof(struct block_panel) + (size_t)(block_tokens(k) * (k / 32)) * 2 * sizeof(float);
}

/* n blocks of x from the block of W on that is `at` bytes into the rows [r, r + 8); rows beyond the last repeat it. */
INLINE void unpack_8_rows(struct block_panel *p, const struct qmat *w, int64_t r, int64_t last, size_t at, int64_t n,
                          struct block_codec codec)
{
    for (int row = 0; row < NR; row++) {
        const uint8_t *start = qmat_row(w, min_i64(r + row, last)) + at;
        for (int i = 0; i < n; i++) {
            const uint8_t *b = start + i / codec.x_blocks * codec.block;
            int part = i % codec.x_blocks;
            store_codes(p->code[8 * i][0], row, codec.codes(b, part));
            for (int h = 0; h < codec.halves; h++)
                p->scale[codec.halves * i + h][row] = codec.scale(b, codec.halves * part + h);
            p->min[i][row] = codec.has_min ? half_at(b + 2) : 0;
        }
    }
}

/* The tokens' part of the columns in the panel. */
struct x_at {
    const uint8_t *x;
    const float *d, *s; /* scales: [token][scale_stride] */
    size_t stride, scale_stride;
    int n_blocks;
    bool first;
};

/* mr tokens (a constant at every call) from j0 on against the panel. */
INLINE void tile(const int mr, struct block_panel *p, const struct x_at *t, int64_t j0, struct block_codec codec)
{
    float32x4_t sum[MR][2];
    const int8_t *x = (const int8_t *)t->x + (size_t)j0 * t->stride + codec.x_block - 32;
    const float *d = t->d + (size_t)j0 * t->scale_stride, *s = t->s + (size_t)j0 * t->scale_stride;
    load_sums(mr, sum, p->y + j0, t->first);
    for (int b = 0; b < t->n_blocks; b++, x += codec.x_block) {
#pragma GCC unroll 2
        for (int h = 0; h < codec.halves; h++) {
            int32x4_t acc[MR][2];
            zero_sums(mr, acc);
            multiply_16(mr, acc, p->code[8 * b + 4 * h][0], x + 16 * h, t->stride, vdupq_n_s8(0));
            if (codec.halves == 1)
                multiply_16(mr, acc, p->code[8 * b + 4][0], x + 16, t->stride, vdupq_n_s8(0));
            finish_sums(mr, acc);
            const float *scale = p->scale[codec.halves * b + h];
            float32x4_t d0 = vld1q_f32(scale), d1 = vld1q_f32(scale + 4);
#pragma GCC unroll 4
            for (int j = 0; j < mr; j++) {
                float dx = d[(size_t)j * t->scale_stride + (size_t)b];
                sum[j][0] = vfmaq_f32(sum[j][0], vmulq_n_f32(vcvtq_f32_s32(acc[j][0]), dx), d0);
                sum[j][1] = vfmaq_f32(sum[j][1], vmulq_n_f32(vcvtq_f32_s32(acc[j][1]), dx), d1);
            }
        }
        for (int j = 0; j < mr && codec.has_min; j++) {
            float sx = s[(size_t)j * t->scale_stride + (size_t)b];
            sum[j][0] = vfmaq_n_f32(sum[j][0], vld1q_f32(p->min[b]), sx);
            sum[j][1] = vfmaq_n_f32(sum[j][1], vld1q_f32(p->min[b] + 4), sx);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++) {
        vst1q_f32(p->y[j0 + j], sum[j][0]);
        vst1q_f32(p->y[j0 + j] + 4, sum[j][1]);
    }
}

INLINE void matmul_blocks(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                          size_t stride, int64_t m, void *scratch, struct block_codec codec)
{
    struct block_panel *p = scratch;
    int64_t n_blocks = w->k / 32, in_hand = tokens_in_hand(m, block_tokens(w->k));
    float *d = p->x, *s = d + in_hand * n_blocks;
    for (int64_t j = 0; j < m; j += in_hand) {
        const uint8_t *xj = (const uint8_t *)x + (size_t)j * stride;
        int64_t tokens = min_i64(m - j, in_hand);
        for (int64_t i = 0; i < tokens * n_blocks; i++) {
            const uint8_t *b = xj + (size_t)(i / n_blocks) * stride + i % n_blocks * codec.x_block;
            d[i] = half_at(b);
            s[i] = codec.has_min ? d[i] * sum_of_codes((const int8_t *)b + codec.x_block - 32) : 0;
        }
        for (int64_t r = r0; r < r1; r += NR) {
            for (int64_t b = 0; b < n_blocks; b += BLOCKS) {
                int64_t n = min_i64(n_blocks - b, BLOCKS), i = 0;
                struct x_at t = {xj + b * codec.x_block, d + b, s + b, stride, (size_t)n_blocks, (int)n, b == 0};
                unpack_8_rows(p, w, r, r1 - 1, (size_t)(b / codec.x_blocks * codec.block), n, codec);
                for (; i + MR <= tokens; i += MR)
                    tile(MR, p, &t, i, codec);
                for (; i < tokens; i++)
                    tile(1, p, &t, i, codec);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
#endif
