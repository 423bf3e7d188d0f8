/* Decode with the IQ types: the signs of the weights go over to x, magnitudes are looked up. Sums of 4 products fit in
 * 16 bits (62 * 127 * 4), so the way to the end of a superblock is that of matvec_k_avx512.h. */
#ifndef KERNELS_X86_MATVEC_GRID_AVX512_H
#define KERNELS_X86_MATVEC_GRID_AVX512_H
#include "kernels/x86/matvec_k_avx512.h"
#include "kernels/x86/unpack_grid_avx512.h"

static const uint8_t in_order[16] = PIECES(0, 1, 2, 3, 4, 5, 6, 7);
static const int16_t scale_of_16[2][32] = {{PACK(0, 4, 1, 5, 2, 6, 3, 7)}, {PACK(8, 12, 9, 13, 10, 14, 11, 15)}},
                     scale_of_32[2][32] = {{PACK(0, 2, 0, 2, 1, 3, 1, 3)}, {PACK(4, 6, 4, 6, 5, 7, 5, 7)}};

/* Sum of 4 products a word over the columns 64c.. 64c + 63. */
INLINE __m512i dot_64(__m512i magnitudes, uint64_t minus, const struct x_super *x, int c)
{
    __m512i v = signed_by(_mm512_load_si512(x->code + 64 * c), minus);
    return _mm512_dpbusd_epi32(_mm512_setzero_si512(), magnitudes, v);
}

INLINE __m512i dot_super(const uint8_t *b, const struct x_super *x, __m512i (*points)(const uint8_t *b, int c),
                         uint64_t (*signs)(const uint8_t *b, int c), __m128i scales, const int16_t scale_of[2][32])
{
    __m512i sc = _mm512_castsi256_si512(_mm256_cvtepi8_epi16(scales)), acc = _mm512_setzero_si512();
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512i lo = dot_64(points(b, 2 * i), signs(b, 2 * i), x, 2 * i),
                hi = dot_64(points(b, 2 * i + 1), signs(b, 2 * i + 1), x, 2 * i + 1);
        acc = add_pair(acc, lo, hi, scale_of[i], sc);
    }
    return acc;
}

/* IQ1: codes of OFFSET_IQ1 more than the value. */
INLINE __m512i dot_shifted(const uint8_t *b, const struct x_super *x, __m512i (*points)(const uint8_t *b, int c),
                           __m128i scales, const int16_t scale_of[2][32])
{
    __m512i sc = _mm512_castsi256_si512(_mm256_cvtepi8_epi16(scales)), acc = _mm512_setzero_si512();
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        const int32_t *start = x->start.of4 + 32 * i;
        const int8_t *code = x->code + 128 * i;
        __m512i lo = _mm512_dpbusd_epi32(_mm512_load_si512(start), points(b, 2 * i), _mm512_load_si512(code)),
                hi = _mm512_dpbusd_epi32(_mm512_load_si512(start + 16), points(b, 2 * i + 1),
                                         _mm512_load_si512(code + 64));
        acc = add_pair(acc, lo, hi, scale_of[i], sc);
    }
    return acc;
}
#endif
