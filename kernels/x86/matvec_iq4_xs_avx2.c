/* Decode: IQ4_XS rows times one Q8_K activation row. Layout in kernels/formats/iq4_xs.c. */
#include "kernels/x86/grid_bits.h"
#include "kernels/x86/matvec_k_avx2.h"
#include "kernels/x86/unpack_iq4_avx2.h"

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m256i sc = _mm256_broadcastsi128_si256(_mm_cvtepi8_epi16(scales_iq4_xs(b))), acc = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) {
        __m256i word = _mm256_set1_epi16((int16_t)(2 * c | (2 * c + 1) << 8));
        __m256i sum = products_signed(values_iq4_xs(b, c), load32(x->code + 32 * c));
        acc = _mm256_add_epi32(acc, _mm256_madd_epi16(sum, _mm256_shuffle_epi8(sc, word)));
    }
    add_dot(s, acc, half_at(b) * x->d);
}

void matvec_iq4_xs_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, 136, in_order, 0, dot);
}
