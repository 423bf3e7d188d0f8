/* Decode: Q5_K rows times one Q8_K activation row. */
#include "kernels/arm/matvec_k_neon.h"

void matvec_q5_k_dotprod(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, codec_q5_k());
}
