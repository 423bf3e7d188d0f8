/* 16-bit floats in portable C: exact, round to nearest even. */
#include "base/half.h"

float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, man = h & 1023;
    if (exp == 31)
        return f32_from_bits(sign | 0x7f800000 | man << 13);
    if (exp != 0)
        return f32_from_bits(sign | (exp + 112) << 23 | man << 13);
    float f = (float)man * 0x1p-24f;   /* subnormal or zero: exact in f32 */
    return f32_from_bits(f32_bits(f) | sign);
}

uint16_t f32_to_f16(float f)
{
    uint32_t u = f32_bits(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));
    if (a >= 0x47800000)   /* 65536 and above, and Inf */
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) {  /* below the smallest normal: adding 0.5 makes the FPU round at 2^-24 */
        float r = f32_from_bits(a) + 0.5f;
        return (uint16_t)(sign | (f32_bits(r) - 0x3f000000));
    }
    uint32_t r = a + 0xfff + (a >> 13 & 1);   /* round to even; may carry into the exponent, up to Inf */
    return (uint16_t)(sign | (r - 0x38000000) >> 13);
}

uint16_t f32_to_bf16(float f)
{
    uint32_t u = f32_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
