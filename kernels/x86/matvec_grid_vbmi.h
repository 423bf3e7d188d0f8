/* Decode with the IQ types of up to 512 points where the table of grid points lies in registers: 64 entries of 16 bits,
 * the numbers of the levels of 8 or 4 weights, to two of them, so that 32 points are looked up at once; multishift then
 * takes the weights of a point apart. A codec supplies, for a superblock: the indices of its points as words, 32 in a
 * vector, and its signs. */
#ifndef KERNELS_X86_MATVEC_GRID_VBMI_H
#define KERNELS_X86_MATVEC_GRID_VBMI_H
#include "kernels/x86/matvec_grid_avx512.h"

/* Entries index[i] of a table of n, a power of two from 64 on. */
INLINE __m512i look_up(const uint16_t *table, const int n, __m512i index)
{
    __m512i v[8];
#pragma GCC unroll 8
    for (int i = 0; i < n / 64; i++)
        v[i] = _mm512_permutex2var_epi16(_mm512_loadu_si512(table + 64 * i), index,
                                         _mm512_loadu_si512(table + 64 * i + 32));
#pragma GCC unroll 4
    for (int bit = 64, left = n / 128; left > 0; bit *= 2, left /= 2) {
        __mmask32 upper = _mm512_test_epi16_mask(index, _mm512_set1_epi16((int16_t)bit));
#pragma GCC unroll 8
        for (int i = 0; i < left; i++)
            v[i] = _mm512_mask_mov_epi16(v[2 * i], upper, v[2 * i + 1]);
    }
    return v[0];
}

/* 8 weights of 2 bits from each of 8 words, to the magnitudes 8, 25, 43. */
INLINE __m512i weights_of_8(__m128i points)
{
    const __m512i take = _mm512_set1_epi64(0x0e0c0a0806040200);
    const __m512i level = _mm512_set1_epi32(0x002b1908);
    __m512i v = _mm512_multishift_epi64_epi8(take, _mm512_cvtepu16_epi64(points));
    return _mm512_shuffle_epi8(level, _mm512_and_si512(v, _mm512_set1_epi8(3)));
}

/* 4 weights of 3 bits from each of 16 words; levels: their magnitudes, twice. */
INLINE __m512i weights_of_4(__m256i points, int64_t levels)
{
    const __m512i take = _mm512_set1_epi64(0x2926232009060300);
    __m512i v = _mm512_multishift_epi64_epi8(take, _mm512_cvtepu16_epi32(points));
    return _mm512_shuffle_epi8(_mm512_set1_epi64(levels), _mm512_and_si512(v, _mm512_set1_epi8(7)));
}
#define LEVELS_IQ3_XXS 0x3e342c241c140c04
#define LEVELS_IQ3_S   0x0f0d0b0907050301

/* Bytes of 7 signs and anything on top: the eighth makes the number of minuses even. */
INLINE __m256i even_signs(__m256i v)
{
    v = _mm256_and_si256(v, _mm256_set1_epi8(127));
    __m256i parity = _mm256_xor_si256(v, _mm256_srli_epi16(v, 4));
    parity = _mm256_xor_si256(parity, _mm256_srli_epi16(parity, 2));
    parity = _mm256_xor_si256(parity, _mm256_srli_epi16(parity, 1));
    parity = _mm256_and_si256(parity, _mm256_set1_epi8(1));
    return _mm256_or_si256(v, _mm256_slli_epi16(parity, 7));
}

/* Signs of 256 columns from 8 words of 32 bits with four times 7 of them. */
INLINE __m256i even_signs_of_words(__m256i words)
{
    const __m512i take = _mm512_set1_epi64(0x150e0700); /* from bit 0, 7, 14, 21 */
    __m512i v = _mm512_multishift_epi64_epi8(take, _mm512_cvtepu32_epi64(words));
    return even_signs(_mm512_cvtepi64_epi32(v));
}

/* Points and signs of a superblock; points in two vectors where a point is 4 weights. */
struct grid_super {
    __m512i index[2];
    __m256i signs;
};
struct grid_table {
    const uint16_t *point;
    int n, dim;
    int64_t levels; /* dim 4 only */
};

/* Columns from 64c on of the looked-up points of a superblock. */
INLINE __m512i weights(const uint16_t *points, struct grid_table t, int c)
{
    if (t.dim == 8)
        return weights_of_8(_mm_load_si128((const __m128i *)(points + 8 * c)));
    return weights_of_4(_mm256_load_si256((const __m256i *)(points + 16 * c)), t.levels);
}

/* sc: 16 scales of 16 columns or 8 of 32, as words. */
INLINE __m512i dot_looked_up(struct grid_super g, struct grid_table t, const struct x_super *x, __m256i sc,
                             const int16_t scale_of[2][32])
{
    _Alignas(64) uint16_t points[64];
    uint64_t minus[4];
    __m512i acc = _mm512_setzero_si512();
    _mm512_store_si512(points, look_up(t.point, t.n, g.index[0]));
    if (t.dim == 4)
        _mm512_store_si512(points + 32, look_up(t.point, t.n, g.index[1]));
    _mm256_storeu_si256((__m256i *)minus, g.signs);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512i lo = dot_64(weights(points, t, 2 * i), minus[2 * i], x, 2 * i),
                hi = dot_64(weights(points, t, 2 * i + 1), minus[2 * i + 1], x, 2 * i + 1);
        __m512i scale = _mm512_permutexvar_epi16(_mm512_loadu_si512(scale_of[i]), _mm512_castsi256_si512(sc));
        acc = _mm512_dpwssd_epi32(acc, _mm512_packs_epi32(lo, hi), scale);
    }
    return acc;
}

INLINE __m512i words_of_bytes(const uint8_t *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)p));
}
#endif
