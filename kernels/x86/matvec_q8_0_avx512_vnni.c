/* Decode: Q8_0 rows times one Q8_0 activation row. Block: d:f16, qs[32] signed; made unsigned by adding 128.
 */
#include "kernels/x86/matvec_blocks_avx512.h"

enum { BLOCK = 34, X_BLOCK = 34, OFFSET = 128 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m512i top = _mm512_set1_epi8((char)128);
    __m512i lo = _mm512_xor_si512(load_4x16(p + 2, BLOCK, n), top);
    __m512i hi = _mm512_xor_si512(load_4x16(p + 18, BLOCK, n), top);
    group_dot(s, x, lo, hi, load_4_halves(p, BLOCK, n));
}

void matvec_q8_0_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, OFFSET, dot);
}
