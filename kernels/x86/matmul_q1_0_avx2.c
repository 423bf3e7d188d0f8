/* Prefill: Q1_0 rows times Q8_0 activations. Layout in kernels/formats/q1_0.c. */
#include "kernels/x86/matmul_blocks_avx2.h"

enum { OFFSET = 8 };

/* 0 and 16, that is -8 and 8 times an eighth of d. */
INLINE __m256i unpack(const uint8_t *b, int part)
{
    return high_of_32(b + 2 + 4 * part);
}

INLINE float scale(const uint8_t *b, int run)
{
    (void)run;
    return 0.125f * half_at(b);
}

size_t matmul_q1_0_avx2_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_q1_0_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                      size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {.block = 18,
                                .x_block = 34,
                                .steps = 4,
                                .offset = OFFSET,
                                .codes = unpack,
                                .x_blocks = 4,
                                .halves = 1,
                                .scale = scale};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q1_0_avx2);
}
