/* Decode: IQ2_S rows times one Q8_K activation row. Layout in kernels/formats/iq2_s.c. */
#include "kernels/x86/matvec_grid_avx2.h"

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m256i sum = dot_super(b, x, points_iq2_s, signs_iq2_s, even_odd(scales_iq2_s(b)));
    add_dot(s, sum, 0.125f * half_at(b) * x->d);
}

void matvec_iq2_s_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    grid_bytes_make();
    matvec_k(y, w, r0, r1, x, 82, in_order, 0, dot);
}
