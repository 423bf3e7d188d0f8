/* Prefill: Q6_K rows times Q8_K activations. Layout in matvec_q6_k_avx512_vnni.c. */
#include "kernels/x86/matmul_k_avx512.h"

INLINE __m512i unpack_q6_k(const uint8_t *b, int c)
{
    __m512i low = _mm512_loadu_si512(b + 64 * (c / 2));
    __m256i h = _mm256_loadu_si256((const __m256i *)(b + 128 + 32 * (c / 2)));
    __m256i h0 = c % 2 ? h : _mm256_slli_epi16(h, 4), h1 = c % 2 ? _mm256_srli_epi16(h, 2) : _mm256_slli_epi16(h, 2);
    __m512i high = _mm512_inserti64x4(_mm512_castsi256_si512(h0), h1, 1);
    low = _mm512_and_si512(c % 2 ? _mm512_srli_epi16(low, 4) : low, _mm512_set1_epi8(15));
    low = _mm512_or_si512(low, _mm512_and_si512(high, _mm512_set1_epi8(48)));
    return _mm512_sub_epi8(low, _mm512_set1_epi8(32));
}

INLINE struct k_head head_q6_k(const uint8_t *b)
{
    return (struct k_head){.scale = scale_16(_mm_loadu_si128((const __m128i *)(b + 192)), half_at(b + 208))};
}

size_t matmul_q6_k_avx512_vnni_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_q6_k_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, (struct k_codec){210, 16, false, unpack_q6_k, head_q6_k},
             matvec_q6_k_avx512_vnni);
}
