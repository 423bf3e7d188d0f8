/* Prefill: BitNet's layouts TL1 and TL2 in AVX2, with the micro-kernel of panel_avx2.h. */
#include "kernels/x86/panel_avx2.h"
#include "kernels/x86/tl_avx2.h"
#include "kernels/matmul_tl.h" /* behind them */

enum { STEPS = 4 }; /* words that 16 bits have room for: codes are at most 6 */

INLINE void tl_unpack(struct tl_panel *p, const struct tl *t, int64_t r, int64_t last, int64_t chunk, const int parts)
{
    uint8_t copy[2 * LANES];
    __m256i row[4], v[4][8];
    for (int lane = 0; lane < NR; lane += 8) {
        for (int i = 0; i < 8; i++) {
            tl_codes(row, tl_chunk_at(t, tl_row(t, min_i64(r + lane + i, last)), chunk, copy, parts), parts);
            for (int part = 0; part < parts; part++)
                v[part][i] = row[part];
        }
        for (int part = 0; part < parts; part++)
            store_transposed(p->code[8 * part][lane], sizeof p->code[0], v[part]);
    }
}

INLINE void tile(const int mr, struct tl_panel *p, const int8_t *x, size_t stride, int64_t j, int n_words, bool first)
{
    __m256i acc[MR][2];
    multiply(mr, STEPS, false, acc, p->code, 0, n_words, (const uint8_t *)x + (size_t)j * stride, stride);
#pragma GCC unroll 4
    for (int i = 0; i < mr; i++)
        for (int h = 0; h < 2; h++) {
            __m256i *sum = (__m256i *)(void *)(p->sum[j + i] + 8 * h);
            _mm256_store_si256(sum, first ? acc[i][h] : _mm256_add_epi32(acc[i][h], _mm256_load_si256(sum)));
        }
}

size_t matmul_tl_avx2_scratch(int64_t k)
{
    return tl_scratch(k);
}

void matmul_tl_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x, size_t stride,
                    int64_t m, void *scratch)
{
    for (int64_t j = 0; j < m && m < FEW; j++)
        matvec_tl_avx2(y + j * ldy, w, r0, r1, (const uint8_t *)x + (size_t)j * stride);
    if (m >= FEW)
        matmul_tl(y, ldy, w, r0, r1, x, stride, m, scratch);
}
