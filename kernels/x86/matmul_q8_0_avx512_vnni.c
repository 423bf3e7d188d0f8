/* Prefill: Q8_0 rows times Q8_0 activations. Layout in matvec_q8_0_avx512_vnni.c. */
#include "kernels/x86/matmul_blocks_avx512.h"

enum { BLOCK = 34, X_BLOCK = 34 };

INLINE __m512i codes(const uint8_t *b, int c, int64_t n)
{
    const uint8_t *q = b + 2 * c * BLOCK + 2;
    __m256i second =
        n > (2 * c + 1) * BLOCK ? _mm256_loadu_si256((const __m256i *)(q + BLOCK)) : _mm256_setzero_si256();
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)q)), second, 1);
}

INLINE __m512 heads(const uint8_t *b, int64_t n)
{
    return heads_d(b, BLOCK, n);
}

size_t matmul_q8_0_avx512_vnni_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_q8_0_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {BLOCK, 1, X_BLOCK, false, 1, codes, heads};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q8_0_avx512_vnni);
}
