/* Prefill: Q4_K rows times Q8_K activations. Layout in matvec_q4_k_avx512_vnni.c. */
#include "kernels/x86/matmul_k_avx512.h"

INLINE __m512i unpack_q4_k(const uint8_t *b, int c)
{
    __m256i q = _mm256_loadu_si256((const __m256i *)(b + 16 + 32 * c));
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(q), _mm256_srli_epi16(q, 4), 1);
    return _mm512_and_si512(both, _mm512_set1_epi8(15));
}

size_t matmul_q4_k_avx512_vnni_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_q4_k_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, (struct k_codec){144, 8, true, unpack_q4_k, head_q4_k},
             matvec_q4_k_avx512_vnni);
}
