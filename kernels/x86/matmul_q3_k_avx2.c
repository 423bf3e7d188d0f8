/* Prefill: Q3_K rows times Q8_K activations. Layout in matvec_q3_k_avx2.c. */
#include "kernels/x86/matmul_k_avx2.h"

/* value = code - 4: 4 d sum(sc sum(x)) is subtracted */
INLINE struct k_head head_q3_k(const uint8_t *b)
{
    __m128i sc = scales_q3_k(b + 96);
    float d = half_at(b + 108);
    return head_16(sc, d, _mm256_cvtepi8_epi16(sc), 4 * d);
}

size_t matmul_q3_k_avx2_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_q3_k_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                      size_t x_stride, int64_t m, void *scratch)
{
    struct k_codec codec = {.block = 110, .n_sub = 16, .steps = 4, .codes = unpack_q3_k, .head = head_q3_k};
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q3_k_avx2);
}
