/* Decode: Q2_K rows times one Q8_K activation row. Superblock: scales[16], qs[64], d:f16, dmin:f16.
 * A byte of scales: scale low, minimum high. Bits 2j, 2j + 1 of qs[0..31] are columns 32j.., of qs[32..63]
 * 128 + 32j... */
#include "kernels/x86/matvec_k_avx2.h"

enum { BLOCK = 84 };

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)b), nibble = _mm_set1_epi8(15);
    __m256i sc = even_odd(_mm_and_si128(bytes, nibble)), acc = _mm256_setzero_si256(), three = _mm256_set1_epi8(3);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        __m256i q = _mm256_srli_epi16(load32(b + 16 + 32 * (i / 4)), 2 * (i % 4));
        acc = dot_piece(acc, _mm256_and_si256(q, three), x, i, sc, false);
    }
    add_dot(s, acc, half_at(b + 80) * x->d);
    add_min(s, scale_sums(_mm_and_si128(_mm_srli_epi16(bytes, 4), nibble), x), half_at(b + 82) * x->d);
}

void matvec_q2_k_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, in_order, 0, dot);
}
