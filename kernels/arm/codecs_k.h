/* Superblocks of 256 in NEON: one description per codec, which the kernels for one token and for many both take.
 * codes(b, c): values of columns 32c.. 32c + 31 of superblock b, less the minima; head(b): its scales. Layouts are
 * described in kernels/formats/<codec>.c. */
#ifndef KERNELS_ARM_CODECS_K_H
#define KERNELS_ARM_CODECS_K_H
#include "kernels/arm/neon.h"
#include "kernels/formats/iq4.h"
#include "kernels/grid_index.h"

/* x ~ d * scale[s] * code - dmin * min[i], s: runs of 16 columns (or of 32), i: runs of 16. */
struct k_head {
    float d, dmin;
    int16_t scale[16], min[16];
};
struct k_codec {
    int block, n_sub; /* bytes; 8 or 16 scales */
    bool has_min;
    struct codes (*codes)(const uint8_t *b, int c);
    void (*head)(struct k_head *h, const uint8_t *b);
};

/* --- Q2_K to Q6_K */

INLINE struct codes codes_q2_k(const uint8_t *b, int c)
{
    return codes_of_bits(b + 16 + 32 * (c / 4), 2 * (c % 4), 3);
}
INLINE void head_q2_k(struct k_head *h, const uint8_t *b)
{
    for (int i = 0; i < 16; i++) {
        h->scale[i] = b[i] & 15;
        h->min[i] = b[i] >> 4;
    }
    h->d = half_at(b + 80);
    h->dmin = half_at(b + 82);
}

INLINE struct codes codes_q3_k(const uint8_t *b, int c)
{
    struct codes low = codes_of_bits(b + 32 + 32 * (c / 4), 2 * (c % 4), 3);
    return codes_less(codes_or(low, codes_of_bits(b, c, 1), 2), 4);
}
INLINE void head_q3_k(struct k_head *h, const uint8_t *b)
{
    const uint8_t *s = b + 96;
    for (int i = 0; i < 16; i++)
        h->scale[i] = (int16_t)(((s[i % 8] >> i / 8 * 4 & 15) | (s[8 + i % 4] >> i / 4 * 2 & 3) << 4) - 32);
    h->d = half_at(b + 108);
}

INLINE void head_q4_k(struct k_head *h, const uint8_t *b)
{
    const uint8_t *s = b + 4;
    for (int j = 0; j < 8; j++) {
        int sc = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        int m = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
        h->scale[j] = (int16_t)sc;
        h->min[2 * j] = h->min[2 * j + 1] = (int16_t)m;
    }
    h->d = half_at(b);
    h->dmin = half_at(b + 2);
}
INLINE struct codes codes_q4_k(const uint8_t *b, int c)
{
    return codes_of_bits(b + 16 + 32 * (c / 2), 4 * (c % 2), 15);
}
INLINE struct codes codes_q5_k(const uint8_t *b, int c)
{
    struct codes low = codes_of_bits(b + 48 + 32 * (c / 2), 4 * (c % 2), 15);
    return codes_or(low, codes_of_bits(b + 16, c, 1), 4);
}

INLINE struct codes codes_q6_k(const uint8_t *b, int c)
{
    struct codes low = codes_of_bits(b + 64 * (c / 4) + 32 * (c % 2), c % 4 / 2 * 4, 15);
    return codes_less(codes_or(low, codes_of_bits(b + 128 + 32 * (c / 4), 2 * (c % 4), 3), 4), 32);
}
INLINE void head_q6_k(struct k_head *h, const uint8_t *b)
{
    for (int i = 0; i < 16; i++)
        h->scale[i] = (int8_t)b[192 + i];
    h->d = half_at(b + 208);
}

/* --- IQ4_XS */

INLINE struct codes codes_iq4_xs(const uint8_t *b, int c)
{
    return codes_look_up(iq4_value, codes_of_nibbles(b + 8 + 16 * c));
}
INLINE void head_iq4_xs(struct k_head *h, const uint8_t *b)
{
    int high = rd_u16le(b + 2);
    for (int j = 0; j < 8; j++)
        h->scale[j] = (int16_t)(((b[4 + j / 2] >> j % 2 * 4 & 15) | (high >> 2 * j & 3) << 4) - 32);
    h->d = half_at(b);
}

/* --- types with a codebook */

INLINE struct codes points_of_8(const uint64_t *t, int (*index)(const uint8_t *b, int i), const uint8_t *b, int c)
{
    int i = 4 * c;
    uint64x2_t lo = vcombine_u64(vcreate_u64(t[index(b, i)]), vcreate_u64(t[index(b, i + 1)])),
               hi = vcombine_u64(vcreate_u64(t[index(b, i + 2)]), vcreate_u64(t[index(b, i + 3)]));
    return codes_u8(vreinterpretq_u8_u64(lo), vreinterpretq_u8_u64(hi));
}
INLINE struct codes points_of_4(const uint32_t *t, int (*index)(const uint8_t *b, int i), const uint8_t *b, int c)
{
    uint32_t p[8];
    for (int i = 0; i < 8; i++)
        p[i] = t[index(b, 8 * c + i)];
    return codes_u8(vreinterpretq_u8_u32(vld1q_u32(p)), vreinterpretq_u8_u32(vld1q_u32(p + 4)));
}
INLINE struct codes minus_of(uint64_t (*signs)(const uint8_t *b, int c), const uint8_t *b, int c)
{
    return minus_where((uint32_t)(signs(b, c / 2) >> c % 2 * 32));
}
INLINE uint64_t signs_iq2_xs(const uint8_t *b, int c)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)(b[3 + 16 * c + 2 * i] >> 1) << 8 * i;
    return even_signs_8(v);
}
#define GRID_CODES(codec, dim)                                                                                         \
    INLINE struct codes codes_##codec(const uint8_t *b, int c)                                                         \
    {                                                                                                                  \
        return codes_signed(points_of_##dim(GRID_TABLE_##codec, index_##codec, b, c), minus_of(signs_##codec, b, c));  \
    }
#define GRID_TABLE_iq2_xxs grid_bytes.iq2xxs
#define GRID_TABLE_iq2_xs  grid_bytes.iq2xs
#define GRID_TABLE_iq2_s   grid_bytes.iq2s
#define GRID_TABLE_iq3_xxs grid_bytes.iq3xxs
#define GRID_TABLE_iq3_s   grid_bytes.iq3s
GRID_CODES(iq2_xxs, 8)
GRID_CODES(iq2_xs, 8)
GRID_CODES(iq2_s, 8)
GRID_CODES(iq3_xxs, 4)
GRID_CODES(iq3_s, 4)

INLINE void odd_scale(struct k_head *h, int j, int scale)
{
    h->scale[j] = (int16_t)(2 * scale + 1);
}
INLINE void head_iq2_xxs(struct k_head *h, const uint8_t *b)
{
    for (int j = 0; j < 8; j++)
        odd_scale(h, j, b[9 + 8 * j] >> 4);
    h->d = 0.125f * half_at(b);
}
INLINE void head_nibbles(struct k_head *h, const uint8_t *sc, int n, float d)
{
    for (int j = 0; j < n; j++)
        odd_scale(h, j, sc[j / 2] >> j % 2 * 4 & 15);
    h->d = d;
}
INLINE void head_iq2_xs(struct k_head *h, const uint8_t *b)
{
    head_nibbles(h, b + 66, 16, 0.125f * half_at(b));
}
INLINE void head_iq2_s(struct k_head *h, const uint8_t *b)
{
    head_nibbles(h, b + 74, 16, 0.125f * half_at(b));
}
INLINE void head_iq3_xxs(struct k_head *h, const uint8_t *b)
{
    for (int j = 0; j < 8; j++)
        odd_scale(h, j, b[69 + 4 * j] >> 4);
    h->d = 0.25f * half_at(b);
}
INLINE void head_iq3_s(struct k_head *h, const uint8_t *b)
{
    head_nibbles(h, b + 106, 8, half_at(b));
}

/* IQ1: eight times the value, -9..9. */
INLINE struct codes codes_iq1_s(const uint8_t *b, int c)
{
    return codes_less(points_of_8(grid_bytes.iq1s, index_iq1_s, b, c), b[35 + 2 * c] & 128 ? 9 : 7);
}
INLINE void head_iq1_s(struct k_head *h, const uint8_t *b)
{
    for (int j = 0; j < 8; j++)
        odd_scale(h, j, b[35 + 2 * j] >> 4 & 7);
    h->d = 0.125f * half_at(b);
}
INLINE struct codes codes_iq1_m(const uint8_t *b, int c)
{
    struct codes v = points_of_8(grid_bytes.iq1s, index_iq1_m, b, c);
    const uint8_t *shift = b + 32 + 2 * c;
    int8x16_t lo = vcombine_s8(vdup_n_s8(shift[0] & 8 ? 9 : 7), vdup_n_s8(shift[0] & 128 ? 9 : 7)),
              hi = vcombine_s8(vdup_n_s8(shift[1] & 8 ? 9 : 7), vdup_n_s8(shift[1] & 128 ? 9 : 7));
    return (struct codes){vsubq_s8(v.lo, lo), vsubq_s8(v.hi, hi)};
}
INLINE void head_iq1_m(struct k_head *h, const uint8_t *b)
{
    int d = 0;
    for (int j = 0; j < 16; j++)
        odd_scale(h, j, rd_u16le(b + 48 + j / 4 * 2) >> j % 4 * 3 & 7);
    for (int j = 0; j < 4; j++)
        d |= b[49 + 2 * j] >> 4 << 4 * j;
    uint8_t half[2] = {(uint8_t)d, (uint8_t)(d >> 8)};
    h->d = 0.125f * half_at(half);
}

/* --- ternary */

INLINE struct codes codes_tq2_0(const uint8_t *b, int c)
{
    return codes_less(codes_of_bits(b + 32 * (c / 4), 2 * (c % 4), 3), 1);
}
INLINE void head_one_scale(struct k_head *h, float d)
{
    for (int j = 0; j < 8; j++)
        h->scale[j] = 1;
    h->d = d;
}
INLINE void head_tq2_0(struct k_head *h, const uint8_t *b)
{
    head_one_scale(h, half_at(b + 64));
}

/* Digit n of five to base 3, less 1, of bytes that hold them as a fraction of 256. */
INLINE int8x16_t digit(uint8x16_t v, int n)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    v = vmulq_u8(v, vdupq_n_u8(power[n]));
    uint8x16_t at_least = vaddq_u8(vcgeq_u8(v, vdupq_n_u8(86)), vcgeq_u8(v, vdupq_n_u8(171)));
    return vsubq_s8(vdupq_n_s8(-1), vreinterpretq_s8_u8(at_least));
}
INLINE struct codes codes_tq1_0(const uint8_t *b, int c)
{
    if (c < 5)
        return (struct codes){digit(vld1q_u8(b), c), digit(vld1q_u8(b + 16), c)};
    uint8x16_t mid = vld1q_u8(b + 32);
    if (c < 7)
        return (struct codes){digit(mid, 2 * c - 10), digit(mid, 2 * c - 9)};
    static const uint32_t power[4] = {0x01010101, 0x03030303, 0x09090909, 0x1b1b1b1b};
    uint8x16_t last = vreinterpretq_u8_u32(vdupq_n_u32(rd_u32le(b + 48))); /* 4 bytes, digit i in word i */
    last = vmulq_u8(last, vreinterpretq_u8_u32(vld1q_u32(power)));
    return (struct codes){digit(mid, 4), digit(last, 0)};
}
INLINE void head_tq1_0(struct k_head *h, const uint8_t *b)
{
    head_one_scale(h, half_at(b + 52));
}

/* CODEC_K(name, bytes, scales, has minima) */
#define CODEC_K(name, bytes, n_sub, has_min)                                                                           \
    INLINE struct k_codec codec_##name(void)                                                                           \
    {                                                                                                                  \
        return (struct k_codec){bytes, n_sub, has_min, codes_##name, head_##name};                                     \
    }
#define head_q5_k head_q4_k
CODEC_K(q2_k, 84, 16, true)
CODEC_K(q3_k, 110, 16, false)
CODEC_K(q4_k, 144, 8, true)
CODEC_K(q5_k, 176, 8, true)
CODEC_K(q6_k, 210, 16, false)
CODEC_K(iq4_xs, 136, 8, false)
CODEC_K(iq3_s, 110, 8, false)
CODEC_K(iq3_xxs, 98, 8, false)
CODEC_K(iq2_s, 82, 16, false)
CODEC_K(iq2_xs, 74, 16, false)
CODEC_K(iq2_xxs, 66, 8, false)
CODEC_K(iq1_m, 56, 16, false)
CODEC_K(iq1_s, 50, 8, false)
CODEC_K(tq1_0, 54, 8, false)
CODEC_K(tq2_0, 66, 8, false)
#endif
