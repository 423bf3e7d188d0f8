/* Decode: IQ1_S rows times one Q8_K activation row. Layout in kernels/formats/iq1_s.c. */
#include "kernels/x86/matvec_grid_avx512.h"

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m512i sc = _mm512_castsi256_si512(_mm256_cvtepi8_epi16(scales_iq1_s(b))), acc = _mm512_setzero_si512();
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
        acc = dot_pair(acc, points_iq1_s(b, 2 * i), points_iq1_s(b, 2 * i + 1), x, i, scale_of_32, sc, true);
    add_dot(s, acc, 0.125f * half_at(b) * x->d);
}

void matvec_iq1_s_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    grid_bytes_make();
    matvec_k(y, w, r0, r1, x, 50, in_order, OFFSET_IQ1, dot);
}
