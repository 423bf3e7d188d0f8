/* The IQ types in AVX-512: magnitudes of 64 columns from table lookups, signs as a mask. c: columns 64c.. 64c + 63. */
#ifndef KERNELS_X86_UNPACK_GRID_AVX512_H
#define KERNELS_X86_UNPACK_GRID_AVX512_H
#include "kernels/x86/avx512.h"
#include "kernels/x86/grid_bits.h"

INLINE __m512i points_of_8(const uint64_t *t, int (*index)(const uint8_t *b, int i), const uint8_t *b, int c)
{
    int i = 8 * c;
    return _mm512_setr_epi64((int64_t)t[index(b, i)], (int64_t)t[index(b, i + 1)], (int64_t)t[index(b, i + 2)],
                             (int64_t)t[index(b, i + 3)], (int64_t)t[index(b, i + 4)], (int64_t)t[index(b, i + 5)],
                             (int64_t)t[index(b, i + 6)], (int64_t)t[index(b, i + 7)]);
}

INLINE __m128i points_of_4(const uint32_t *t, int (*index)(const uint8_t *b, int i), const uint8_t *b, int i)
{
    return _mm_setr_epi32((int)t[index(b, i)], (int)t[index(b, i + 1)], (int)t[index(b, i + 2)],
                          (int)t[index(b, i + 3)]);
}

INLINE __m512i points_of_4_by_16(const uint32_t *t, int (*index)(const uint8_t *b, int i), const uint8_t *b, int c)
{
    __m256i lo = _mm256_setr_m128i(points_of_4(t, index, b, 16 * c), points_of_4(t, index, b, 16 * c + 4)),
            hi = _mm256_setr_m128i(points_of_4(t, index, b, 16 * c + 8), points_of_4(t, index, b, 16 * c + 12));
    return _mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1);
}

INLINE __m512i points_iq2_xxs(const uint8_t *b, int c)
{
    return points_of_8(grid_bytes.iq2xxs, index_iq2_xxs, b, c);
}
INLINE __m512i points_iq2_xs(const uint8_t *b, int c)
{
    return points_of_8(grid_bytes.iq2xs, index_iq2_xs, b, c);
}
INLINE __m512i points_iq2_s(const uint8_t *b, int c)
{
    return points_of_8(grid_bytes.iq2s, index_iq2_s, b, c);
}
INLINE __m512i points_iq3_xxs(const uint8_t *b, int c)
{
    return points_of_4_by_16(grid_bytes.iq3xxs, index_iq3_xxs, b, c);
}
INLINE __m512i points_iq3_s(const uint8_t *b, int c)
{
    return points_of_4_by_16(grid_bytes.iq3s, index_iq3_s, b, c);
}

/* IQ1: eight times the value, plus 9: 0..18. */
enum { OFFSET_IQ1 = 9 };
INLINE __m512i points_iq1_s(const uint8_t *b, int c)
{
    __m512i v = points_of_8(grid_bytes.iq1s, index_iq1_s, b, c), two = _mm512_set1_epi8(2);
    __mmask8 plus = (__mmask8)((b[35 + 4 * c] & 128 ? 0 : 0x0f) | (b[37 + 4 * c] & 128 ? 0 : 0xf0));
    return _mm512_mask_add_epi64(v, plus, v, two);
}
INLINE __m512i points_iq1_m(const uint8_t *b, int c)
{
    const __m512i bit = _mm512_setr_epi64(0x8, 0x80, 0x800, 0x8000, 0x80000, 0x800000, 0x8000000, 0x80000000);
    __m512i v = points_of_8(grid_bytes.iq1s, index_iq1_m, b, c), two = _mm512_set1_epi8(2);
    __mmask8 plus = _mm512_testn_epi64_mask(_mm512_set1_epi64((int64_t)rd_u32le(b + 32 + 4 * c)), bit);
    return _mm512_mask_add_epi64(v, plus, v, two);
}

INLINE __m512i signed_by(__m512i v, uint64_t minus)
{
    return _mm512_mask_sub_epi8(v, _cvtu64_mask64(minus), _mm512_setzero_si512(), v);
}
#endif
