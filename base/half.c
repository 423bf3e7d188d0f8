/* 16-bit floats in portable C: exact, round to nearest even. */
#include "base/half.h"

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
