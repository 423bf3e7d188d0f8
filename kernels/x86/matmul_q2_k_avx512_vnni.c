/* Prefill: Q2_K rows times Q8_K activations. Layout in matvec_q2_k_avx512_vnni.c. */
#include "kernels/x86/matmul_k_avx512.h"

INLINE __m512i unpack_q2_k(const uint8_t *b, int c)
{
    __m256i q = _mm256_loadu_si256((const __m256i *)(b + 16 + 32 * (c / 2)));
    q = c % 2 ? _mm256_srli_epi16(q, 4) : q;
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(q), _mm256_srli_epi16(q, 2), 1);
    return _mm512_and_si512(both, _mm512_set1_epi8(3));
}

INLINE struct k_head head_q2_k(const uint8_t *b)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)b), nibble = _mm_set1_epi8(15);
    __m256i min = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
    return (struct k_head){
        .scale = scale_16(_mm_and_si128(bytes, nibble), half_at(b + 80)),
        .min = _mm512_zextsi256_si512(min),
        .min_scale = half_at(b + 82),
    };
}

size_t matmul_q2_k_avx512_vnni_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_q2_k_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, (struct k_codec){84, 16, true, unpack_q2_k, head_q2_k},
             matvec_q2_k_avx512_vnni);
}
