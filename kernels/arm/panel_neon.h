/* What the prefill micro-kernels of NEON share, with sdot or, where the compiler is told of i8mm, with smmla. 8 rows by
 * 256 columns of W are unpacked into a panel, and all tokens pass over it, 4 at a time. 16 columns of all rows stand
 * together, in words of what an instruction multiplies: 4 columns of a row for sdot, 8 for smmla, which multiplies 2
 * rows by 2 tokens. Sums are by token and half of the rows behind finish_sums; before it those of smmla are in tiles.
 */
#ifndef KERNELS_ARM_PANEL_NEON_H
#define KERNELS_ARM_PANEL_NEON_H
#include "kernels/arm/neon.h"
#include "kernels/panel.h"

enum { NR = 8, MR = 4 }; /* rows of a panel, tokens at once */

#ifdef __ARM_FEATURE_MATMUL_INT8
#define ISA_KERNEL(name)  name##_i8mm
#define ISA_SCRATCH(name) name##_i8mm_scratch
enum { WORD = 8 };

/* acc[j][] += the 16 columns at code times those of mr tokens at x, which are what is stored xor flip. acc[2p][0] has
 * rows 0 and 1 by tokens 2p and 2p + 1, acc[2p + 1][1] rows 6 and 7. */
INLINE void multiply_16(const int mr, int32x4_t acc[MR][2], const int8_t *code, const int8_t *x, size_t stride,
                        int8x16_t flip)
{
#pragma GCC unroll 2
    for (int j = 0; j < mr; j += 2) {
        int64x2_t a = vreinterpretq_s64_s8(veorq_s8(vld1q_s8(x + (size_t)j * stride), flip)), b = a;
        if (j + 1 < mr)
            b = vreinterpretq_s64_s8(veorq_s8(vld1q_s8(x + (size_t)(j + 1) * stride), flip));
        int8x16_t two[2] = {vreinterpretq_s8_s64(vzip1q_s64(a, b)), vreinterpretq_s8_s64(vzip2q_s64(a, b))};
#pragma GCC unroll 2
        for (int word = 0; word < 2; word++)
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                int32x4_t *sum = &acc[j + i / 2][i % 2];
                *sum = vmmlaq_s32(*sum, vld1q_s8(code + NR * WORD * word + 16 * i), two[word]);
            }
    }
}

INLINE void start_sums(const int mr, int32x4_t acc[MR][2], const int32_t start[NR])
{
    const int32x4_t s[2] = {vld1q_s32(start), vld1q_s32(start + 4)};
#pragma GCC unroll 4
    for (int j = 0; j < (mr + 1) / 2 * 2; j++) {
        acc[j][0] = vzip1q_s32(s[j % 2], s[j % 2]);
        acc[j][1] = vzip2q_s32(s[j % 2], s[j % 2]);
    }
}

INLINE void finish_sums(const int mr, int32x4_t acc[MR][2])
{
#pragma GCC unroll 2
    for (int j = 0; j < mr; j += 2) {
        const int32x4_t t[4] = {acc[j][0], acc[j][1], acc[j + 1][0], acc[j + 1][1]};
        for (int h = 0; h < 2; h++) {
            acc[j][h] = vuzp1q_s32(t[2 * h], t[2 * h + 1]);
            acc[j + 1][h] = vuzp2q_s32(t[2 * h], t[2 * h + 1]);
        }
    }
}
#else
#define ISA_KERNEL(name)  name##_dotprod
#define ISA_SCRATCH(name) name##_dotprod_scratch
enum { WORD = 4 };

/* acc[j][] += the 16 columns at code times those of mr tokens at x, which are what is stored xor flip. */
#define TIMES_WORD(lane)                                                                                               \
    do {                                                                                                               \
        int8x16_t w0 = vld1q_s8(code + NR * WORD * lane), w1 = vld1q_s8(code + NR * WORD * lane + 16);                 \
        _Pragma("GCC unroll 4") for (int j = 0; j < mr; j++)                                                           \
        {                                                                                                              \
            acc[j][0] = vdotq_laneq_s32(acc[j][0], w0, v[j], lane);                                                    \
            acc[j][1] = vdotq_laneq_s32(acc[j][1], w1, v[j], lane);                                                    \
        }                                                                                                              \
    } while (0)
INLINE void multiply_16(const int mr, int32x4_t acc[MR][2], const int8_t *code, const int8_t *x, size_t stride,
                        int8x16_t flip)
{
    int8x16_t v[MR];
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        v[j] = veorq_s8(vld1q_s8(x + (size_t)j * stride), flip);
    TIMES_WORD(0);
    TIMES_WORD(1);
    TIMES_WORD(2);
    TIMES_WORD(3);
}
#undef TIMES_WORD

INLINE void start_sums(const int mr, int32x4_t acc[MR][2], const int32_t start[NR])
{
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        for (int h = 0; h < 2; h++)
            acc[j][h] = vld1q_s32(start + 4 * h);
}

INLINE void finish_sums(const int mr, int32x4_t acc[MR][2])
{
    (void)mr;
    (void)acc;
}
#endif

INLINE void zero_sums(const int mr, int32x4_t acc[MR][2])
{
    static const int32_t zeros[NR];
    start_sums(mr, acc, zeros);
}

/* 16 columns of one row into their words of the panel. */
INLINE void store_16(int8_t *code, int row, int8x16_t v)
{
    int8_t bytes[16];
    vst1q_s8(bytes, v);
    for (int i = 0; i < 16 / WORD; i++)
        memcpy(code + (NR * i + row) * WORD, bytes + WORD * i, WORD);
}

/* The 32 columns of one row. */
INLINE void store_codes(int8_t *code, int row, struct codes v)
{
    store_16(code, row, v.lo);
    store_16(code + 16 * NR, row, v.hi);
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
