/* Prefill with small blocks (Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL MXFP4 NVFP4 Q1_0 Q2_0) times Q8_0 or Q8_1 activations, on
 * the panels of panel_avx512.h.
 *
 *   y[token][row] += sum_b scale[b] dx[b] (sum code x) + min[b] sx[b],  b: blocks of x; sx: dx times the sum of x
 *
 * dx (and sx) of the tokens in hand are taken out of the encoded rows once per call.
 * A codec supplies, for the 256 columns at b of which n bytes are left in the row: codes(b, c, n) of the columns from
 * 64c on, and heads(b, n): scales in lanes 0..7 and minima in lanes 8..15, or the 16 scales of half blocks. */
#ifndef KERNELS_X86_MATMUL_BLOCKS_AVX512_H
#define KERNELS_X86_MATMUL_BLOCKS_AVX512_H
#include "kernels/x86/panel_avx512.h"

enum { BLOCKS = 8 }; /* of a row in a panel */

struct block_panel {
    _Alignas(64) float y[MAX_TOKENS][NR];
    uint8_t code[8 * BLOCKS][NR][4];
    int32_t start[2 * BLOCKS][NR]; /* signed codes only; of blocks, or of half blocks */
    float scale[2 * BLOCKS][NR];   /* then minima; or of half blocks */
    float x[];                     /* [tokens in hand][blocks of a row] of dx, then sx */
};
struct block_codec {
    int block, x_blocks, x_block; /* bytes of a block; how many blocks of x it spans, and their bytes */
    bool has_min;                 /* and unsigned codes; else signed codes */
    int halves;                   /* 2: a scale for each half of a block of x, else 1 */
    __m512i (*codes)(const uint8_t *b, int c, int64_t n);
    __m512 (*heads)(const uint8_t *b, int64_t n);
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
        if (!codec.has_min)
            continue;
        __m256i code = _mm256_loadu_si256((const __m256i *)(x + codec.x_block - 32));
        __m256i sum = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), code);
        __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
        s[b] = d[b] * (float)(_mm_cvtsi128_si32(four) + _mm_extract_epi32(four, 1));
    }
}

/* A f16 at b of each of up to 8 blocks. */
INLINE __m256 halves_of_8(const uint8_t *b, int block, int64_t n)
{
    uint64_t lo = load_4x2(b, block, n), hi = n > 4 * block ? load_4x2(b + 4 * block, block, n - 4 * block) : 0;
    return _mm256_cvtph_ps(_mm_set_epi64x((int64_t)hi, (int64_t)lo));
}

/* d:f16 before everything else in a block, then perhaps m:f16. */
INLINE __m512 heads_d(const uint8_t *b, int block, int64_t n)
{
    return _mm512_zextps256_ps512(halves_of_8(b, block, n));
}
INLINE __m512 heads_d_m(const uint8_t *b, int block, int64_t n)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(halves_of_8(b, block, n)), halves_of_8(b + 2, block, n), 1);
}

/* Up to 8 blocks, n bytes, at `at` bytes into the rows [r, r + 16); rows beyond the last repeat it. */
INLINE void unpack_16_rows(struct block_panel *p, int lane, const struct qmat *w, int64_t r, int64_t last, size_t at,
                           int64_t n, struct block_codec codec)
{
    __m512i v[16];
    const uint8_t *b[16];
    for (int i = 0; i < 16; i++)
        b[i] = qmat_row(w, min_i64(r + i, last)) + at;
    for (int c = 0; 2 * c * codec.block < n * codec.x_blocks; c++) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            v[i] = codec.codes(b[i], c, n);
        transpose_16x16(v);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            _mm512_store_si512(p->code[16 * c + i][lane], v[i]);
        const int words = 8 / codec.halves;
        for (int i = 0; i < 16 / words && !codec.has_min; i++)
            _mm512_store_si512(&p->start[16 / words * c + i][lane], start_of(v + words * i, words));
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        v[i] = _mm512_castps_si512(codec.heads(b[i], n));
    transpose_16x16(v);
#pragma GCC unroll 16
    for (int i = 0; i < 2 * BLOCKS; i++)
        _mm512_store_si512(&p->scale[i][lane], v[i]);
}

/* Codes of the blocks 2c and 2c + 1 in column order from their 16 bytes of nibbles each, the first of which are at qs.
 */
INLINE __m512i two_blocks_of_nibbles(const uint8_t *qs, int block, int c, int64_t n)
{
    qs += 2 * c * block;
    n -= 2 * c * block;
    __m256i q = _mm256_setr_m128i(load_16_of(qs, 0, block, n), load_16_of(qs, 1, block, n));
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(q), _mm256_srli_epi16(q, 4), 1);
    return _mm512_and_si512(_mm512_shuffle_i32x4(both, both, 0xd8), _mm512_set1_epi8(15));
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
INLINE void tile(const int mr, const bool has_min, const int halves, struct block_panel *p, const struct x_at *t,
                 int64_t j0)
{
    __m512 sum[MR][2];
    const uint8_t *x0 = t->x + (size_t)j0 * t->stride + t->x_block - 32;
    const float *d = t->d + (size_t)j0 * t->scale_stride, *s = t->s + (size_t)j0 * t->scale_stride;
#pragma GCC unroll 6
    for (int j = 0; j < mr; j++) {
        sum[j][0] = t->first ? _mm512_setzero_ps() : _mm512_load_ps(p->y[j0 + j]);
        sum[j][1] = t->first ? _mm512_setzero_ps() : _mm512_load_ps(p->y[j0 + j] + 16);
    }
    for (int b = 0; b < t->n_blocks; b++, x0 += t->x_block) {
        const uint8_t *const x[2] = {x0, x0 + 3 * t->stride};
#pragma GCC unroll 2
        for (int h = 0; h < halves; h++) {
            const int i = halves * b + h, words = 8 / halves;
            __m512i acc[MR][2], zero = _mm512_setzero_si512();
            start(mr, acc, has_min ? zero : _mm512_load_si512(p->start[i]),
                  has_min ? zero : _mm512_load_si512(&p->start[i][16]));
            multiply(mr, !has_min, acc, p->code + 8 * b, words * h, words * (h + 1), x, t->stride);
            __m512 d0 = _mm512_load_ps(p->scale[i]), d1 = _mm512_load_ps(p->scale[i] + 16);
#pragma GCC unroll 6
            for (int j = 0; j < mr; j++) {
                __m512 dx = _mm512_set1_ps(d[j * t->scale_stride + b]);
                sum[j][0] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc[j][0]), dx), d0, sum[j][0]);
                sum[j][1] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc[j][1]), dx), d1, sum[j][1]);
            }
        }
        if (!has_min)
            continue;
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++) {
            __m512 sx = _mm512_set1_ps(s[j * t->scale_stride + b]);
            sum[j][0] = _mm512_fmadd_ps(_mm512_load_ps(p->scale[BLOCKS + b]), sx, sum[j][0]);
            sum[j][1] = _mm512_fmadd_ps(_mm512_load_ps(p->scale[BLOCKS + b] + 16), sx, sum[j][1]);
        }
    }
#pragma GCC unroll 6
    for (int j = 0; j < mr; j++) {
        _mm512_store_ps(p->y[j0 + j], sum[j][0]);
        _mm512_store_ps(p->y[j0 + j] + 16, sum[j][1]);
    }
}

INLINE void all_tokens(struct block_panel *p, const struct x_at *t, int64_t m, const bool has_min, const int halves)
{
    int64_t j = 0;
    for (; j + 6 <= m; j += 6)
        tile(6, has_min, halves, p, t, j);
    if (m - j >= 4) {
        tile(4, has_min, halves, p, t, j);
        j += 4;
    }
    if (m - j >= 2) {
        tile(2, has_min, halves, p, t, j);
        j += 2;
    }
    if (j < m)
        tile(1, has_min, halves, p, t, j);
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
                for (int lane = 0; lane < NR; lane += 16)
                    unpack_16_rows(p, lane, w, r + lane, r1 - 1, (size_t)(b / codec.x_blocks * codec.block),
                                   n / codec.x_blocks * codec.block, codec);
                all_tokens(p, &t, tokens, codec.has_min, codec.halves);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
#endif
