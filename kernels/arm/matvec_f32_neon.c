/* Decode: F32 rows times one F32 activation row. */
#include "kernels/arm/float_rows_neon.h"

void matvec_f32_neon(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_float(y, w, r0, r1, x, FLOAT_F32);
}
