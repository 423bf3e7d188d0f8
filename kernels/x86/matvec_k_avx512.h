/* Decode kernels for superblocks of 256 (Q2_K .. Q6_K) times Q8_K activations, AVX-512 VNNI.
 * dpbusd leaves sums of 4 products, which fit in 16 bits; two such vectors are packed into one vector of words and
 * multiplied by the integer sub-scales with dpwssd, so a whole superblock ends in one convert and one FMA.
 * Two rows from the two halves of the range run side by side, as in matvec_blocks_avx512.h.
 * A codec supplies dot(sums, superblock, x) and the order in which it meets the 32-column pieces of x. */
#ifndef KERNELS_X86_MATVEC_K_AVX512_H
#define KERNELS_X86_MATVEC_K_AVX512_H
#include <string.h>
#include "kernels/x86/avx512.h"

struct x_super {                  /* the activations of 256 columns */
    _Alignas(64) int8_t code[256];   /* in pieces of 32, reordered */
    int16_t sum16[16], sum32[8];     /* sums of codes over 16 and over 32 columns, in column order */
    float d;
};
struct k_sums {
    __m512 dot;
    __m256 min;
};
enum { X_BLOCK = 292, TILE_SUPERS = 16 };   /* Q8_K: d:f32, qs[256], bsums[16]:i16; a tile is 6 KiB */

/* Words 4i..4i+3 of a pack of two dpbusd results belong to sub-block first[i]. */
#define WORDS4(s) s, s, s, s
#define PACK(a, b, c, d, e, f, g, h) \
    WORDS4(a), WORDS4(b), WORDS4(c), WORDS4(d), WORDS4(e), WORDS4(f), WORDS4(g), WORDS4(h)

static void x_prepare(struct x_super *s, const uint8_t *x, int64_t n, const uint8_t order[8])
{
    for (; n > 0; n--, s++, x += X_BLOCK) {
        memcpy(&s->d, x, 4);
        for (int i = 0; i < 8; i++)
            memcpy(s->code + 32 * i, x + 4 + 32 * order[i], 32);
        memcpy(s->sum16, x + 260, 32);
        for (int i = 0; i < 8; i++)
            s->sum32[i] = (int16_t)(s->sum16[2 * i] + s->sum16[2 * i + 1]);
    }
}

/* acc += sum over the lanes of lo and hi of codes * x * scale; scale[] picks the sub-block's word from sc. */
INLINE __m512i dot_pair(__m512i acc, __m512i lo, __m512i hi, const int8_t *x, const int16_t scale[32], __m512i sc)
{
    const __m512i zero = _mm512_setzero_si512();
    lo = _mm512_dpbusd_epi32(zero, lo, _mm512_load_si512(x));
    hi = _mm512_dpbusd_epi32(zero, hi, _mm512_load_si512(x + 64));
    sc = _mm512_permutexvar_epi16(_mm512_loadu_si512(scale), sc);
    return _mm512_dpwssd_epi32(acc, _mm512_packs_epi32(lo, hi), sc);
}

INLINE void matvec_k(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, int block,
                     const uint8_t order[8], void (*dot)(struct k_sums *s, const uint8_t *b, const struct x_super *x))
{
    struct x_super tile[TILE_SUPERS];
    int64_t n_blocks = w->k / 256, half = (r1 - r0 + 1) / 2;
    for (int64_t b = 0; b < n_blocks; b += TILE_SUPERS) {
        int64_t n = min_i64(n_blocks - b, TILE_SUPERS);
        x_prepare(tile, (const uint8_t *)x + b * X_BLOCK, n, order);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r;   /* an odd last row is its own partner */
            const uint8_t *p0 = qmat_row(w, r) + b * block, *p1 = qmat_row(w, q) + b * block;
            struct k_sums s0 = {_mm512_setzero_ps(), _mm256_setzero_ps()}, s1 = s0;
            for (int64_t i = 0; i < n; i++, p0 += block, p1 += block) {
                dot(&s0, p0, &tile[i]);
                dot(&s1, p1, &tile[i]);
            }
            float before0 = b ? y[r - r0] : 0, before1 = b ? y[q - r0] : 0;
            y[r - r0] = before0 + _mm512_reduce_add_ps(_mm512_add_ps(s0.dot, _mm512_zextps256_ps512(s0.min)));
            y[q - r0] = before1 + _mm512_reduce_add_ps(_mm512_add_ps(s1.dot, _mm512_zextps256_ps512(s1.min)));
        }
    }
}

/* d and dmin times the activations' scale, added to the sums. */
INLINE void add_scaled(struct k_sums *s, __m512i dot, __m256i min, uint32_t d_dmin, float x_d)
{
    __m128 d = _mm_mul_ps(_mm_cvtph_ps(_mm_cvtsi32_si128((int)d_dmin)), _mm_set1_ps(x_d));
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_broadcastss_ps(d), s->dot);
    s->min = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(min), _mm256_broadcastss_ps(_mm_movehdup_ps(d)), s->min);
}
#endif
