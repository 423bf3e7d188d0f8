/* Prefill: Q6_K rows times Q8_K activations. Layout in matvec_q6_k_avx2.c. */
#include "kernels/x86/matmul_k_avx2.h"

/* c % 4 is the run of 32 in its half: low nibbles for runs 0 and 1, high ones for 2 and 3; two bits of qh. */
INLINE __m256i unpack_q6_k(const uint8_t *b, int c)
{
    __m256i low = load32(b + 64 * (c / 4) + 32 * (c % 2)), high = load32(b + 128 + 32 * (c / 4));
    low = _mm256_and_si256(c % 4 < 2 ? low : _mm256_srli_epi16(low, 4), _mm256_set1_epi8(15));
    high = _mm256_and_si256(_mm256_srlv_epi32(high, _mm256_set1_epi32(2 * (c % 4))), _mm256_set1_epi8(3));
    return _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
}

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
