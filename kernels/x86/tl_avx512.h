/* Chunks of BitNet's layouts TL1 and TL2 (tl_rows.h) in AVX-512. */
#ifndef KERNELS_X86_TL_AVX512_H
#define KERNELS_X86_TL_AVX512_H
#include "kernels/x86/avx512.h"

enum { LANES = 64 };
#include "kernels/tl_rows.h"

INLINE __m512i tl_table(int i)
{
    return _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)tl_tables[i]));
}

/* Codes by their column's place. */
INLINE void tl_codes(__m512i v[4], struct tl_chunk c, const int parts)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    if (parts == PARTS_TL1) {
        __m512i byte = _mm512_loadu_si512(c.code);
        __m512i low = _mm512_and_si512(byte, nibble), high = _mm512_and_si512(_mm512_srli_epi16(byte, 4), nibble);
        v[0] = _mm512_shuffle_epi8(tl_table(0), low);
        v[1] = _mm512_shuffle_epi8(tl_table(1), low);
        v[2] = _mm512_shuffle_epi8(tl_table(0), high);
        v[3] = _mm512_shuffle_epi8(tl_table(1), high);
        return;
    }
    __m512i index = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)c.code));
    index = _mm512_and_si512(_mm512_or_si512(index, _mm512_slli_epi16(index, 4)), nibble);
    uint64_t minus;
    memcpy(&minus, c.sign, sizeof minus);
#pragma GCC unroll 3
    for (int p = 0; p < PARTS_TL2; p++) {
        v[p] = _mm512_shuffle_epi8(tl_table(2 + p), index);
        v[p] = _mm512_mask_sub_epi8(v[p], minus, _mm512_set1_epi8(2 * ADDED), v[p]);
    }
}
#endif
