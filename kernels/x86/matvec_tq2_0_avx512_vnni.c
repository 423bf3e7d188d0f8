/* Decode: TQ2_0 rows times one Q8_K activation row. Layout in kernels/formats/tq2_0.c. */
#include "kernels/x86/matvec_k_avx512.h"
#include "kernels/x86/unpack_ternary_avx512.h"

enum { BLOCK = 66, SCALE = 64 };
static const uint8_t order[16] = PIECES(0, 4, 1, 5, 2, 6, 3, 7);

/* The offset of 1: the sum of x is taken off. */
INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m512i sum = offset_sum(_mm256_set1_epi16(1), x, 0);
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++)
        sum = _mm512_dpbusd_epi32(sum, codes_tq2_0(b, c), _mm512_load_si512(x->code + 64 * c));
    add_dot(s, sum, half_at(b + SCALE) * x->d);
}

void matvec_tq2_0_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, 0, dot);
}
