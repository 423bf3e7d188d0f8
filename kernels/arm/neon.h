/* What the NEON kernels share. */
#ifndef KERNELS_ARM_NEON_H
#define KERNELS_ARM_NEON_H
#include <arm_neon.h>
#include "kernels/inline.h"

INLINE float half_at(const uint8_t *p)
{
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(rd_u16le(p)))), 0);
}

struct codes { /* of 32 columns in order */
    int8x16_t lo, hi;
};

INLINE struct codes codes_u8(uint8x16_t lo, uint8x16_t hi)
{
    return (struct codes){vreinterpretq_s8_u8(lo), vreinterpretq_s8_u8(hi)};
}

INLINE struct codes codes_less(struct codes v, int offset)
{
    int8x16_t o = vdupq_n_s8((int8_t)offset);
    return (struct codes){vsubq_s8(v.lo, o), vsubq_s8(v.hi, o)};
}

/* 32 codes from 16 bytes: low nibbles, then high ones. */
INLINE struct codes codes_of_nibbles(const uint8_t *qs)
{
    uint8x16_t q = vld1q_u8(qs);
    return codes_u8(vandq_u8(q, vdupq_n_u8(15)), vshrq_n_u8(q, 4));
}

/* 32 bytes, each shifted right and masked. */
INLINE struct codes codes_of_bits(const uint8_t *q, int shift, int mask)
{
    int8x16_t right = vdupq_n_s8((int8_t)-shift);
    uint8x16_t m = vdupq_n_u8((uint8_t)mask);
    return codes_u8(vandq_u8(vshlq_u8(vld1q_u8(q), right), m), vandq_u8(vshlq_u8(vld1q_u8(q + 16), right), m));
}

INLINE struct codes codes_or(struct codes a, struct codes b, int shift)
{
    int8x16_t left = vdupq_n_s8((int8_t)shift);
    return (struct codes){vorrq_s8(a.lo, vshlq_s8(b.lo, left)), vorrq_s8(a.hi, vshlq_s8(b.hi, left))};
}

/* -1 in every byte whose bit of the 32 is set. */
INLINE struct codes minus_where(uint32_t bits)
{
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    uint8x16_t lo = vcombine_u8(vdup_n_u8((uint8_t)bits), vdup_n_u8((uint8_t)(bits >> 8)));
    uint8x16_t hi = vcombine_u8(vdup_n_u8((uint8_t)(bits >> 16)), vdup_n_u8((uint8_t)(bits >> 24)));
    return codes_u8(vtstq_u8(lo, bit), vtstq_u8(hi, bit));
}

INLINE struct codes codes_and(struct codes v, int mask)
{
    int8x16_t m = vdupq_n_s8((int8_t)mask);
    return (struct codes){vandq_s8(v.lo, m), vandq_s8(v.hi, m)};
}

/* v where m is 0, -v where it is -1. */
INLINE struct codes codes_signed(struct codes v, struct codes m)
{
    return (struct codes){vsubq_s8(veorq_s8(v.lo, m.lo), m.lo), vsubq_s8(veorq_s8(v.hi, m.hi), m.hi)};
}

/* Values of a table of 16. */
INLINE struct codes codes_look_up(const int8_t table[16], struct codes v)
{
    int8x16_t t = vld1q_s8(table);
    return (struct codes){vqtbl1q_s8(t, vreinterpretq_u8_s8(v.lo)), vqtbl1q_s8(t, vreinterpretq_u8_s8(v.hi))};
}
#endif
