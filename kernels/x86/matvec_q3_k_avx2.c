/* Decode: Q3_K rows times one Q8_K activation row. Superblock: hmask[32], qs[64], scales[12], d:f16.
 * qs as in Q2_K; bit j of hmask is bit 2 of columns 32j..32j + 31. Value code - 4. */
#include "kernels/x86/matvec_k_avx2.h"
#include "kernels/x86/scales_k.h"

enum { BLOCK = 110, OFFSET = 4 };

INLINE __m256i codes(__m256i q, __m256i hm, int bit)
{
    __m256i high = bit < 2 ? _mm256_slli_epi16(hm, 2 - bit) : _mm256_srli_epi16(hm, bit - 2);
    return _mm256_or_si256(_mm256_and_si256(q, _mm256_set1_epi8(3)), _mm256_and_si256(high, _mm256_set1_epi8(4)));
}

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m256i sc = even_odd(scales_q3_k(b + 96)), acc = _mm256_setzero_si256(), hm = load32(b);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        __m256i q = _mm256_srli_epi16(load32(b + 32 + 32 * (i / 4)), 2 * (i % 4));
        acc = dot_piece(acc, codes(q, hm, i), x, i, sc, true);
    }
    add_dot(s, acc, half_at(b + 108) * x->d);
}

void matvec_q3_k_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, in_order, OFFSET, dot);
}
