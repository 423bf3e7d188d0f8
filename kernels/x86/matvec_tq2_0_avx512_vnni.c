/* Decode: TQ2_0 rows times one Q8_K activation row. Layout in kernels/formats/tq2_0.c. */
#include "kernels/x86/matvec_k_avx512.h"
#include "kernels/x86/unpack_ternary_avx512.h"

enum { BLOCK = 66, SCALE = 64 };
static const uint8_t order[16] = PIECES(0, 4, 1, 5, 2, 6, 3, 7);

/* The offset of 1: the sum of x is taken off. */
INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m512i sum = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++)
        sum = _mm512_dpbusd_epi32(sum, codes_tq2_0(b, c), _mm512_load_si512(x->code + 64 * c));
    __m256 d = _mm256_set1_ps(half_at(b + SCALE) * x->d);
    __m256i all = _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)x->sum16), _mm256_set1_epi16(1));
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_broadcastss_ps(_mm256_castps256_ps128(d)), s->dot);
    s->min = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(all), d, s->min);
}

void matvec_tq2_0_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, 0, dot);
}
