/* Decode: Q8_0 rows times one Q8_0 activation row. Block: d:f16, qs[32] signed.
 * maddubs wants one side unsigned: |w| times x with the sign of w. 128 * 127 * 2 still fits in 16 bits. */
#include "kernels/x86/matvec_blocks_avx2.h"

enum { BLOCK = 34, X_BLOCK = 34, OFFSET = 0 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m256 scales = group_scales(x, load_4_halves(p, BLOCK, n));
    for (int i = 0; i < 2; i++) {
        __m256i lo = load_2x16(p + 2, 2 * i, BLOCK, n), hi = load_2x16(p + 18, 2 * i, BLOCK, n);
        __m256i xlo = _mm256_sign_epi8(load32(x->lo + 32 * i), lo), xhi = _mm256_sign_epi8(load32(x->hi + 32 * i), hi);
        __m256i a = pair_sums(_mm256_maddubs_epi16(_mm256_abs_epi8(lo), xlo));
        __m256i b = pair_sums(_mm256_maddubs_epi16(_mm256_abs_epi8(hi), xhi));
        group_add(s, x, i, _mm256_add_epi32(a, b), scales);
    }
}

void matvec_q8_0_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, OFFSET, dot);
}
