/* One group of four blocks of 32 in AVX2, two blocks at a time. */
#ifndef KERNELS_X86_MATVEC_BLOCKS_AVX2_H
#define KERNELS_X86_MATVEC_BLOCKS_AVX2_H
#include "kernels/x86/avx2.h"
#include "kernels/x86/matvec_blocks.h"

/* Scales of the group times those of x, for group_add. */
INLINE __m256 group_scales(const struct x_group *x, __m128 d)
{
    return _mm256_castps128_ps256(_mm_mul_ps(d, _mm_load_ps(x->d)));
}

/* sum: 8 words of the blocks 2i and 2i + 1, without the start value. */
INLINE void group_add(struct row_sums *s, const struct x_group *x, int i, __m256i sum, __m256 scales)
{
    __m256i lane_of_block =
        i == 0 ? _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1) : _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    sum = _mm256_add_epi32(sum, load32(x->start + 8 * i));
    s->dot = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_permutevar8x32_ps(scales, lane_of_block), s->dot);
}

/* lo, hi: codes of the blocks 2i and 2i + 1, at most 63 (two products of 63 * 127 twice over fit in 16 bits).
 */
INLINE void group_dot(struct row_sums *s, const struct x_group *x, int i, __m256i lo, __m256i hi, __m256 scales)
{
    __m256i a = _mm256_maddubs_epi16(lo, load32(x->lo + 32 * i)), b = _mm256_maddubs_epi16(hi, load32(x->hi + 32 * i));
    group_add(s, x, i, pair_sums(_mm256_add_epi16(a, b)), scales);
}

INLINE void group_min(struct row_sums *s, const struct x_group *x, __m128 m)
{
    s->min = _mm256_add_ps(s->min, _mm256_zextps128_ps256(_mm_mul_ps(m, _mm_load_ps(x->s))));
}

/* 16 where the bit is set: bits 16h.. of the 4 bytes at p are for block i (lower lane), those one block on
 * for the upper. */
INLINE __m256i high_bits(const uint8_t *p, int i, int h, int block, int64_t n)
{
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0, 0x0101010101010101);
    uint16_t a = n > i * block ? rd_u16le(p + i * block + 2 * h) : 0;
    uint16_t b = n > (i + 1) * block ? rd_u16le(p + (i + 1) * block + 2 * h) : 0;
    __m256i v = _mm256_setr_m128i(_mm_cvtsi32_si128(a), _mm_cvtsi32_si128(b));
    v = _mm256_and_si256(_mm256_shuffle_epi8(v, byte), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(16));
}
#endif
