/* What the kernels of every x86 instruction set share. */
#ifndef KERNELS_X86_X86_H
#define KERNELS_X86_X86_H
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include "kernels/inline.h"

INLINE float half_at(const uint8_t *p)
{
    return _cvtsh_ss(rd_u16le(p));
}

/* Two bytes from each of four blocks; n bytes are left from the first block on, whole blocks. */
INLINE uint64_t load_4x2(const uint8_t *p, int block, int64_t n)
{
    uint64_t b0 = rd_u16le(p), b1 = n > block ? rd_u16le(p + block) : 0;
    uint64_t b2 = n > 2 * block ? rd_u16le(p + 2 * block) : 0, b3 = n > 3 * block ? rd_u16le(p + 3 * block) : 0;
    return b0 | b1 << 16 | b2 << 32 | b3 << 48;
}

/* One byte from each of four blocks. */
INLINE uint32_t load_4x1(const uint8_t *p, int block, int64_t n)
{
    uint32_t b0 = p[0], b1 = n > block ? p[block] : 0, b2 = n > 2 * block ? p[2 * block] : 0;
    return b0 | b1 << 8 | b2 << 16 | (n > 3 * block ? (uint32_t)p[3 * block] << 24 : 0);
}

INLINE __m128 load_4_halves(const uint8_t *p, int block, int64_t n)
{
    return _mm_cvtph_ps(_mm_cvtsi64_si128((int64_t)load_4x2(p, block, n)));
}

/* 16 bytes from block i of those n bytes, 0 where there is none. */
INLINE __m128i load_16_of(const uint8_t *p, int i, int block, int64_t n)
{
    return n > i * block ? _mm_loadu_si128((const __m128i *)(p + i * block)) : _mm_setzero_si128();
}
#endif
