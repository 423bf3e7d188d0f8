/* Prefill with superblocks of 256 (Q2_K .. Q6_K) times Q8_K activations, on the panels of panel_avx2.h.
 *
 *   y[token][row] += dx (sum_s scale[s] (sum code x) - min_scale sum_i min[i] sum16[i]),  s: sub-blocks, i: runs of 16
 *
 * Codes are unsigned and an offset takes the way of the minima; only those of IQ4_XS are signed.
 * A codec supplies codes(b, c): columns 32c.. 32c + 31 of a superblock, and head(b): its scales. */
#ifndef KERNELS_X86_MATMUL_K_AVX2_H
#define KERNELS_X86_MATMUL_K_AVX2_H
#include "kernels/x86/panel_avx2.h"
#include "kernels/x86/scales_k.h"
#include "kernels/x86/unpack_avx2.h"

enum { X_BLOCK = 292, X_CODES = 4, X_SUMS = 260 }; /* Q8_K: d:f32, qs[256], bsums[16]:i16 */

struct k_panel {
    _Alignas(64) float y[MAX_TOKENS][NR]; /* of the tokens in hand, summed over the superblocks */
    uint8_t code[64][NR][4];
    float scale[16][NR];   /* of each sub-block: d times its integer scale */
    int16_t min[8][NR][2]; /* of the runs of 16 columns 2i and 2i + 1 */
    float min_scale[NR];
};
struct k_head {
    __m256 scale[2]; /* sub-blocks 0..7 and 8..15 */
    __m256i min;     /* 16 words */
    float min_scale;
};
struct k_codec {
    int block, n_sub, steps; /* bytes of a superblock; 4, 8 or 16 sub-blocks; sums that fit in 16 bits */
    bool is_signed;          /* and no minimum */
    __m256i (*codes)(const uint8_t *b, int c);
    struct k_head (*head)(const uint8_t *b);
};

/* d:f16, dmin:f16, 6-bit scales and minima: Q4_K and Q5_K. */
INLINE struct k_head head_q4_k(const uint8_t *b)
{
    struct scales_6bit six = scales_6bit(b + 4);
    __m256i sc = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)six.scale));
    __m256i min = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)six.min));
    return (struct k_head){
        .scale = {_mm256_mul_ps(_mm256_cvtepi32_ps(sc), _mm256_set1_ps(half_at(b))), _mm256_setzero_ps()},
        .min = _mm256_or_si256(min, _mm256_slli_epi32(min, 16)), /* both runs of 16 alike */
        .min_scale = half_at(b + 2),
    };
}

/* 16 signed scales, and minima as 16 words. */
INLINE struct k_head head_16(__m128i sc, float d, __m256i min, float min_scale)
{
    __m256 v = _mm256_set1_ps(d);
    __m256i lo = _mm256_cvtepi8_epi32(sc), hi = _mm256_cvtepi8_epi32(_mm_srli_si128(sc, 8));
    return (struct k_head){
        .scale = {_mm256_mul_ps(_mm256_cvtepi32_ps(lo), v), _mm256_mul_ps(_mm256_cvtepi32_ps(hi), v)},
        .min = min,
        .min_scale = min_scale,
    };
}

/* 8 scales, none negative, of 32 columns each. */
INLINE struct k_head head_8(__m128i sc, float d, float min_scale)
{
    __m256i words = _mm256_cvtepu8_epi32(sc);
    return (struct k_head){
        .scale = {_mm256_mul_ps(_mm256_cvtepi32_ps(words), _mm256_set1_ps(d)), _mm256_setzero_ps()},
        .min = _mm256_or_si256(words, _mm256_slli_epi32(words, 16)),
        .min_scale = min_scale,
    };
}

/* Superblock at `at` bytes into the rows [r, r + 8); rows beyond the last repeat it. */
INLINE void unpack_8_rows(struct k_panel *p, int lane, const struct qmat *w, int64_t r, int64_t last, size_t at,
                          struct k_codec codec)
{
    __m256i v[8], high[8], min[8];
    const uint8_t *b[8];
    for (int i = 0; i < 8; i++)
        b[i] = qmat_row(w, min_i64(r + i, last)) + at;
    for (int c = 0; c < 8; c++) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            v[i] = codec.codes(b[i], c);
        store_transposed(p->code[8 * c][lane], sizeof p->code[0], v);
    }
    for (int i = 0; i < 8; i++) {
        struct k_head h = codec.head(b[i]);
        v[i] = _mm256_castps_si256(h.scale[0]);
        high[i] = _mm256_castps_si256(h.scale[1]);
        min[i] = h.min;
        p->min_scale[lane + i] = h.min_scale;
    }
    store_transposed(&p->scale[0][lane], sizeof p->scale[0], v);
    if (codec.n_sub == 16)
        store_transposed(&p->scale[8][lane], sizeof p->scale[0], high);
    store_transposed(p->min[0][lane], sizeof p->min[0], min);
}

/* What is subtracted, for mr tokens and 16 rows. */
INLINE void tile_min(const int mr, __m256 sum[MR][2], struct k_panel *p, const uint8_t *x, size_t stride)
{
    __m256i acc[MR][2];
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        acc[j][0] = acc[j][1] = _mm256_setzero_si256();
    for (int i = 0; i < 8; i++) {
        __m256i w0 = load32(p->min[i][0]), w1 = load32(p->min[i][8]);
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++) {
            __m256i v = word_of(x + j * stride + X_SUMS + 4 * i);
            acc[j][0] = _mm256_sub_epi32(acc[j][0], _mm256_madd_epi16(w0, v));
            acc[j][1] = _mm256_sub_epi32(acc[j][1], _mm256_madd_epi16(w1, v));
            __asm__("" : "+x"(acc[j][0]), "+x"(acc[j][1])); /* as in multiply */
        }
    }
    __m256 d0 = _mm256_load_ps(p->min_scale), d1 = _mm256_load_ps(p->min_scale + 8);
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++) {
        sum[j][0] = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[j][0]), d0);
        sum[j][1] = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[j][1]), d1);
    }
}

/* mr tokens (a constant at every call) against the panel; x: their superblocks, stride bytes apart. */
INLINE void tile(const int mr, const int n_sub, const int steps, const bool is_signed, struct k_panel *p, int64_t j0,
                 const uint8_t *x, size_t stride, bool first)
{
    __m256 sum[MR][2];
    if (!is_signed)
        tile_min(mr, sum, p, x, stride);
    else
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++)
            sum[j][0] = sum[j][1] = _mm256_setzero_ps();
    const int words = 64 / n_sub;
    for (int s = 0; s < n_sub; s++) {
        __m256i acc[MR][2];
        multiply(mr, steps, is_signed, acc, p->code + words * s, 0, words, x + X_CODES + 4 * words * s, stride);
        __m256 d0 = _mm256_load_ps(p->scale[s]), d1 = _mm256_load_ps(p->scale[s] + 8);
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++) {
            sum[j][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[j][0]), d0, sum[j][0]);
            sum[j][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[j][1]), d1, sum[j][1]);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++) {
        float *y = p->y[j0 + j];
        __m256 d = _mm256_castsi256_ps(word_of(x + j * stride));
        __m256 y0 = first ? _mm256_setzero_ps() : _mm256_load_ps(y),
               y1 = first ? _mm256_setzero_ps() : _mm256_load_ps(y + 8);
        _mm256_store_ps(y, _mm256_fmadd_ps(sum[j][0], d, y0));
        _mm256_store_ps(y + 8, _mm256_fmadd_ps(sum[j][1], d, y1));
    }
}

INLINE void all_tokens(struct k_panel *p, const uint8_t *x, size_t stride, int64_t m, bool first, int n_sub, int steps,
                       bool is_signed)
{
    int64_t j = 0;
    for (; j + 4 <= m; j += 4)
        tile(4, n_sub, steps, is_signed, p, j, x + (size_t)j * stride, stride, first);
    if (m - j >= 2) {
        tile(2, n_sub, steps, is_signed, p, j, x + (size_t)j * stride, stride, first);
        j += 2;
    }
    if (j < m)
        tile(1, n_sub, steps, is_signed, p, j, x + (size_t)j * stride, stride, first);
}

INLINE void matmul_k(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x, size_t stride,
                     int64_t m, void *scratch, struct k_codec codec, kernel_matvec *few)
{
    struct k_panel *p = scratch;
    for (int64_t j = 0; j < m && m < FEW; j++)
        few(y + j * ldy, w, r0, r1, (const uint8_t *)x + (size_t)j * stride);
    int64_t in_hand = tokens_in_hand(m, max_tokens((size_t)(w->k / 256 * X_BLOCK)));
    for (int64_t j = 0; j < m && m >= FEW; j += in_hand) {
        const uint8_t *xj = (const uint8_t *)x + (size_t)j * stride;
        int64_t tokens = min_i64(m - j, in_hand);
        for (int64_t r = r0; r < r1; r += NR) {
            for (int64_t b = 0; b < w->k / 256; b++) {
                for (int lane = 0; lane < NR; lane += 8)
                    unpack_8_rows(p, lane, w, r + lane, r1 - 1, (size_t)(b * codec.block), codec);
                all_tokens(p, xj + b * X_BLOCK, stride, tokens, b == 0, codec.n_sub, codec.steps, codec.is_signed);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
#endif
