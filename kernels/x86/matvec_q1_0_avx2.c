/* Decode: Q1_0 rows times one Q8_0 activation row. Block of 128 columns: d:f16, one bit a column, 1: plus. Codes are 0
 * and 16, that is -8 and 8 times an eighth of d. */
#include "kernels/x86/matvec_blocks_avx2.h"

enum { BLOCK = 18, X_BLOCK = 34, OFFSET = 8 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m256 scales = group_scales(x, _mm_set1_ps(0.125f * half_at(p)));
    for (int i = 0; i < 2; i++)
        group_dot(s, x, i, high_bits(p + 2, 2 * i, 0, 4, n), high_bits(p + 2, 2 * i, 1, 4, n), scales);
}

void matvec_q1_0_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, BLOCK, X_BLOCK, OFFSET, dot);
}
