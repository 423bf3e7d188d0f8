/* The IQ types in AVX2: magnitudes of 32 columns from table lookups, signs as bytes of 0 or -1. c: columns 32c.. */
#ifndef KERNELS_X86_UNPACK_GRID_AVX2_H
#define KERNELS_X86_UNPACK_GRID_AVX2_H
#include "kernels/x86/avx2.h"
#include "kernels/x86/grid_bits.h"

INLINE __m256i points_of_8(const uint64_t *t, int (*index)(const uint8_t *b, int i), const uint8_t *b, int c)
{
    int i = 4 * c;
    return _mm256_setr_epi64x((int64_t)t[index(b, i)], (int64_t)t[index(b, i + 1)], (int64_t)t[index(b, i + 2)],
                              (int64_t)t[index(b, i + 3)]);
}

INLINE __m256i points_of_4(const uint32_t *t, int (*index)(const uint8_t *b, int i), const uint8_t *b, int c)
{
    int i = 8 * c;
    return _mm256_setr_epi32((int)t[index(b, i)], (int)t[index(b, i + 1)], (int)t[index(b, i + 2)],
                             (int)t[index(b, i + 3)], (int)t[index(b, i + 4)], (int)t[index(b, i + 5)],
                             (int)t[index(b, i + 6)], (int)t[index(b, i + 7)]);
}

INLINE __m256i points_iq2_xxs(const uint8_t *b, int c)
{
    return points_of_8(grid_bytes.iq2xxs, index_iq2_xxs, b, c);
}
INLINE __m256i points_iq2_xs(const uint8_t *b, int c)
{
    return points_of_8(grid_bytes.iq2xs, index_iq2_xs, b, c);
}
INLINE __m256i points_iq2_s(const uint8_t *b, int c)
{
    return points_of_8(grid_bytes.iq2s, index_iq2_s, b, c);
}
INLINE __m256i points_iq3_xxs(const uint8_t *b, int c)
{
    return points_of_4(grid_bytes.iq3xxs, index_iq3_xxs, b, c);
}
INLINE __m256i points_iq3_s(const uint8_t *b, int c)
{
    return points_of_4(grid_bytes.iq3s, index_iq3_s, b, c);
}

/* IQ1: eight times the value, plus 9: 0..18. */
enum { OFFSET_IQ1 = 9 };
INLINE __m256i points_iq1_s(const uint8_t *b, int c)
{
    __m256i plus = _mm256_set1_epi8(b[35 + 2 * c] & 128 ? 0 : 2);
    return _mm256_add_epi8(points_of_8(grid_bytes.iq1s, index_iq1_s, b, c), plus);
}
INLINE __m256i points_iq1_m(const uint8_t *b, int c)
{
    const __m256i bit = _mm256_setr_epi64x(0x8, 0x80, 0x800, 0x8000), two = _mm256_set1_epi8(2);
    __m256i set = _mm256_and_si256(_mm256_set1_epi64x(rd_u16le(b + 32 + 2 * c)), bit);
    __m256i plus = _mm256_and_si256(_mm256_cmpeq_epi64(set, _mm256_setzero_si256()), two);
    return _mm256_add_epi8(points_of_8(grid_bytes.iq1s, index_iq1_m, b, c), plus);
}

/* -1 in every byte whose bit is set: columns 32c.. of the 64 from signs(b, c / 2). */
INLINE __m256i minus_of(uint64_t (*signs)(const uint8_t *b, int c), const uint8_t *b, int c)
{
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    __m256i v = _mm256_set1_epi32((int)(uint32_t)(signs(b, c / 2) >> c % 2 * 32));
    return _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(v, byte), bit), bit);
}

INLINE __m256i signed_by(__m256i v, __m256i minus)
{
    return _mm256_sub_epi8(_mm256_xor_si256(v, minus), minus);
}
#endif
