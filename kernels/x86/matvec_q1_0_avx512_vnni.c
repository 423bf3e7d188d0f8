/* Decode: Q1_0 rows times one Q8_0 activation row. Block of 128 columns: d:f16, one bit a column, 1: plus. */
#include "kernels/x86/matvec_blocks_avx512.h"

enum { BLOCK = 18, X_BLOCK = 34 };

INLINE __m512i negated_but(uint64_t plus, __m512i x)
{
    return _mm512_mask_sub_epi8(x, _cvtu64_mask64(~plus), _mm512_setzero_si512(), x);
}

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    const __m128i even_odd = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const __m512i lane = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3), one = _mm512_set1_epi8(1);
    (void)n; /* a block is a whole group */
    __m128i bits = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 2)), even_odd);
    __m512i lo = negated_but((uint64_t)_mm_cvtsi128_si64(bits), _mm512_load_si512(x->lo)),
            hi = negated_but((uint64_t)_mm_extract_epi64(bits, 1), _mm512_load_si512(x->hi));
    __m512i sum = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), one, lo), one, hi);
    __m128 d = _mm_mul_ps(_mm_set1_ps(half_at(p)), _mm_load_ps(x->d));
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_permutexvar_ps(lane, _mm512_castps128_ps512(d)), s->dot);
}

void matvec_q1_0_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, BLOCK, X_BLOCK, 0, dot);
}
