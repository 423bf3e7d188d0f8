/* Prefill: Q4_1 rows times Q8_1 activations. Layout in matvec_q4_1_avx512_vnni.c. */
#include "kernels/x86/matmul_blocks_avx512.h"

enum { BLOCK = 20, X_BLOCK = 36 };

INLINE __m512i codes(const uint8_t *b, int c, int64_t n)
{
    return two_blocks_of_nibbles(b + 4, BLOCK, c, n);
}

INLINE __m512 heads(const uint8_t *b, int64_t n)
{
    return heads_d_m(b, BLOCK, n);
}

size_t matmul_q4_1_avx512_vnni_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_q4_1_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {BLOCK, 1, X_BLOCK, true, 1, codes, heads};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q4_1_avx512_vnni);
}
