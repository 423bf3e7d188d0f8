/* Decode: TQ1_0 rows times one Q8_K activation row. Layout in kernels/formats/tq1_0.c. */
#include "kernels/x86/matvec_ternary_avx2.h"

enum { BLOCK = 54, SCALE = 52 };

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    dot_ternary(s, b, x, codes_tq1_0, half_at(b + SCALE));
}

void matvec_tq1_0_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, in_order, 0, dot);
}
