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

/* Four bytes from each of four blocks. */
INLINE __m128i load_4x4(const uint8_t *p, int block, int64_t n)
{
    return _mm_setr_epi32((int)rd_u32le(p), n > block ? (int)rd_u32le(p + block) : 0,
                          n > 2 * block ? (int)rd_u32le(p + 2 * block) : 0,
                          n > 3 * block ? (int)rd_u32le(p + 3 * block) : 0);
}

/* The same where a block begins with its scale and its minimum, both halves, at p. */
INLINE void group_dot_min(struct row_sums *s, const struct x_group *x, __m512i lo, __m512i hi, const uint8_t *p,
                          int block, int64_t n)
{
    const __m512i lane_of_block = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    __m512i sum = _mm512_dpbusd_epi32(_mm512_load_si512(x->start), lo, _mm512_load_si512(x->lo));
    sum = _mm512_dpbusd_epi32(sum, hi, _mm512_load_si512(x->hi));
    __m256 d_m = _mm256_mul_ps(_mm256_cvtph_ps(load_4x4(p, block, n)), _mm256_load_ps(x->d_s));
    __m512 scale = _mm512_permutexvar_ps(lane_of_block, _mm512_castps256_ps512(d_m));
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, s->dot);
    s->min = _mm256_mask_add_ps(s->min, 0xaa, s->min, d_m);
}
#endif
