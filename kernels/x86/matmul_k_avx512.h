/* Prefill with superblocks of 256 (Q2_K .. Q6_K) times Q8_K activations, on the panels of panel_avx512.h.
 *
 *   y[token][row] += dx (sum_s scale[s] (sum code x) - min_scale sum_i min[i] sum16[i]),  s: sub-blocks, i: runs of 16
 *
 * Per sub-block one convert and one FMA. Minima are a product of words with the activations' stored sums of 16 codes:
 * 8 dpwssd for the whole superblock.
 * A codec supplies codes(b, c): columns 64c.. 64c + 63 of a superblock, and head(b): its scales. */
#ifndef KERNELS_X86_MATMUL_K_AVX512_H
#define KERNELS_X86_MATMUL_K_AVX512_H
#include "kernels/x86/panel_avx512.h"
#include "kernels/x86/scales_k.h"

enum { X_BLOCK = 292, X_CODES = 4, X_SUMS = 260 }; /* Q8_K: d:f32, qs[256], bsums[16]:i16 */

struct k_panel {
    _Alignas(64) float y[MAX_TOKENS][NR]; /* of the tokens in hand, summed over the superblocks */
    uint8_t code[64][NR][4];
    int32_t start[16][NR]; /* of each sub-block; signed codes only */
    float scale[16][NR];   /* of each sub-block: d times its integer scale */
    int16_t min[8][NR][2]; /* of the runs of 16 columns 2i and 2i + 1 */
    float min_scale[NR];
};
struct k_head {
    __m512 scale;
    __m512i min; /* 8 words of two int16; the rest is not used */
    float min_scale;
};
struct k_codec {
    int block, n_sub; /* bytes of a superblock; 8 or 16 sub-blocks */
    bool has_min;     /* and unsigned codes; else signed codes */
    __m512i (*codes)(const uint8_t *b, int c);
    struct k_head (*head)(const uint8_t *b);
};

/* d:f16, dmin:f16, 6-bit scales and minima: Q4_K and Q5_K. */
INLINE struct k_head head_q4_k(const uint8_t *b)
{
    struct scales_6bit six = scales_6bit(b + 4);
    __m256i sc = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)six.scale));
    __m256i min = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)six.min));
    return (struct k_head){
        .scale = _mm512_zextps256_ps512(_mm256_mul_ps(_mm256_cvtepi32_ps(sc), _mm256_set1_ps(half_at(b)))),
        .min = _mm512_zextsi256_si512(_mm256_or_si256(min, _mm256_slli_epi32(min, 16))), /* both runs of 16 alike */
        .min_scale = half_at(b + 2),
    };
}

/* 16 scales d * sc. */
INLINE __m512 scale_16(__m128i sc, float d)
{
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(sc)), _mm512_set1_ps(d));
}

/* Superblock at `at` bytes into the rows [r, r + 16); rows beyond the last repeat it. */
INLINE void unpack_16_rows(struct k_panel *p, int lane, const struct qmat *w, int64_t r, int64_t last, size_t at,
                           struct k_codec codec)
{
    __m512i v[16], min[16];
    const uint8_t *b[16];
    for (int i = 0; i < 16; i++)
        b[i] = qmat_row(w, min_i64(r + i, last)) + at;
    for (int c = 0; c < 4; c++) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            v[i] = codec.codes(b[i], c);
        transpose_16x16(v);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            _mm512_store_si512(p->code[16 * c + i][lane], v[i]);
        const int words = 64 / codec.n_sub;
        for (int i = 0; i < 16 / words && !codec.has_min; i++)
            _mm512_store_si512(&p->start[16 / words * c + i][lane], start_of(v + words * i, words));
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        struct k_head h = codec.head(b[i]);
        v[i] = _mm512_castps_si512(h.scale);
        min[i] = h.min;
        p->min_scale[lane + i] = h.min_scale;
    }
    transpose_16x16(v);
#pragma GCC unroll 16
    for (int i = 0; i < codec.n_sub; i++)
        _mm512_store_si512(&p->scale[i][lane], v[i]);
    if (!codec.has_min)
        return;
    transpose_16x16(min);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        _mm512_store_si512(p->min[i][lane], min[i]);
}

/* What is subtracted, for mr tokens and 32 rows. */
INLINE void tile_min(const int mr, __m512 sum[MR][2], const struct k_panel *p, const uint8_t *const x[2], size_t stride)
{
    __m512i acc[MR][2];
#pragma GCC unroll 6
    for (int j = 0; j < mr; j++)
        acc[j][0] = acc[j][1] = _mm512_setzero_si512();
    for (int i = 0; i < 8; i++) {
        __m512i w0 = _mm512_load_si512(p->min[i][0]), w1 = _mm512_load_si512(p->min[i][16]);
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++) {
            __m512i v = word_of(x[j / 3] + j % 3 * stride + X_SUMS + 4 * i);
            acc[j][0] = _mm512_dpwssd_epi32(acc[j][0], w0, v);
            acc[j][1] = _mm512_dpwssd_epi32(acc[j][1], w1, v);
        }
    }
    __m512 zero = _mm512_setzero_ps();
    __m512 d0 = _mm512_sub_ps(zero, _mm512_load_ps(p->min_scale)),
           d1 = _mm512_sub_ps(zero, _mm512_load_ps(p->min_scale + 16));
#pragma GCC unroll 6
    for (int j = 0; j < mr; j++) {
        sum[j][0] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[j][0]), d0);
        sum[j][1] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[j][1]), d1);
    }
}

/* mr tokens (a constant at every call) against the panel; x: their superblocks, stride bytes apart. */
INLINE void tile(const int mr, const int n_sub, const bool has_min, struct k_panel *p, int64_t j0, const uint8_t *x0,
                 size_t stride, bool first)
{
    __m512 sum[MR][2];
    const uint8_t *x[2] = {x0, x0 + 3 * stride};
    const uint8_t *const code[2] = {x[0] + X_CODES, x[1] + X_CODES};
    if (has_min)
        tile_min(mr, sum, p, x, stride);
    else
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++)
            sum[j][0] = sum[j][1] = _mm512_setzero_ps();
    const int words = 64 / n_sub;
    for (int s = 0; s < n_sub; s++) {
        __m512i acc[MR][2], zero = _mm512_setzero_si512();
        start(mr, acc, has_min ? zero : _mm512_load_si512(p->start[s]),
              has_min ? zero : _mm512_load_si512(&p->start[s][16]));
        multiply(mr, !has_min, acc, p->code, words * s, words * (s + 1), code, stride);
        __m512 d0 = _mm512_load_ps(p->scale[s]), d1 = _mm512_load_ps(p->scale[s] + 16);
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++) {
            sum[j][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[j][0]), d0, sum[j][0]);
            sum[j][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[j][1]), d1, sum[j][1]);
        }
    }
#pragma GCC unroll 6
    for (int j = 0; j < mr; j++) {
        float *y = p->y[j0 + j];
        __m512 d = _mm512_castsi512_ps(word_of(x[j / 3] + j % 3 * stride));
        __m512 y0 = first ? _mm512_setzero_ps() : _mm512_load_ps(y),
               y1 = first ? _mm512_setzero_ps() : _mm512_load_ps(y + 16);
        _mm512_store_ps(y, _mm512_fmadd_ps(sum[j][0], d, y0));
        _mm512_store_ps(y + 16, _mm512_fmadd_ps(sum[j][1], d, y1));
    }
}

INLINE void all_tokens(struct k_panel *p, const uint8_t *x, size_t stride, int64_t m, bool first, int n_sub,
                       bool has_min)
{
    int64_t j = 0;
    for (; j + 6 <= m; j += 6)
        tile(6, n_sub, has_min, p, j, x + (size_t)j * stride, stride, first);
    if (m - j >= 4) {
        tile(4, n_sub, has_min, p, j, x + (size_t)j * stride, stride, first);
        j += 4;
    }
    if (m - j >= 2) {
        tile(2, n_sub, has_min, p, j, x + (size_t)j * stride, stride, first);
        j += 2;
    }
    if (j < m)
        tile(1, n_sub, has_min, p, j, x + (size_t)j * stride, stride, first);
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
                for (int lane = 0; lane < NR; lane += 16)
                    unpack_16_rows(p, lane, w, r + lane, r1 - 1, (size_t)(b * codec.block), codec);
                all_tokens(p, xj + b * X_BLOCK, stride, tokens, b == 0, codec.n_sub, codec.has_min);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
#endif
