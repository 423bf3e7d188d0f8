/* Prefill: Q2_K rows times Q8_K activations. Layout in matvec_q2_k_avx2.c. */
#include "kernels/x86/matmul_k_avx2.h"

INLINE struct k_head head_q2_k(const uint8_t *b)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)b), nibble = _mm_set1_epi8(15);
    __m256i min = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
    return head_16(_mm_and_si128(bytes, nibble), half_at(b + 80), min, half_at(b + 82));
}

size_t matmul_q2_k_avx2_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_q2_k_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                      size_t x_stride, int64_t m, void *scratch)
{
    struct k_codec codec = {.block = 84, .n_sub = 16, .steps = 4, .codes = unpack_q2_k, .head = head_q2_k};
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q2_k_avx2);
}
