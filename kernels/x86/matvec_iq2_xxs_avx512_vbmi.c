/* Decode: IQ2_XXS rows times one Q8_K activation row. Layout in kernels/formats/iq2_xxs.c. */
#include "kernels/x86/matvec_grid_vbmi.h"

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    const struct grid_table table = {grid_bytes.iq2xxs_levels, 256, 8, 0};
    __m512i bits = _mm512_loadu_si512(b + 2); /* per 32 columns: 4 indices, a word of signs */
    __m512i index = _mm512_cvtepu8_epi16(_mm512_cvtepi64_epi32(bits));
    __m256i signs = _mm512_cvtepi64_epi32(_mm512_srli_epi64(bits, 32)), one = _mm256_set1_epi32(1);
    __m256i sc = _mm256_or_si256(_mm256_slli_epi32(_mm256_srli_epi32(signs, 28), 1), one);
    struct grid_super g = {{index}, even_signs_of_words(signs)};
    add_dot(s, dot_looked_up(g, table, x, _mm256_castsi128_si256(_mm256_cvtepi32_epi16(sc)), scale_of_32),
            0.125f * half_at(b) * x->d);
}

void matvec_iq2_xxs_avx512_vbmi(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    grid_bytes_make();
    matvec_k(y, w, r0, r1, x, 66, in_order, 0, dot);
}
