/* Prefill: Q3_K rows times Q8_K activations. Layout in matvec_q3_k_avx512_vnni.c. */
#include "kernels/x86/matmul_k_avx512.h"

INLINE __m512i unpack_q3_k(const uint8_t *b, int c)
{
    __m256i q = _mm256_loadu_si256((const __m256i *)(b + 32 + 32 * (c / 2)));
    q = c % 2 ? _mm256_srli_epi16(q, 4) : q;
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(q), _mm256_srli_epi16(q, 2), 1);
    __m512i high = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)b));
    __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << 2 * c)), _mm256_set1_epi8((char)(2 << 2 * c)), 1);
    both = _mm512_and_si512(both, _mm512_set1_epi8(3));
    return _mm512_mask_sub_epi8(both, _mm512_testn_epi8_mask(high, bit), both, _mm512_set1_epi8(4));
}

INLINE struct k_head head_q3_k(const uint8_t *b)
{
    return (struct k_head){.scale = scale_16(scales_q3_k(b + 96), half_at(b + 108))};
}

size_t matmul_q3_k_avx512_vnni_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_q3_k_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, (struct k_codec){110, 16, false, unpack_q3_k, head_q3_k},
             matvec_q3_k_avx512_vnni);
}
