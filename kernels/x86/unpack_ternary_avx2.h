/* TQ1_0 and TQ2_0 in AVX2: codes 0, 1, 2 of columns 32c..; the value is the code less 1. */
#ifndef KERNELS_X86_UNPACK_TERNARY_AVX2_H
#define KERNELS_X86_UNPACK_TERNARY_AVX2_H
#include "kernels/x86/unpack_avx2.h"

INLINE __m256i codes_tq2_0(const uint8_t *b, int c)
{
    return bits_of(load32(b + 32 * (c / 4)), 2 * (c % 4), 3, 0);
}

/* The highest of five digits to base 3 that a byte holds as a fraction of 256. */
INLINE __m256i first_digit(__m256i v)
{
    __m256i one = _mm256_set1_epi8(86), two = _mm256_set1_epi8((char)171);
    __m256i at_least =
        _mm256_add_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(v, one), v), _mm256_cmpeq_epi8(_mm256_max_epu8(v, two), v));
    return _mm256_sub_epi8(_mm256_setzero_si256(), at_least);
}

INLINE __m256i times_3(__m256i v, int times)
{
    for (int i = 0; i < times; i++)
        v = _mm256_add_epi8(v, _mm256_add_epi8(v, v));
    return v;
}

/* Digit 2i of the 16 bytes of each lane in the lower lane, digit 2i + 1 in the upper. */
INLINE __m256i digits_of_lanes(__m256i v, int i)
{
    v = times_3(v, 2 * i);
    return _mm256_blend_epi32(v, times_3(v, 1), 0xf0);
}

INLINE __m256i codes_tq1_0(const uint8_t *b, int c)
{
    if (c < 5)
        return first_digit(times_3(load32(b), c));
    __m256i mid = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(b + 32)));
    if (c < 7)
        return first_digit(digits_of_lanes(mid, c - 5));
    __m256i last = _mm256_set1_epi32((int)rd_u32le(b + 48)); /* 4 bytes, digit i in word i of a lane */
    __m256i even = _mm256_blend_epi32(last, times_3(last, 2), 0xc0),
            odd = _mm256_blend_epi32(times_3(last, 1), times_3(last, 3), 0x80);
    last = _mm256_blend_epi32(even, odd, 0xa0);
    return first_digit(_mm256_blend_epi32(times_3(mid, 4), last, 0xf0));
}
#endif
