/* Decode: IQ3_S rows times one Q8_K activation row. Layout in kernels/formats/iq3_s.c. */
#include "kernels/x86/matvec_grid_avx2.h"

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m256i sum = dot_super(b, x, points_iq3_s, signs_iq3_s, in_both_lanes(scales_iq3_s(b)));
    add_dot(s, sum, half_at(b) * x->d);
}

void matvec_iq3_s_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    grid_bytes_make();
    matvec_k(y, w, r0, r1, x, 110, in_order, 0, dot);
}
