/* What the two prefill micro-kernels of NEON share: 8 rows by 256 columns of W are unpacked into a panel, a word of 4
 * columns of each row side by side, and all tokens pass over it, 4 at a time: sdot by lane takes a word of x from the
 * 16 columns that were loaded. */
#ifndef KERNELS_ARM_PANEL_NEON_H
#define KERNELS_ARM_PANEL_NEON_H
#include "kernels/arm/neon.h"
#include "kernels/panel.h"

enum { NR = 8, MR = 4 }; /* rows of a panel, tokens at once */

/* acc[j][] += the 16 columns at code times those of mr tokens at x, which are what is stored xor flip. */
#define WORD(lane)                                                                                                     \
    do {                                                                                                               \
        int8x16_t w0 = vld1q_s8(code[lane][0]), w1 = vld1q_s8(code[lane][4]);                                          \
        _Pragma("GCC unroll 4") for (int j = 0; j < mr; j++)                                                           \
        {                                                                                                              \
            acc[j][0] = vdotq_laneq_s32(acc[j][0], w0, v[j], lane);                                                    \
            acc[j][1] = vdotq_laneq_s32(acc[j][1], w1, v[j], lane);                                                    \
        }                                                                                                              \
    } while (0)
INLINE void multiply_16(const int mr, int32x4_t acc[MR][2], const int8_t (*code)[NR][4], const int8_t *x, size_t stride,
                        int8x16_t flip)
{
    int8x16_t v[MR];
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        v[j] = veorq_s8(vld1q_s8(x + (size_t)j * stride), flip);
    WORD(0);
    WORD(1);
    WORD(2);
    WORD(3);
}
#undef WORD

INLINE void zero_sums(const int mr, int32x4_t acc[MR][2])
{
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        acc[j][0] = acc[j][1] = vdupq_n_s32(0);
}

/* The 32 columns of one row into their words of the panel. */
INLINE void store_codes(int8_t (*code)[NR][4], int row, struct codes v)
{
    int8_t bytes[32];
    vst1q_s8(bytes, v.lo);
    vst1q_s8(bytes + 16, v.hi);
    for (int i = 0; i < 8; i++)
        memcpy(code[i][row], bytes + 4 * i, 4);
}

/* Sums of mr tokens from p on. */
INLINE void load_sums(const int mr, float32x4_t sum[MR][2], float (*p)[NR], bool first)
{
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        for (int h = 0; h < 2; h++)
            sum[j][h] = first ? vdupq_n_f32(0) : vld1q_f32(p[j] + 4 * h);
}

INLINE void store_rows(float *y, int64_t ldy, float (*sum)[NR], int64_t m, int64_t rows)
{
    for (int64_t j = 0; j < m; j++)
        memcpy(y + j * ldy, sum[j], (size_t)min_i64(rows, NR) * sizeof(float));
}
#endif
