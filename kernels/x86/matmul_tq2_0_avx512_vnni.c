/* Prefill: TQ2_0 rows times Q8_K activations. Layout in kernels/formats/tq2_0.c. A superblock has one scale; the
 * panel treats it as four. */
#include "kernels/x86/matmul_k_avx512.h"
#include "kernels/x86/unpack_ternary_avx512.h"

INLINE __m512i unpack(const uint8_t *b, int c)
{
    __m512i q = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(b + 32 * (c / 2))));
    __m256i lo = _mm256_srli_epi16(_mm512_castsi512_si256(q), 4 * (c % 2)), hi = _mm256_srli_epi16(lo, 2);
    q = _mm512_and_si512(_mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1), _mm512_set1_epi8(3));
    return _mm512_sub_epi8(q, _mm512_set1_epi8(1));
}

INLINE struct k_head head(const uint8_t *b)
{
    return (struct k_head){.scale = _mm512_set1_ps(half_at(b + 64))};
}

size_t matmul_tq2_0_avx512_vnni_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_tq2_0_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                              size_t x_stride, int64_t m, void *scratch)
{
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, (struct k_codec){66, 4, false, unpack, head},
             matvec_tq2_0_avx512_vnni);
}
