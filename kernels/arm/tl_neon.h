/* Chunks of BitNet's layouts TL1 and TL2 (tl_rows.h) in NEON. */
#ifndef KERNELS_ARM_TL_NEON_H
#define KERNELS_ARM_TL_NEON_H
#include "kernels/arm/neon.h"

enum { LANES = 16 };
#include "kernels/tl_rows.h"

/* Codes by their column's place. */
INLINE void tl_codes(int8x16_t v[4], struct tl_chunk c, const int parts)
{
    if (parts == PARTS_TL1) {
        uint8x16_t byte = vld1q_u8(c.code), low = vandq_u8(byte, vdupq_n_u8(15)), high = vshrq_n_u8(byte, 4);
        v[0] = vqtbl1q_s8(vld1q_s8(tl_tables[0]), low);
        v[1] = vqtbl1q_s8(vld1q_s8(tl_tables[1]), low);
        v[2] = vqtbl1q_s8(vld1q_s8(tl_tables[0]), high);
        v[3] = vqtbl1q_s8(vld1q_s8(tl_tables[1]), high);
        return;
    }
    const uint8x8_t byte = vld1_u8(c.code);
    const uint8x8x2_t both = vzip_u8(vand_u8(byte, vdup_n_u8(15)), vshr_n_u8(byte, 4));
    const uint8x16_t index = vcombine_u8(both.val[0], both.val[1]);
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    const uint8x16_t minus = vtstq_u8(vcombine_u8(vdup_n_u8(c.sign[0]), vdup_n_u8(c.sign[1])), bit);
#pragma GCC unroll 3
    for (int p = 0; p < PARTS_TL2; p++) {
        v[p] = vqtbl1q_s8(vld1q_s8(tl_tables[2 + p]), index);
        v[p] = vbslq_s8(minus, vsubq_s8(vdupq_n_s8(2 * ADDED), v[p]), v[p]);
    }
}
#endif
