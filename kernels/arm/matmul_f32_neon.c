/* Prefill: F32 rows times F32 activations: the GEMM as it is. */
#include "kernels/arm/neon.h"

size_t matmul_f32_neon_scratch(int64_t k)
{
    (void)k;
    return 0;
}

void matmul_f32_neon(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                     size_t x_stride, int64_t m, void *scratch)
{
    (void)scratch;
    int64_t ldx = (int64_t)(x_stride / sizeof(float)), ldw = (int64_t)(w->plane[PLANE_CODE].row_stride / sizeof(float));
    gemm_f32_neon(y, ldy, x, ldx, (const float *)(const void *)qmat_row(w, r0), ldw, m, r1 - r0, w->k);
}
