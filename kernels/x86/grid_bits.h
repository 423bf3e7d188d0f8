/* Signs and scales of the IQ types in x86 registers; what plain integers do is in kernels/grid_index.h. */
#ifndef KERNELS_X86_GRID_BITS_H
#define KERNELS_X86_GRID_BITS_H
#include "kernels/grid_index.h"
#include "kernels/x86/x86.h"

INLINE uint64_t signs_iq2_xs(const uint8_t *b, int c)
{
    __m128i v = _mm_srli_epi16(_mm_loadu_si128((const __m128i *)(b + 2 + 16 * c)), 9);
    return even_signs_8((uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(v, v)));
}
/* 2 * scale + 1 as bytes: 8 of 32 columns each, or 16 of 16. */
INLINE __m128i odd_scales(__m128i sc)
{
    return _mm_add_epi8(_mm_add_epi8(sc, sc), _mm_set1_epi8(1));
}
/* The nibbles of 8 bytes, low one first. */
INLINE __m128i nibbles_16(uint64_t v)
{
    __m128i lo = _mm_cvtsi64_si128((int64_t)(v & 0x0f0f0f0f0f0f0f0f)),
            hi = _mm_cvtsi64_si128((int64_t)(v >> 4 & 0x0f0f0f0f0f0f0f0f));
    return _mm_unpacklo_epi8(lo, hi);
}
INLINE __m128i scales_iq2_xxs(const uint8_t *b)
{
    uint64_t v = 0;
    for (int j = 0; j < 8; j++)
        v |= (uint64_t)(b[9 + 8 * j] >> 4) << 8 * j;
    return odd_scales(_mm_cvtsi64_si128((int64_t)v));
}
INLINE __m128i scales_iq2_xs(const uint8_t *b)
{
    return odd_scales(nibbles_16(rd_u64le(b + 66)));
}
INLINE __m128i scales_iq2_s(const uint8_t *b)
{
    return odd_scales(nibbles_16(rd_u64le(b + 74)));
}
INLINE __m128i scales_iq3_xxs(const uint8_t *b)
{
    const __m128i top = _mm_setr_epi8(3, 7, 11, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m128i lo = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(b + 66)), top),
            hi = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(b + 82)), top);
    __m128i v = _mm_and_si128(_mm_srli_epi16(_mm_unpacklo_epi32(lo, hi), 4), _mm_set1_epi8(15));
    return odd_scales(v);
}
INLINE __m128i scales_iq3_s(const uint8_t *b)
{
    return odd_scales(nibbles_16(rd_u32le(b + 106)));
}
INLINE __m128i scales_iq1_s(const uint8_t *b)
{
    __m128i v = _mm_srli_epi16(_mm_loadu_si128((const __m128i *)(b + 34)), 12);
    v = _mm_and_si128(_mm_packus_epi16(v, v), _mm_set1_epi8(7));
    return odd_scales(v);
}
INLINE __m128i scales_iq1_m(const uint8_t *b)
{
    uint64_t v = rd_u64le(b + 48), lo = v & 0x0007000700070007, hi = v >> 6 & 0x0007000700070007;
    lo |= v << 5 & 0x0700070007000700;
    hi |= v >> 1 & 0x0700070007000700;
    return odd_scales(_mm_unpacklo_epi16(_mm_cvtsi64_si128((int64_t)lo), _mm_cvtsi64_si128((int64_t)hi)));
}
INLINE float d_iq1_m(const uint8_t *b)
{
    uint64_t v = rd_u64le(b + 48);
    return _cvtsh_ss((uint16_t)((v >> 12 & 15) | (v >> 24 & 0xf0) | (v >> 36 & 0xf00) | (v >> 48 & 0xf000)));
}
/* 8 scales of IQ4_XS, -32..31. */
INLINE __m128i scales_iq4_xs(const uint8_t *b)
{
    const __m128i to_top = _mm_setr_epi16(1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1);
    __m128i high = _mm_mullo_epi16(_mm_set1_epi16((int16_t)rd_u16le(b + 2)), to_top);
    high = _mm_slli_epi16(_mm_srli_epi16(high, 14), 4);
    __m128i sc = _mm_or_si128(nibbles_16(rd_u32le(b + 4)), _mm_packus_epi16(high, high));
    return _mm_sub_epi8(sc, _mm_set1_epi8(32));
}
#endif
