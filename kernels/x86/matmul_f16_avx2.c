/* Prefill: F16 rows times F16 activations. Both are widened to f32 and go through the f32 GEMM, 96 rows of X
 * and 32 of W at a time; without 16-bit multiplication in the instruction set nothing is faster. */
#include "kernels/x86/f16_rows.h"

size_t matmul_f16_avx2_scratch(int64_t k)
{
    return f16_rows_scratch(k);
}

void matmul_f16_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                     size_t x_stride, int64_t m, void *scratch)
{
    matmul_f16_rows(y, ldy, w, r0, r1, x, x_stride, m, scratch, gemm_f32_avx2);
}
