/* Prefill: BitNet's layouts TL1 and TL2, with the micro-kernel of panel_neon.h. */
#include "kernels/arm/panel_neon.h"
#include "kernels/arm/tl_neon.h"
#include "kernels/matmul_tl.h" /* behind them */

INLINE void tl_unpack(struct tl_panel *p, const struct tl *t, int64_t r, int64_t last, int64_t chunk, const int parts)
{
    uint8_t copy[2 * LANES];
    int8x16_t v[4];
    for (int row = 0; row < NR; row++) {
        tl_codes(v, tl_chunk_at(t, tl_row(t, min_i64(r + row, last)), chunk, copy, parts), parts);
        for (int part = 0; part < parts; part++)
            store_16((int8_t *)p->code[LANES / 4 * part], row, v[part]);
    }
}

INLINE void tile(const int mr, struct tl_panel *p, const int8_t *x, size_t stride, int64_t j, int n_words, bool first)
{
    int32x4_t acc[MR][2];
    zero_sums(mr, acc);
    for (int word = 0; word < n_words; word += 4)
        multiply_16(mr, acc, (const int8_t *)p->code[word], x + (size_t)j * stride + 4 * word, stride, vdupq_n_s8(0));
    finish_sums(mr, acc);
#pragma GCC unroll 4
    for (int i = 0; i < mr; i++)
        for (int h = 0; h < 2; h++) {
            int32_t *sum = p->sum[j + i] + 4 * h;
            vst1q_s32(sum, first ? acc[i][h] : vaddq_s32(acc[i][h], vld1q_s32(sum)));
        }
}

size_t ISA_SCRATCH(matmul_tl)(int64_t k)
{
    return tl_scratch(k);
}

void ISA_KERNEL(matmul_tl)(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                           size_t stride, int64_t m, void *scratch)
{
    matmul_tl(y, ldy, w, r0, r1, x, stride, m, scratch);
}
