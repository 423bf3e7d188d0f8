/* Prefill: F16 rows times F16 activations, as matmul_f16_avx2.c with the wider GEMM. */
#include "kernels/x86/f16_rows.h"

size_t matmul_f16_avx512_scratch(int64_t k)
{
    return f16_rows_scratch(k);
}

void matmul_f16_avx512(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                       size_t x_stride, int64_t m, void *scratch)
{
    matmul_f16_rows(y, ldy, w, r0, r1, x, x_stride, m, scratch, gemm_f32_avx512);
}
