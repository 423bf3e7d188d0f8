/* Prefill: IQ3_XXS rows times Q8_K activations. */
#include "kernels/arm/matmul_k_neon.h"

size_t ISA_SCRATCH(matmul_iq3_xxs)(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void ISA_KERNEL(matmul_iq3_xxs)(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                                size_t x_stride, int64_t m, void *scratch)
{
    grid_bytes_make();
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec_iq3_xxs());
}
