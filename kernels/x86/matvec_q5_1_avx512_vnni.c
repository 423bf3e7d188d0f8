/* Decode: Q5_1 rows times one Q8_1 activation row. Block: d:f16, m:f16, qh[4], qs[16]; value q d + m. */
#include "kernels/x86/matvec_blocks_avx512.h"

enum { BLOCK = 24, X_BLOCK = 36, OFFSET = 0 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m512i q = load_4x16(p + 8, BLOCK, n), nibble = _mm512_set1_epi8(15), high = _mm512_set1_epi8(16);
    __m512i lo = _mm512_and_si512(q, nibble), hi = _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble);
    lo = _mm512_mask_add_epi8(lo, load_4x2(p + 4, BLOCK, n), lo, high);
    hi = _mm512_mask_add_epi8(hi, load_4x2(p + 6, BLOCK, n), hi, high);
    group_dot_min(s, x, lo, hi, p, BLOCK, n);
}

void matvec_q5_1_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, OFFSET, dot);
}
