/* Decode: IQ3_XXS rows times one Q8_K activation row. Layout in kernels/formats/iq3_xxs.c. */
#include "kernels/x86/matvec_grid_vbmi.h"

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    const struct grid_table table = {grid_bytes.iq3xxs_levels, 256, 4, LEVELS_IQ3_XXS};
    __m256i signs = even_signs_of_words(_mm256_loadu_si256((const __m256i *)(b + 66)));
    struct grid_super g = {{words_of_bytes(b + 2), words_of_bytes(b + 34)}, signs};
    add_dot(s, dot_looked_up(g, table, x, _mm256_cvtepi8_epi16(scales_iq3_xxs(b)), scale_of_32),
            0.25f * half_at(b) * x->d);
}

void matvec_iq3_xxs_avx512_vbmi(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    grid_bytes_make();
    matvec_k(y, w, r0, r1, x, 98, in_order, 0, dot);
}
