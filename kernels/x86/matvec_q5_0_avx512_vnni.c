/* Decode: Q5_0 rows times one Q8_0 activation row. Block: d:f16, qh[4], qs[16]; bit j of qh is bit 4 of
 * column j. */
#include "kernels/x86/matvec_blocks_avx512.h"

enum { BLOCK = 22, X_BLOCK = 34, OFFSET = 16 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m512i q = load_4x16(p + 6, BLOCK, n), nibble = _mm512_set1_epi8(15), high = _mm512_set1_epi8(16);
    __m512i lo = _mm512_and_si512(q, nibble), hi = _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble);
    lo = _mm512_mask_add_epi8(lo, load_4x2(p + 2, BLOCK, n), lo, high);
    hi = _mm512_mask_add_epi8(hi, load_4x2(p + 4, BLOCK, n), hi, high);
    group_dot(s, x, lo, hi, load_4_halves(p, BLOCK, n));
}

void matvec_q5_0_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, OFFSET, dot);
}
