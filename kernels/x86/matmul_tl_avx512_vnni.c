/* Prefill: BitNet's layouts TL1 and TL2 in AVX-512 VNNI, with the micro-kernel of panel_avx512.h. */
#include "kernels/x86/panel_avx512.h"
#include "kernels/x86/tl_avx512.h"
#include "kernels/matmul_tl.h" /* behind them */

INLINE void tl_unpack(struct tl_panel *p, const struct tl *t, int64_t r, int64_t last, int64_t chunk, const int parts)
{
    uint8_t copy[2 * LANES];
    __m512i row[4], v[4][16];
    for (int lane = 0; lane < NR; lane += 16) {
        for (int i = 0; i < 16; i++) {
            tl_codes(row, tl_chunk_at(t, tl_row(t, min_i64(r + lane + i, last)), chunk, copy, parts), parts);
            for (int part = 0; part < parts; part++)
                v[part][i] = row[part];
        }
        for (int part = 0; part < parts; part++) {
            transpose_16x16(v[part]);
            for (int i = 0; i < 16; i++)
                _mm512_store_si512(p->code[16 * part + i][lane], v[part][i]);
        }
    }
}

INLINE void tile(const int mr, struct tl_panel *p, const int8_t *x, size_t stride, int64_t j, int n_words, bool first)
{
    __m512i acc[MR][2];
    const uint8_t *at = (const uint8_t *)x + (size_t)j * stride, *const two[2] = {at, at + 3 * stride};
#pragma GCC unroll 6
    for (int i = 0; i < mr; i++)
        for (int h = 0; h < 2; h++)
            acc[i][h] = first ? _mm512_setzero_si512() : _mm512_load_si512(p->sum[j + i] + 16 * h);
    multiply(mr, false, acc, (const uint8_t(*)[NR][4])p->code, 0, n_words, two, stride);
#pragma GCC unroll 6
    for (int i = 0; i < mr; i++)
        for (int h = 0; h < 2; h++)
            _mm512_store_si512(p->sum[j + i] + 16 * h, acc[i][h]);
}

size_t matmul_tl_avx512_vnni_scratch(int64_t k)
{
    return tl_scratch(k);
}

void matmul_tl_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                           size_t stride, int64_t m, void *scratch)
{
    for (int64_t j = 0; j < m && m < FEW; j++)
        matvec_tl_avx512_vnni(y + j * ldy, w, r0, r1, (const uint8_t *)x + (size_t)j * stride);
    if (m >= FEW)
        matmul_tl(y, ldy, w, r0, r1, x, stride, m, scratch);
}
