/* Prefill: IQ3_XXS rows times Q8_K activations. Layout in kernels/formats/iq3_xxs.c. */
#include "kernels/x86/matmul_k_avx2.h"
#include "kernels/x86/unpack_grid_avx2.h"

enum { OFFSET = 62 }; /* of the largest magnitude, so that codes are unsigned */

INLINE __m256i unpack(const uint8_t *b, int c)
{
    __m256i v = signed_by(points_iq3_xxs(b, c), minus_of(signs_iq3_xxs, b, c));
    return _mm256_add_epi8(v, _mm256_set1_epi8(OFFSET));
}

INLINE struct k_head head(const uint8_t *b)
{
    __m128i sc = scales_iq3_xxs(b);
    float d = 0.25f * half_at(b);
    return head_8(sc, d, OFFSET * d);
}

size_t matmul_iq3_xxs_avx2_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_iq3_xxs_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                         size_t x_stride, int64_t m, void *scratch)
{
    grid_bytes_make();
    struct k_codec codec = {.block = 98, .n_sub = 8, .steps = 1, .codes = unpack, .head = head};
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_iq3_xxs_avx2);
}
