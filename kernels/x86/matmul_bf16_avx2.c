/* Prefill: BF16 rows times BF16 activations. Both are widened to f32 and go through the f32 GEMM. */
#include "kernels/x86/widen_avx2.h"
#include "kernels/float_rows.h" /* behind it */

size_t matmul_bf16_avx2_scratch(int64_t k)
{
    return float_rows_scratch(k);
}

void matmul_bf16_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                      size_t x_stride, int64_t m, void *scratch)
{
    matmul_float_rows(y, ldy, w, r0, r1, x, x_stride, m, scratch, FLOAT_BF16, gemm_f32_avx2);
}
