/* Activations in the order in which codes of 2, 4 or 8 bits come out of 64 bytes of them. */
#ifndef KERNELS_X86_PARTS_AVX512_H
#define KERNELS_X86_PARTS_AVX512_H
#include "kernels/x86/avx512.h"

/* 512 / bits signed bytes in column order: part p meets code p of each byte. Returns what those of each lane add up to.
 */
INLINE __m512i order_parts(int8_t part[][64], const int8_t *x, const int bits)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    for (int p = 0; p < 8 / bits; p++) {
        __m512i v = _mm512_loadu_si512(x);
        if (bits == 4) {
            __m512i w = _mm512_loadu_si512(x + 64);
            v = p ? _mm512_srli_epi16(v, 8) : v;
            w = p ? _mm512_srli_epi16(w, 8) : w;
            v = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(v)), _mm512_cvtepi16_epi8(w), 1);
        } else if (bits == 2) {
            for (int i = 0; i < 4; i++) {
                __m512i quarter = _mm512_srl_epi32(_mm512_loadu_si512(x + 64 * i), _mm_cvtsi32_si128(8 * p));
                _mm_store_si128((__m128i *)(part[p] + 16 * i), _mm512_cvtepi32_epi8(quarter));
            }
            v = _mm512_load_si512(part[p]);
        }
        _mm512_store_si512(part[p], v);
        sum = _mm512_dpbusd_epi32(sum, ones, v);
    }
    return sum;
}

/* The group, 1 << log2 columns long, of each lane of so many columns. */
INLINE __m512i group_of_lane(const int columns, int log2)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_srl_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(columns)), _mm_cvtsi32_si128(log2));
}
#endif
