/* Prefill with small blocks (Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL MXFP4 NVFP4 Q1_0 Q2_0) times Q8_0 or Q8_1 activations, on
 * the panels of panel_avx2.h.
 *
 *   y[token][row] += sum_b scale[b] dx[b] (sum code x) + min[b] sx[b],  b: blocks of x; sx: dx times the sum of x
 *
 * Codes are unsigned and an offset is a minimum, -offset * scale; only large ones are signed.
 * dx and sx of the tokens in hand are taken out of the encoded rows once per call.
 * A codec supplies codes(b, part), 32 codes of a block of x_blocks such parts, and perhaps scale(b, run). */
#ifndef KERNELS_X86_MATMUL_BLOCKS_AVX2_H
#define KERNELS_X86_MATMUL_BLOCKS_AVX2_H
#include "kernels/x86/panel_avx2.h"
#include "kernels/x86/unpack_avx2.h"

enum { BLOCKS = 8 }; /* of a row in a panel */

struct block_panel {
    _Alignas(64) float y[MAX_TOKENS][NR];
    uint8_t code[8 * BLOCKS][NR][4];
    float scale[2 * BLOCKS][NR], min[BLOCKS][NR]; /* of half blocks of x, or the first BLOCKS of blocks */
    float x[];                                    /* [tokens in hand][blocks of a row] of dx, then sx */
};
struct block_codec {
    int block, x_block, steps; /* bytes of a block of W and x; sums that fit in 16 bits */
    int offset;                /* value = code - offset; 0: there is a stored minimum, or codes are signed */
    bool is_signed;
    __m256i (*codes)(const uint8_t *b, int part);
    int x_blocks, halves;                      /* blocks of x that one of W spans; 2: a scale for each half of those */
    float (*scale)(const uint8_t *b, int run); /* of a block or half block of x; NULL: d:f16 comes first */
};

static int64_t block_tokens(int64_t k)
{
    return max_tokens((size_t)(k / 32 * 40));
}

static size_t block_scratch(int64_t k)
{
    return sizeof(struct block_panel) + (size_t)(block_tokens(k) * (k / 32)) * 2 * sizeof(float);
}

/* dx and sx of one token. */
INLINE void x_scales(float *d, float *s, const uint8_t *x, int64_t n_blocks, struct block_codec codec)
{
    for (int64_t b = 0; b < n_blocks; b++, x += codec.x_block) {
        d[b] = half_at(x);
        if (codec.is_signed)
            continue;
        __m256i sum = pair_sums(_mm256_maddubs_epi16(_mm256_set1_epi8(1), load32(x + codec.x_block - 32)));
        __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
        s[b] = d[b] * (float)(_mm_cvtsi128_si32(four) + _mm_extract_epi32(four, 1));
    }
}

/* n blocks of x from the block of W on that is `at` bytes into the rows [r, r + 8); rows beyond the last repeat it. */
INLINE void unpack_8_rows(struct block_panel *p, int lane, const struct qmat *w, int64_t r, int64_t last, size_t at,
                          int64_t n, struct block_codec codec)
{
    __m256i v[8];
    const uint8_t *row[8];
    for (int i = 0; i < 8; i++)
        row[i] = qmat_row(w, min_i64(r + i, last)) + at;
    for (int b = 0; b < n; b++) {
        int from = b / codec.x_blocks * codec.block, part = b % codec.x_blocks;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            v[i] = codec.codes(row[i] + from, part);
        store_transposed(p->code[8 * b][lane], sizeof p->code[0], v);
        for (int i = 0; i < 8; i++) {
            const uint8_t *q = row[i] + from;
            for (int h = 0; h < codec.halves; h++)
                p->scale[codec.halves * b + h][lane + i] =
                    codec.scale ? codec.scale(q, codec.halves * part + h) : half_at(q);
            if (!codec.is_signed)
                p->min[b][lane + i] = codec.offset ? (float)-codec.offset * p->scale[b][lane + i] : half_at(q + 2);
        }
    }
}

/* The tokens' part of the columns in the panel. */
struct x_at {
    const uint8_t *x;
    const float *d, *s; /* scales: [token][scale_stride] */
    size_t stride, scale_stride;
    int n_blocks, x_block;
    bool first;
};

/* mr tokens (a constant at every call) from j0 on against the panel. */
INLINE void tile(const int mr, const int steps, const bool is_signed, const int halves, struct block_panel *p,
                 const struct x_at *t, int64_t j0)
{
    __m256 sum[MR][2];
    const uint8_t *x = t->x + (size_t)j0 * t->stride + t->x_block - 32;
    const float *d = t->d + (size_t)j0 * t->scale_stride, *s = t->s + (size_t)j0 * t->scale_stride;
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++) {
        sum[j][0] = t->first ? _mm256_setzero_ps() : _mm256_load_ps(p->y[j0 + j]);
        sum[j][1] = t->first ? _mm256_setzero_ps() : _mm256_load_ps(p->y[j0 + j] + 8);
    }
    for (int b = 0; b < t->n_blocks; b++, x += t->x_block) {
#pragma GCC unroll 2
        for (int h = 0; h < halves; h++) {
            const int i = halves * b + h, words = 8 / halves;
            __m256i acc[MR][2];
            multiply(mr, steps, is_signed, acc, p->code + 8 * b, words * h, words * (h + 1), x, t->stride);
            __m256 d0 = _mm256_load_ps(p->scale[i]), d1 = _mm256_load_ps(p->scale[i] + 8);
#pragma GCC unroll 4
            for (int j = 0; j < mr; j++) {
                __m256 dx = _mm256_broadcast_ss(d + j * t->scale_stride + b);
                sum[j][0] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(acc[j][0]), dx), d0, sum[j][0]);
                sum[j][1] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(acc[j][1]), dx), d1, sum[j][1]);
            }
        }
        if (is_signed)
            continue;
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++) {
            __m256 sx = _mm256_broadcast_ss(s + j * t->scale_stride + b);
            sum[j][0] = _mm256_fmadd_ps(_mm256_load_ps(p->min[b]), sx, sum[j][0]);
            sum[j][1] = _mm256_fmadd_ps(_mm256_load_ps(p->min[b] + 8), sx, sum[j][1]);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++) {
        _mm256_store_ps(p->y[j0 + j], sum[j][0]);
        _mm256_store_ps(p->y[j0 + j] + 8, sum[j][1]);
    }
}

INLINE void all_tokens(struct block_panel *p, const struct x_at *t, int64_t m, const int steps, const bool is_signed,
                       const int halves)
{
    int64_t j = 0;
    for (; j + 4 <= m; j += 4)
        tile(4, steps, is_signed, halves, p, t, j);
    if (m - j >= 2) {
        tile(2, steps, is_signed, halves, p, t, j);
        j += 2;
    }
    if (j < m)
        tile(1, steps, is_signed, halves, p, t, j);
}

INLINE void matmul_blocks(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                          size_t stride, int64_t m, void *scratch, struct block_codec codec, kernel_matvec *few)
{
    struct block_panel *p = scratch;
    for (int64_t j = 0; j < m && m < FEW; j++)
        few(y + j * ldy, w, r0, r1, (const uint8_t *)x + (size_t)j * stride);
    int64_t n_blocks = w->k / 32, in_hand = tokens_in_hand(m, block_tokens(w->k));
    float *d = p->x, *s = d + in_hand * n_blocks;
    for (int64_t j = 0; j < m && m >= FEW; j += in_hand) {
        const uint8_t *xj = (const uint8_t *)x + (size_t)j * stride;
        int64_t tokens = min_i64(m - j, in_hand);
        for (int64_t i = 0; i < tokens; i++)
            x_scales(d + i * n_blocks, s + i * n_blocks, xj + (size_t)i * stride, n_blocks, codec);
        for (int64_t r = r0; r < r1; r += NR) {
            for (int64_t b = 0; b < n_blocks; b += BLOCKS) {
                int64_t n = min_i64(n_blocks - b, BLOCKS);
                struct x_at t = {xj + b * codec.x_block, d + b,  s + b,         stride,
                                 (size_t)n_blocks,       (int)n, codec.x_block, b == 0};
                for (int lane = 0; lane < NR; lane += 8)
                    unpack_8_rows(p, lane, w, r + lane, r1 - 1, (size_t)(b / codec.x_blocks * codec.block), n, codec);
                all_tokens(p, &t, tokens, codec.steps, codec.is_signed, codec.halves);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}

#endif
