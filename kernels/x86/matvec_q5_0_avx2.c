/* Decode: Q5_0 rows times one Q8_0 activation row. Block: d:f16, qh[4], qs[16]; bit j of qh is bit 4 of
 * column j. */
#include "kernels/x86/matvec_blocks_avx2.h"

enum { BLOCK = 22, X_BLOCK = 34, OFFSET = 16 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m256 scales = group_scales(x, load_4_halves(p, BLOCK, n));
    __m256i nibble = _mm256_set1_epi8(15);
    for (int i = 0; i < 2; i++) {
        __m256i q = load_2x16(p + 6, 2 * i, BLOCK, n);
        __m256i lo = _mm256_and_si256(q, nibble), hi = _mm256_and_si256(_mm256_srli_epi16(q, 4), nibble);
        lo = _mm256_or_si256(lo, high_bits(p + 2, 2 * i, 0, BLOCK, n));
        hi = _mm256_or_si256(hi, high_bits(p + 2, 2 * i, 1, BLOCK, n));
        group_dot(s, x, i, lo, hi, scales);
    }
}

void matvec_q5_0_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, OFFSET, dot);
}
