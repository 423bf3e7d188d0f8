/* Decode: IQ2_XXS rows times one Q8_K activation row. */
#include "kernels/arm/matvec_k_neon.h"

void matvec_iq2_xxs_dotprod(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    grid_bytes_make();
    matvec_k(y, w, r0, r1, x, codec_iq2_xxs());
}
