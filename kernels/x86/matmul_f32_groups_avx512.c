/* Prefill: codes in groups times rows of f32 values. */
#include "kernels/x86/f32_rows_avx512.h"
#include "kernels/matmul_f32_groups.h"

size_t matmul_f32_groups_avx512_scratch(int64_t k)
{
    return f32_groups_scratch(k);
}

void matmul_f32_groups_avx512(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                              size_t x_stride, int64_t m, void *scratch)
{
    matmul_f32_groups(y, ldy, w, r0, r1, x, x_stride, m, scratch, gemm_f32_avx512);
}
