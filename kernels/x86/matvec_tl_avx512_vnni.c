/* Decode: BitNet's layouts TL1 and TL2 in AVX-512 VNNI. */
#include "kernels/x86/tl_avx512.h"

#define SUMS __m512i
INLINE SUMS sums_zero(void)
{
    return _mm512_setzero_si512();
}
INLINE int32_t sums_total(SUMS s)
{
    return _mm512_reduce_add_epi32(s);
}
INLINE SUMS sums_dot(SUMS s, struct tl_chunk c, const int8_t *x, const int parts)
{
    __m512i v[4];
    tl_codes(v, c, parts);
#pragma GCC unroll 4
    for (int p = 0; p < parts; p++)
        s = _mm512_dpbusd_epi32(s, v[p], _mm512_load_si512(x + LANES * p));
    return s;
}
#include "kernels/matvec_tl.h"

void matvec_tl_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_tl(y, w, r0, r1, x);
}
