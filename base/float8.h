/* 8-bit floats of the OCP specification (OFP8): E4M3 without infinities, largest 448, NaN 0x7f; E5M2, largest 57344,
 * the upper byte of an f16. Round to nearest even; what is beyond the largest value becomes it (saturating). */
#ifndef BASE_FLOAT8_H
#define BASE_FLOAT8_H
#include "base/half.h"

#define E4M3_MAX 448.0f
#define E5M2_MAX 57344.0f

static inline float e4m3_to_f32(uint8_t c)
{
    uint32_t magnitude = c & 0x7f, bits = f32_bits(f32_from_bits(magnitude << 20) * 0x1p120f);
    bits |= magnitude == 0x7f ? 0x7fc00000 : 0;
    return f32_from_bits(bits | (uint32_t)(c & 0x80) << 24);
}
static inline float e5m2_to_f32(uint8_t c)
{
    return f16_to_f32((uint16_t)(c << 8));
}

/* Magnitude bits of a float with m mantissa bits and that bias; x >= 0 and no larger than the largest. */
static inline uint32_t float8_magnitude(float x, int m, int bias)
{
    uint32_t u = f32_bits(x);
    if (u < (uint32_t)(128 - bias) << 23) { /* subnormal: a whole number of steps, by the addition's own rounding */
        float shifted = x + f32_from_bits((uint32_t)(127 + 23 - m + 1 - bias) << 23);
        return f32_bits(shifted) & 0x7fffff;
    }
    u += (1u << (22 - m)) - 1 + (u >> (23 - m) & 1);
    return (u >> (23 - m)) - ((uint32_t)(127 - bias) << m);
}
static inline uint8_t f32_to_e4m3(float x)
{
    uint32_t u = f32_bits(x), sign = u >> 24 & 0x80, a = u & 0x7fffffff;
    if (a > 0x7f800000)
        return 0x7f;
    float v = f32_from_bits(a);
    return (uint8_t)(sign | float8_magnitude(v > E4M3_MAX ? E4M3_MAX : v, 3, 7));
}
static inline uint8_t f32_to_e5m2(float x)
{
    uint32_t u = f32_bits(x), sign = u >> 24 & 0x80, a = u & 0x7fffffff;
    if (a > 0x7f800000)
        return 0x7f;
    float v = f32_from_bits(a);
    return (uint8_t)(sign | float8_magnitude(v > E5M2_MAX ? E5M2_MAX : v, 2, 15));
}
#endif
