/* Decode: TQ1_0 rows times one Q8_K activation row. Layout in kernels/formats/tq1_0.c. */
#include "kernels/x86/matvec_k_avx2.h"
#include "kernels/x86/unpack_ternary_avx2.h"

enum { BLOCK = 54, SCALE = 52 };

/* All products fit in 16 bits together: 8 * 2 * 2 * 127. The offset of 1: the sum of x is taken off. */
INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++)
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes_tq1_0(b, c), load32(x->code + 32 * c)));
    sum = _mm256_sub_epi32(pair_sums(sum), pair_sums(load32(x->sum16)));
    add_dot(s, sum, half_at(b + SCALE) * x->d);
}

void matvec_tq1_0_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, in_order, 0, dot);
}
