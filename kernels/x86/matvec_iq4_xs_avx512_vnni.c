/* Decode: IQ4_XS rows times one Q8_K activation row. Layout in kernels/formats/iq4_xs.c. Four products of up to 127 *
 * 127 need more than 16 bits, so each sum is scaled as f32. */
#include "kernels/x86/grid_bits.h"
#include "kernels/x86/matvec_k_avx512.h"
#include "kernels/x86/unpack_iq4_avx512.h"

enum { BLOCK = 136, OFFSET = 128 };
static const uint8_t order[8] = {0, 1, 2, 3, 4, 5, 6, 7};

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    const __m512i upper = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi32(1), 1);
    __m512 sc = _mm512_castps256_ps512(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scales_iq4_xs(b))));
    __m512 sum = _mm512_setzero_ps();
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        __m512i code = _mm512_xor_si512(values_iq4_xs(b, c), _mm512_set1_epi8((char)OFFSET)); /* value + 128 */
        __m512i v =
            _mm512_dpbusd_epi32(_mm512_load_si512(x->start.of4 + 16 * c), code, _mm512_load_si512(x->code + 64 * c));
        __m512 scale = _mm512_permutexvar_ps(_mm512_add_epi32(upper, _mm512_set1_epi32(2 * c)), sc);
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(v), scale, sum);
    }
    s->dot = _mm512_fmadd_ps(sum, _mm512_set1_ps(half_at(b) * x->d), s->dot);
}

void matvec_iq4_xs_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, OFFSET, dot);
}
