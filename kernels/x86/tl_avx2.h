/* Chunks of BitNet's layouts TL1 and TL2 (tl_rows.h) in AVX2. */
#ifndef KERNELS_X86_TL_AVX2_H
#define KERNELS_X86_TL_AVX2_H
#include "kernels/x86/avx2.h"

enum { LANES = 32 };
#include "kernels/tl_rows.h"

INLINE __m256i tl_table(int i)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)tl_tables[i]));
}

/* -1 in every byte whose bit is set. */
INLINE __m256i minus_where(const uint8_t *sign)
{
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)rd_u32le(sign)), byte);
    return _mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit);
}

/* Codes by their column's place. */
INLINE void tl_codes(__m256i v[4], struct tl_chunk c, const int parts)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    if (parts == PARTS_TL1) {
        __m256i byte = load32(c.code);
        __m256i low = _mm256_and_si256(byte, nibble), high = _mm256_and_si256(_mm256_srli_epi16(byte, 4), nibble);
        v[0] = _mm256_shuffle_epi8(tl_table(0), low);
        v[1] = _mm256_shuffle_epi8(tl_table(1), low);
        v[2] = _mm256_shuffle_epi8(tl_table(0), high);
        v[3] = _mm256_shuffle_epi8(tl_table(1), high);
        return;
    }
    __m256i index = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)c.code)), minus = minus_where(c.sign);
    index = _mm256_and_si256(_mm256_or_si256(index, _mm256_slli_epi16(index, 4)), nibble);
    const __m256i far = _mm256_and_si256(minus, _mm256_set1_epi8(2 * ADDED)); /* |code - 4| = 4 - code */
#pragma GCC unroll 3
    for (int p = 0; p < PARTS_TL2; p++)
        v[p] = _mm256_abs_epi8(_mm256_sub_epi8(_mm256_shuffle_epi8(tl_table(2 + p), index), far));
}
#endif
