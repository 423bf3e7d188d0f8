/* Small blocks in NEON: one description per codec. codes(b, part): values (or codes that a minimum belongs to) of the
 * columns 32 * part of block b; scale(b, run): of each block, or half block, of x. Layouts are described in
 * kernels/formats/<codec>.c. */
#ifndef KERNELS_ARM_CODECS_BLOCKS_H
#define KERNELS_ARM_CODECS_BLOCKS_H
#include "kernels/arm/neon.h"
#include "kernels/formats/fp4.h"
#include "kernels/formats/iq4.h"

struct block_codec {
    int block, x_blocks, x_block; /* bytes of a block; how many blocks of x it spans, and their bytes */
    int halves;                   /* 2: a scale for each half of a block of x, else 1 */
    bool has_min;                 /* m:f16 follows d:f16 */
    struct codes (*codes)(const uint8_t *b, int part);
    float (*scale)(const uint8_t *b, int run);
};

INLINE float scale_d(const uint8_t *b, int run)
{
    (void)run;
    return half_at(b);
}

INLINE struct codes codes_q8_0(const uint8_t *b, int part)
{
    (void)part;
    return codes_u8(vld1q_u8(b + 2), vld1q_u8(b + 18));
}
INLINE struct codes codes_q4_0(const uint8_t *b, int part)
{
    (void)part;
    return codes_less(codes_of_nibbles(b + 2), 8);
}
INLINE struct codes codes_q4_1(const uint8_t *b, int part)
{
    (void)part;
    return codes_of_nibbles(b + 4);
}
INLINE struct codes codes_q5_0(const uint8_t *b, int part)
{
    (void)part;
    struct codes high = codes_and(minus_where(rd_u32le(b + 2)), 16);
    return codes_less(codes_or(codes_of_nibbles(b + 6), high, 0), 16);
}
INLINE struct codes codes_q5_1(const uint8_t *b, int part)
{
    (void)part;
    return codes_or(codes_of_nibbles(b + 8), codes_and(minus_where(rd_u32le(b + 4)), 16), 0);
}
INLINE struct codes codes_iq4_nl(const uint8_t *b, int part)
{
    (void)part;
    return codes_look_up(iq4_value, codes_of_nibbles(b + 2));
}
INLINE struct codes codes_mxfp4(const uint8_t *b, int part)
{
    (void)part;
    return codes_look_up(fp4_value, codes_of_nibbles(b + 1));
}
/* 2^(e - 128), subnormal for e < 2: half of the type's scale, for values are doubled. */
INLINE float scale_mxfp4(const uint8_t *b, int run)
{
    (void)run;
    return f32_from_bits(b[0] < 2 ? (uint32_t)0x200000 << b[0] : (uint32_t)(b[0] - 1) << 23);
}
INLINE struct codes codes_nvfp4(const uint8_t *b, int part)
{
    struct codes q = codes_of_nibbles(b + 4 + 16 * part); /* low nibbles of two runs, high ones of two runs */
    int64x2_t lo = vreinterpretq_s64_s8(q.lo), hi = vreinterpretq_s64_s8(q.hi);
    struct codes v = {vreinterpretq_s8_s64(vzip1q_s64(lo, hi)), vreinterpretq_s8_s64(vzip2q_s64(lo, hi))};
    return codes_look_up(fp4_value, v);
}
/* Half of an unsigned E4M3 number; 0x7f stands for 0. As f16 its exponent is 8 too small, which leaves 7. */
INLINE float scale_nvfp4(const uint8_t *b, int run)
{
    int u = b[run] == 127 ? 0 : b[run] & 127;
    uint8_t half[2] = {(uint8_t)(u << 7), (uint8_t)(u >> 1)};
    return 128 * half_at(half);
}
/* Each byte into the four of a word, whose byte i is then shifted by 2i. */
INLINE struct codes codes_q2_0(const uint8_t *b, int part)
{
    static const uint8_t of_word[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    const int8x16_t right = vreinterpretq_s8_u32(vdupq_n_u32(0xfafcfe00)); /* 0, -2, -4, -6 */
    uint8x16_t q = vcombine_u8(vld1_u8(b + 2 + 8 * part), vdup_n_u8(0)), byte = vld1q_u8(of_word),
               three = vdupq_n_u8(3);
    uint8x16_t lo = vqtbl1q_u8(q, byte), hi = vqtbl1q_u8(q, vaddq_u8(byte, vdupq_n_u8(4)));
    struct codes v = codes_u8(vandq_u8(vshlq_u8(lo, right), three), vandq_u8(vshlq_u8(hi, right), three));
    return codes_less(v, 1);
}
INLINE struct codes codes_q1_0(const uint8_t *b, int part)
{
    struct codes one = {vdupq_n_s8(1), vdupq_n_s8(1)};
    return codes_signed(one, minus_where(~rd_u32le(b + 2 + 4 * part)));
}

/* CODEC_BLOCKS(name, bytes, blocks of x, bytes of one, halves, has minimum, scale) */
#define CODEC_BLOCKS(name, bytes, x_blocks, x_block, halves, has_min, scale)                                           \
    INLINE struct block_codec codec_##name(void)                                                                       \
    {                                                                                                                  \
        return (struct block_codec){bytes, x_blocks, x_block, halves, has_min, codes_##name, scale};                   \
    }
CODEC_BLOCKS(q8_0, 34, 1, 34, 1, false, scale_d)
CODEC_BLOCKS(q4_0, 18, 1, 34, 1, false, scale_d)
CODEC_BLOCKS(q4_1, 20, 1, 36, 1, true, scale_d)
CODEC_BLOCKS(q5_0, 22, 1, 34, 1, false, scale_d)
CODEC_BLOCKS(q5_1, 24, 1, 36, 1, true, scale_d)
CODEC_BLOCKS(iq4_nl, 18, 1, 34, 1, false, scale_d)
CODEC_BLOCKS(mxfp4, 17, 1, 34, 1, false, scale_mxfp4)
CODEC_BLOCKS(nvfp4, 36, 2, 34, 2, false, scale_nvfp4)
CODEC_BLOCKS(q2_0, 18, 2, 34, 1, false, scale_d)
CODEC_BLOCKS(q1_0, 18, 4, 34, 1, false, scale_d)
#endif
