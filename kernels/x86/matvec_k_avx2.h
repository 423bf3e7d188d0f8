/* Superblocks in AVX2: maddubs to sums of 2 products, madd with the sub-scale of each, all in integers up to
 * the end of the superblock. scales[] is laid out so that one byte shuffle within the lanes picks the scales
 * of 32 columns. */
#ifndef KERNELS_X86_MATVEC_K_AVX2_H
#define KERNELS_X86_MATVEC_K_AVX2_H
#include "kernels/x86/avx2.h"
#include "kernels/x86/matvec_k.h"

static const uint8_t in_order[16] = PIECES(0, 1, 2, 3, 4, 5, 6, 7);

/* acc += the 32 columns of piece i times their scales: word i of each lane of sc. */
INLINE __m256i dot_piece(__m256i acc, __m256i q, const struct x_super *x, int i, __m256i sc, bool has_offset)
{
    __m256i word = _mm256_set1_epi16((int16_t)(2 * i | (2 * i + 1) << 8));
    __m256i sum = _mm256_maddubs_epi16(q, load32(x->code + 32 * i));
    if (has_offset)
        sum = _mm256_add_epi16(sum, load32(x->start.of2 + 16 * i));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(sum, _mm256_shuffle_epi8(sc, word)));
}

/* 16 signed scales of 16 columns each: the even ones as words in the lower lane, the odd ones in the upper.
 */
INLINE __m256i even_odd(__m128i scales)
{
    const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, order));
}

/* Sum of the 16 words of sc times the sums of x over 16 columns, as 8 words of 32 bits. */
INLINE __m256i scale_sums(__m128i scales, const struct x_super *x)
{
    return _mm256_madd_epi16(_mm256_cvtepi8_epi16(scales), load32(x->sum16));
}

INLINE void add_dot(struct row_sums *s, __m256i dot, float d)
{
    s->dot = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_set1_ps(d), s->dot);
}

INLINE void add_min(struct row_sums *s, __m256i min, float d)
{
    s->min = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(min), _mm256_set1_ps(d), s->min);
}
#endif
