/* Prefill: MXFP4 rows times Q8_0 activations. */
#include "kernels/arm/matmul_blocks_neon.h"

size_t ISA_SCRATCH(matmul_mxfp4)(int64_t k)
{
    return block_scratch(k);
}

void ISA_KERNEL(matmul_mxfp4)(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                              size_t x_stride, int64_t m, void *scratch)
{
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec_mxfp4());
}
