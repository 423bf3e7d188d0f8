/* One group of four blocks of 32 in AVX-512 VNNI: two dpbusd, one convert and one FMA. */
#ifndef KERNELS_X86_MATVEC_BLOCKS_AVX512_H
#define KERNELS_X86_MATVEC_BLOCKS_AVX512_H
#include "kernels/x86/avx512.h"
#include "kernels/x86/matvec_blocks.h"

/* lo, hi: codes 0..255 of the group; d: the four scales. */
INLINE void group_dot(struct row_sums *s, const struct x_group *x, __m512i lo, __m512i hi, __m128 d)
{
    __m512i lane_of_block = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    __m512i sum = _mm512_dpbusd_epi32(_mm512_load_si512(x->start), lo, _mm512_load_si512(x->lo));
    sum = _mm512_dpbusd_epi32(sum, hi, _mm512_load_si512(x->hi));
    __m512 scale = _mm512_castps128_ps512(_mm_mul_ps(d, _mm_load_ps(x->d)));
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_permutexvar_ps(lane_of_block, scale), s->dot);
}

INLINE void group_min(struct row_sums *s, const struct x_group *x, __m128 m)
{
    s->min = _mm256_add_ps(s->min, _mm256_zextps128_ps256(_mm_mul_ps(m, _mm_load_ps(x->s))));
}
#endif
