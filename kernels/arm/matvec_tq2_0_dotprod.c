/* Decode: TQ2_0 rows times one Q8_K activation row. */
#include "kernels/arm/matvec_k_neon.h"

void matvec_tq2_0_dotprod(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, codec_tq2_0());
}
