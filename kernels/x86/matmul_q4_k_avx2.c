/* Prefill: Q4_K rows times Q8_K activations. Layout in matvec_q4_k_avx2.c. */
#include "kernels/x86/matmul_k_avx2.h"

INLINE __m256i unpack_q4_k(const uint8_t *b, int c)
{
    __m256i q = load32(b + 16 + 32 * (c / 2));
    return _mm256_and_si256(c % 2 ? _mm256_srli_epi16(q, 4) : q, _mm256_set1_epi8(15));
}

size_t matmul_q4_k_avx2_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_q4_k_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                      size_t x_stride, int64_t m, void *scratch)
{
    struct k_codec codec = {.block = 144, .n_sub = 8, .steps = 8, .codes = unpack_q4_k, .head = head_q4_k};
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q4_k_avx2);
}
