/* Floats below 8 bits and scales without a mantissa, round to nearest even: E2M1 (0 .5 1 1.5 2 3 4 6 and a sign) and
 * E8M0 (powers of two, 255 NaN); E4M3 is in base/float8.h. */
#ifndef KERNELS_FORMATS_MINIFLOAT_H
#define KERNELS_FORMATS_MINIFLOAT_H
#include <math.h>
#include "base/float8.h"

static inline float minifloat_rne(float x)
{
    return x + 0x1.8p23f - 0x1.8p23f; /* |x| < 2^22 */
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
