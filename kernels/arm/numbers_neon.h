/* The numbers that stand beside codes in groups, in NEON. */
#ifndef KERNELS_ARM_NUMBERS_NEON_H
#define KERNELS_ARM_NUMBERS_NEON_H
#include <math.h>
#include "base/float8.h"
#include "kernels/arm/neon.h"

INLINE float32x4_t halves_at(const uint8_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

/* Numbers [g0, g0 + n) of f32, f16 or bf16, from p on. */
INLINE void numbers_to_f32(float *s, const uint8_t *p, enum number_type t, int64_t g0, int64_t n)
{
    int64_t i = 0;
    if (t == NUMBER_F32) {
        memcpy(s, p + 4 * g0, (size_t)n * sizeof *s);
        return;
    }
    p += 2 * g0;
    for (; i + 4 <= n && t == NUMBER_F16; i += 4)
        vst1q_f32(s + i, halves_at(p + 2 * i));
    for (; i < n; i++)
        s[i] = t == NUMBER_F16 ? half_at(p + 2 * i) : bf16_to_f32(rd_u16le(p + 2 * i));
}

/* Codes [g0, g0 + n) of 2, 3, 4 or 8 bits, of those that `bytes` bytes at p hold. */
INLINE void small_codes(int32_t *z, const uint8_t *p, int64_t bytes, int64_t g0, int64_t n, int bits)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = (g0 + i) * bits / 8;
        unsigned two = p[at] | (at + 1 < bytes ? (unsigned)p[at + 1] << 8 : 0);
        z[i] = (int32_t)(two >> (g0 + i) * bits % 8 & ((1u << bits) - 1));
    }
}

/* n numbers to the nearest halves; there is room for 3 more. */
INLINE void round_to_halves(float *s, int64_t n)
{
    for (int64_t i = 0; i < n; i += 4)
        vst1q_f32(s + i, vcvt_f32_f16(vcvt_f16_f32(vld1q_f32(s + i))));
}
/* n scales of 8 bits, E8M0 or E4M3. */
INLINE void scales_of_8_bits(float *s, const uint8_t *p, int64_t n, bool e8m0)
{
    for (int64_t i = 0; i < n; i++)
        s[i] = e8m0 ? p[i] == 255 ? NAN : f32_from_bits(p[i] ? (uint32_t)p[i] << 23 : 0x400000) : e4m3_to_f32(p[i]);
}
#endif
