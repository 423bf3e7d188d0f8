/* 16-bit floats, round to nearest even, subnormals and NaN kept; plus little-endian reads that never cast. */
#ifndef BASE_HALF_H
#define BASE_HALF_H
#include <stdint.h>
#include <string.h>

static inline uint32_t f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}
static inline float f32_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}
/* Exponent and mantissa sit in place after a shift; the factor repairs the bias, also of subnormals. Without branches,
 * so that loops over it become vectors. */
static inline float f16_to_f32(uint16_t h)
{
    uint32_t magnitude = h & 0x7fff, bits = f32_bits(f32_from_bits(magnitude << 13) * 0x1p112f);
    bits |= magnitude >= 0x7c00 ? 0x7f800000 : 0; /* Inf and NaN */
    return f32_from_bits(bits | (uint32_t)(h & 0x8000) << 16);
}
uint16_t f32_to_f16(float f);
/* The nearest f16, as a float; of NaN some NaN or infinity. Without branches too. */
static inline float f16_round(float x)
{
    uint32_t u = f32_bits(x), sign = u & 0x80000000u, a = u & 0x7fffffff;
    float small = f32_from_bits(a) + 0.75f - 0.75f; /* steps of 2^-24 */
    uint32_t normal = (a + 0xfff + (a >> 13 & 1)) & ~0x1fffu;
    normal = normal > 0x477fe000 ? 0x7f800000 : normal;
    return f32_from_bits(sign | (a < 0x38800000 ? f32_bits(small) : normal));
}
static inline float bf16_to_f32(uint16_t h)
{
    return f32_from_bits((uint32_t)h << 16);
}
static inline uint16_t f32_to_bf16(float f)
{
    uint32_t u = f32_bits(f), quiet = (u >> 16) | 0x40; /* NaN stays a NaN */
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? quiet : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static inline float bf16_round(float x)
{
    return bf16_to_f32(f32_to_bf16(x));
}

static inline uint16_t rd_u16le(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t rd_u32le(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t rd_u64le(const void *p)
{
    return rd_u32le(p) | (uint64_t)rd_u32le((const uint8_t *)p + 4) << 32;
}
static inline void wr_u16le(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}
static inline void wr_u32le(void *p, uint32_t v)
{
    wr_u16le(p, (uint16_t)v);
    wr_u16le((uint8_t *)p + 2, (uint16_t)(v >> 16));
}
static inline void wr_u64le(void *p, uint64_t v)
{
    wr_u32le(p, (uint32_t)v);
    wr_u32le((uint8_t *)p + 4, (uint32_t)(v >> 32));
}
#endif
