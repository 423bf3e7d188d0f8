/* Decode: IQ1_M rows times one Q8_K activation row. Layout in kernels/formats/iq1_m.c. */
#include "kernels/x86/matvec_grid_avx2.h"

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    add_dot(s, dot_shifted(b, x, points_iq1_m, even_odd(scales_iq1_m(b))), 0.125f * d_iq1_m(b) * x->d);
}

void matvec_iq1_m_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    grid_bytes_make();
    matvec_k(y, w, r0, r1, x, 56, in_order, OFFSET_IQ1, dot);
}
