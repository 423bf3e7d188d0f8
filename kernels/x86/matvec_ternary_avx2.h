/* Decode with TQ1_0 and TQ2_0 in AVX2. */
#ifndef KERNELS_X86_MATVEC_TERNARY_AVX2_H
#define KERNELS_X86_MATVEC_TERNARY_AVX2_H
#include "kernels/x86/matvec_k_avx2.h"
#include "kernels/x86/unpack_ternary_avx2.h"

/* All products fit in 16 bits together: 8 * 2 * 2 * 127. The offset of 1: the sum of x is taken off. */
INLINE void dot_ternary(struct row_sums *s, const uint8_t *b, const struct x_super *x,
                        __m256i (*codes)(const uint8_t *b, int c), float d)
{
    __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++)
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes(b, c), load32(x->code + 32 * c)));
    sum = _mm256_sub_epi32(pair_sums(sum), pair_sums(load32(x->sum16)));
    add_dot(s, sum, d * x->d);
}
#endif
