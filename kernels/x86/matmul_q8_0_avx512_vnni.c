/* Prefill: Q8_0 rows times Q8_0 activations. Layout in matvec_q8_0_avx512_vnni.c. */
#include "kernels/x86/matmul_blocks_avx512.h"

enum { BLOCK = 34, X_BLOCK = 34 };

INLINE __m512i unpack_q8_0(const uint8_t *b, int64_t n)
{
    __m256i second = n > BLOCK ? _mm256_loadu_si256((const __m256i *)(b + BLOCK + 2)) : _mm256_setzero_si256();
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(b + 2))), second, 1);
}

size_t matmul_q8_0_avx512_vnni_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_q8_0_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, (struct block_codec){BLOCK, X_BLOCK, false, unpack_q8_0},
                  matvec_q8_0_avx512_vnni);
}
