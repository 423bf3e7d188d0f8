/* Decode: Q4_1 rows times one Q8_1 activation row. */
#include "kernels/arm/matvec_blocks_neon.h"

void matvec_q4_1_dotprod(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, codec_q4_1());
}
