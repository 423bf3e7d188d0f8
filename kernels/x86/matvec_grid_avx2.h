/* Decode with the IQ types in AVX2: the signs of the weights go over to x, magnitudes are looked up. */
#ifndef KERNELS_X86_MATVEC_GRID_AVX2_H
#define KERNELS_X86_MATVEC_GRID_AVX2_H
#include "kernels/x86/matvec_k_avx2.h"
#include "kernels/x86/unpack_grid_avx2.h"

/* 8 scales of 32 columns each, as words in both lanes. */
INLINE __m256i in_both_lanes(__m128i scales)
{
    return _mm256_broadcastsi128_si256(_mm_cvtepi8_epi16(scales));
}

INLINE __m256i dot_super(const uint8_t *b, const struct x_super *x, __m256i (*points)(const uint8_t *b, int c),
                         uint64_t (*signs)(const uint8_t *b, int c), __m256i sc)
{
    __m256i acc = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) {
        __m256i word = _mm256_set1_epi16((int16_t)(2 * c | (2 * c + 1) << 8));
        __m256i v = signed_by(load32(x->code + 32 * c), minus_of(signs, b, c));
        __m256i sum = _mm256_maddubs_epi16(points(b, c), v);
        acc = _mm256_add_epi32(acc, _mm256_madd_epi16(sum, _mm256_shuffle_epi8(sc, word)));
    }
    return acc;
}

/* IQ1: codes of OFFSET_IQ1 more than the value. */
INLINE __m256i dot_shifted(const uint8_t *b, const struct x_super *x, __m256i (*points)(const uint8_t *b, int c),
                           __m256i sc)
{
    __m256i acc = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++)
        acc = dot_piece(acc, points(b, c), x, c, sc, true);
    return acc;
}
#endif
