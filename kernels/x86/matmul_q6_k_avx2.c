/* Prefill: Q6_K rows times Q8_K activations. Layout in matvec_q6_k_avx2.c. */
#include "kernels/x86/matmul_k_avx2.h"

/* value = code - 32: 32 d sum(sc sum(x)) is subtracted */
INLINE struct k_head head_q6_k(const uint8_t *b)
{
    __m128i sc = _mm_loadu_si128((const __m128i *)(b + 192));
    float d = half_at(b + 208);
    return head_16(sc, d, _mm256_cvtepi8_epi16(sc), 32 * d);
}

size_t matmul_q6_k_avx2_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_q6_k_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                      size_t x_stride, int64_t m, void *scratch)
{
    struct k_codec codec = {.block = 210, .n_sub = 16, .steps = 2, .codes = unpack_q6_k, .head = head_q6_k};
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q6_k_avx2);
}
