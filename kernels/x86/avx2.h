/* What the AVX2 kernels share. */
#ifndef KERNELS_X86_AVX2_H
#define KERNELS_X86_AVX2_H
#include "kernels/x86/x86.h"

enum { SUM_COLUMNS = 2 }; /* products that maddubs adds up */

struct row_sums { /* what a row has come to, its minima apart */
    __m256 dot, min;
};

INLINE struct row_sums row_zero(void)
{
    return (struct row_sums){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

INLINE float row_total(struct row_sums s)
{
    __m256 v = _mm256_add_ps(s.dot, s.min);
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

/* 16 bytes from each of the blocks i and i + 1; n bytes are left from block 0 on, whole blocks. */
INLINE __m256i load_2x16(const uint8_t *p, int i, int block, int64_t n)
{
    return _mm256_setr_m128i(load_16_of(p, i, block, n), load_16_of(p, i + 1, block, n));
}

INLINE __m256i load32(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

/* Sums of 2 products of signed bytes, none of w below -127: the sign of w goes over to x. */
INLINE __m256i products_signed(__m256i w, __m256i x)
{
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
}

/* The sum of each 2 words, 8 words of 32 bits. */
INLINE __m256i pair_sums(__m256i words)
{
    return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}
#endif
