/* Decode: BitNet's layouts TL1 and TL2 with sdot. */
#include "kernels/arm/tl_neon.h"

#define SUMS int32x4_t
INLINE SUMS sums_zero(void)
{
    return vdupq_n_s32(0);
}
INLINE int32_t sums_total(SUMS s)
{
    return vaddvq_s32(s);
}
INLINE SUMS sums_dot(SUMS s, struct tl_chunk c, const int8_t *x, const int parts)
{
    int8x16_t v[4];
    tl_codes(v, c, parts);
#pragma GCC unroll 4
    for (int p = 0; p < parts; p++)
        s = vdotq_s32(s, v[p], vld1q_s8(x + LANES * p));
    return s;
}
#include "kernels/matvec_tl.h"

void matvec_tl_dotprod(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_tl(y, w, r0, r1, x);
}
