/* Decode: BF16 rows times one BF16 activation row, in f32. */
#include "kernels/x86/matvec_float_avx2.h"

void matvec_bf16_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_float(y, w, r0, r1, x, FLOAT_BF16);
}
