/* Signed codes of i8_rows.h in NEON. */
#ifndef KERNELS_ARM_I8_CODES_NEON_H
#define KERNELS_ARM_I8_CODES_NEON_H
#include "kernels/arm/numbers_neon.h"
#include "kernels/i8_rows.h"

/* Codes of the 16 columns from c on, a multiple of 16, less the middle one. */
INLINE int8x16_t codes_16(const uint8_t *row, int64_t c, const int bits, const bool interleaved, uint8x16_t flip,
                          uint8x16_t middle)
{
    static const uint8_t quarter[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    static const int8_t right[16] = {0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6};
    uint8x16_t v;
    if (bits == 8) {
        v = vld1q_u8(row + c);
    } else if (bits == 4) {
        uint8x8_t two = vld1_u8(row + c / 2);
        uint8x8x2_t both = vzip_u8(vand_u8(two, vdup_n_u8(15)), vshr_n_u8(two, 4));
        v = vcombine_u8(both.val[0], both.val[1]);
    } else if (interleaved) {
        const int8_t shift = (int8_t)(c % 128 / 32 * 2 - 6);
        v = vandq_u8(vshlq_u8(vld1q_u8(row + c / 128 * 32 + c % 32), vdupq_n_s8(shift)), vdupq_n_u8(3));
    } else {
        v = vqtbl1q_u8(vreinterpretq_u8_u32(vdupq_n_u32(rd_u32le(row + c / 4))), vld1q_u8(quarter));
        v = vandq_u8(vshlq_u8(v, vld1q_s8(right)), vdupq_n_u8(3));
    }
    return vreinterpretq_s8_u8(vsubq_u8(veorq_u8(v, flip), middle));
}
#endif
