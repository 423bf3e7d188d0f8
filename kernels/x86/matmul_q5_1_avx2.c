/* Prefill: Q5_1 rows times Q8_1 activations. Layout in matvec_q5_1_avx2.c. */
#include "kernels/x86/matmul_blocks_avx2.h"

size_t matmul_q5_1_avx2_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_q5_1_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                      size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {.block = 24,
                                .x_block = 36,
                                .steps = 4,
                                .offset = 0,
                                .is_signed = false,
                                .codes = unpack_q5_1,
                                .x_blocks = 1,
                                .halves = 1};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q5_1_avx2);
}
