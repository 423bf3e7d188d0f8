/* Floats of 8 and 4 bits, round to nearest even: E4M3 (OCP FN: no Inf, 448 at most, 0x7f NaN), E2M1 (0 .5 1 1.5 2 3 4
 * 6 and a sign) and E8M0 (powers of two, 255 NaN). */
#ifndef KERNELS_FORMATS_MINIFLOAT_H
#define KERNELS_FORMATS_MINIFLOAT_H
#include <math.h>
#include "base/half.h"

static inline float minifloat_rne(float x)
{
    return x + 0x1.8p23f - 0x1.8p23f; /* |x| < 2^22 */
}
/* Values beyond 448 become 448. */
static inline uint8_t f32_to_e4m3(float x)
{
    uint32_t u = f32_bits(x), sign = u >> 24 & 0x80;
    u &= 0x7fffffff;
    if (u > 0x7f800000)
        return (uint8_t)(sign | 0x7f);
    if (u < 0x3c800000) /* below 2^-6: steps of 2^-9 */
        return (uint8_t)(sign | (uint32_t)minifloat_rne(f32_from_bits(u) * 512));
    u = ((u + 0x7ffff + (u >> 20 & 1)) >> 20) - (120 << 3);
    return (uint8_t)(sign | (u < 0x7e ? u : 0x7e));
}
static inline float e4m3_to_f32(uint8_t v)
{
    uint32_t magnitude = v & 0x7f;
    float f = f32_from_bits(magnitude << 20) * 0x1p120f; /* also right for subnormals */
    if (magnitude == 0x7f)
        f = NAN;
    return v & 0x80 ? -f : f;
}
/* |x| to a code of 0 to 7, without the sign. */
static inline unsigned e2m1_magnitude(float x)
{
    float a = fabsf(x);
    return (unsigned)((a > 0.25f) + (a >= 0.75f) + (a > 1.25f) + (a >= 1.75f) + (a > 2.5f) + (a >= 3.5f) + (a > 5));
}
static inline uint8_t f32_to_e2m1(float x)
{
    return (uint8_t)(e2m1_magnitude(x) | (f32_bits(x) >> 28 & 8));
}
static inline float e2m1_to_f32(unsigned code)
{
    static const float value[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    return value[code & 15];
}
static inline float e8m0_to_f32(uint8_t v)
{
    return v == 255 ? NAN : ldexpf(1, v - 127);
}
#endif
