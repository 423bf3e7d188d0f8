/* The 12 bytes of 6-bit scales of the K formats, unpacked in 32-bit registers while the vector units are
 * busy. */
#ifndef KERNELS_X86_SCALES_K_H
#define KERNELS_X86_SCALES_K_H
#include <immintrin.h>
#include <stdint.h>
#include "base/half.h"

/* Q4_K and Q5_K: 8 scales and 8 minima, one byte each. */
struct scales_6bit {
    uint64_t scale, min;
};

static inline struct scales_6bit scales_6bit(const uint8_t *s)
{
    uint32_t a = rd_u32le(s), b = rd_u32le(s + 4), c = rd_u32le(s + 8);
    uint64_t scale_high = (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030),
             min_high = (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030);
    return (struct scales_6bit){(a & 0x3f3f3f3f) | scale_high << 32, (b & 0x3f3f3f3f) | min_high << 32};
}

/* Q3_K: 16 signed scales, -32..31. */
static inline __m128i scales_q3_k(const uint8_t *s)
{
    uint32_t a = rd_u32le(s), b = rd_u32le(s + 4), c = rd_u32le(s + 8);
    __m128i sc = _mm_setr_epi32(
        (int)((a & 0x0f0f0f0f) | (c << 4 & 0x30303030)), (int)((b & 0x0f0f0f0f) | (c << 2 & 0x30303030)),
        (int)((a >> 4 & 0x0f0f0f0f) | (c & 0x30303030)), (int)((b >> 4 & 0x0f0f0f0f) | (c >> 2 & 0x30303030)));
    return _mm_sub_epi8(sc, _mm_set1_epi8(32));
}
#endif
