/* Prefill: F16 rows times F16 activations. Both are widened to f32 and go through the f32 GEMM. */
#include "kernels/arm/float_rows_neon.h"

size_t matmul_f16_neon_scratch(int64_t k)
{
    return float_rows_scratch(k);
}

void matmul_f16_neon(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                     size_t x_stride, int64_t m, void *scratch)
{
    matmul_float_rows(y, ldy, w, r0, r1, x, x_stride, m, scratch, FLOAT_F16, gemm_f32_neon);
}
