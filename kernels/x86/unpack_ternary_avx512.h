/* TQ1_0 and TQ2_0 in AVX-512: codes 0, 1, 2 of 64 columns; the value is the code less 1. */
#ifndef KERNELS_X86_UNPACK_TERNARY_AVX512_H
#define KERNELS_X86_UNPACK_TERNARY_AVX512_H
#include "kernels/x86/avx512.h"

/* Columns 64c.. in the order of the pieces of 32: c, c + 4. */
INLINE __m512i codes_tq2_0(const uint8_t *b, int c)
{
    __m512i q = _mm512_loadu_si512(b);
    return _mm512_and_si512(_mm512_srl_epi16(q, _mm_cvtsi32_si128(2 * c)), _mm512_set1_epi8(3));
}

/* The highest of five digits to base 3 that a byte holds as a fraction of 256. */
INLINE __m512i first_digit(__m512i v)
{
    __mmask64 one = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8(86)),
              two = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8((char)171));
    __m512i digit = _mm512_maskz_set1_epi8(one, 1);
    return _mm512_mask_mov_epi8(digit, two, _mm512_set1_epi8(2));
}

INLINE __m256i by_3(__m256i v)
{
    return _mm256_add_epi8(v, _mm256_add_epi8(v, v));
}
INLINE __m128i by_3_16(__m128i v)
{
    return _mm_add_epi8(v, _mm_add_epi8(v, v));
}

/* All 256 columns in order. */
INLINE void codes_tq1_0(__m512i code[4], const uint8_t *b)
{
    __m256i a0 = _mm256_loadu_si256((const __m256i *)b), a1 = by_3(a0), a2 = by_3(a1), a3 = by_3(a2), a4 = by_3(a3);
    __m128i b0 = _mm_loadu_si128((const __m128i *)(b + 32)), b1 = by_3_16(b0), b2 = by_3_16(b1), b3 = by_3_16(b2);
    __m128i c0 = _mm_set1_epi32((int)rd_u32le(b + 48)), c1 = by_3_16(c0), c2 = by_3_16(c1);
    __m128i rest = _mm_blend_epi32(_mm_blend_epi32(c0, c1, 2), _mm_blend_epi32(c2, by_3_16(c2), 8), 12);
    code[0] = _mm512_inserti64x4(_mm512_castsi256_si512(a0), a1, 1);
    code[1] = _mm512_inserti64x4(_mm512_castsi256_si512(a2), a3, 1);
    code[2] = _mm512_inserti64x4(_mm512_castsi256_si512(a4), _mm256_setr_m128i(b0, b1), 1);
    code[3] =
        _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_setr_m128i(b2, b3)), _mm256_setr_m128i(by_3_16(b3), rest), 1);
    for (int c = 0; c < 4; c++)
        code[c] = first_digit(code[c]);
}
#endif
