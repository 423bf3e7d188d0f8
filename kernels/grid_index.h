/* Where the bits of the IQ types lie: index of a grid point, signs, each with the superblock b it is in. Fields are
 * described in kernels/formats/iq*.c. */
#ifndef KERNELS_GRID_INDEX_H
#define KERNELS_GRID_INDEX_H
#include "kernels/formats/grid_bytes.h"
#include "kernels/inline.h"

/* 8 bytes of 7 signs, each with the eighth bit that makes the number of minuses even. */
INLINE uint64_t even_signs_8(uint64_t v)
{
    uint64_t parity = v ^ v >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return v | (parity & 0x0101010101010101) << 7;
}

/* Two words of 32 bits with four times 7 signs each, and anything above: the signs of 64 columns. */
INLINE uint64_t even_signs_7(uint64_t v)
{
    return even_signs_8((v & 0x0000007f0000007f) | (v << 1 & 0x00007f0000007f00) | (v << 2 & 0x007f0000007f0000) |
                        (v << 3 & 0x7f0000007f000000));
}

/* Index of point i of the superblock. */
INLINE int index_iq2_xxs(const uint8_t *b, int i)
{
    return b[2 + 8 * (i / 4) + i % 4];
}
INLINE int index_iq2_xs(const uint8_t *b, int i)
{
    return rd_u16le(b + 2 + 2 * i) & 511;
}
INLINE int index_iq2_s(const uint8_t *b, int i)
{
    return b[2 + i] | (b[66 + i / 4] << (8 - i % 4 * 2) & 0x300);
}
INLINE int index_iq3_xxs(const uint8_t *b, int i)
{
    return b[2 + i];
}
INLINE int index_iq3_s(const uint8_t *b, int i)
{
    return b[2 + i] | (b[66 + i / 8] << (8 - i % 8) & 0x100);
}
INLINE int index_iq1_s(const uint8_t *b, int i)
{
    return b[2 + i] | (rd_u16le(b + 34 + i / 4 * 2) >> i % 4 * 3 & 7) << 8;
}
INLINE int index_iq1_m(const uint8_t *b, int i)
{
    return b[i] | (b[32 + i / 2] >> i % 2 * 4 & 7) << 8;
}

/* One bit a column, 64 columns from 64c on; 1: negative. */
INLINE uint64_t signs_iq2_xxs(const uint8_t *b, int c)
{
    return even_signs_7(rd_u32le(b + 6 + 16 * c) | (uint64_t)rd_u32le(b + 14 + 16 * c) << 32);
}
INLINE uint64_t signs_iq2_s(const uint8_t *b, int c)
{
    return rd_u64le(b + 34 + 8 * c);
}
INLINE uint64_t signs_iq3_xxs(const uint8_t *b, int c)
{
    return even_signs_7(rd_u64le(b + 66 + 8 * c));
}
INLINE uint64_t signs_iq3_s(const uint8_t *b, int c)
{
    return rd_u64le(b + 74 + 8 * c);
}
#endif
