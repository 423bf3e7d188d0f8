/* Superblocks in AVX-512 VNNI. dpbusd leaves sums of 4 products, which fit in 16 bits; two such vectors are
 * packed into one of words and multiplied by the integer sub-scales with dpwssd, so a superblock ends in one
 * convert and one FMA. */
#ifndef KERNELS_X86_MATVEC_K_AVX512_H
#define KERNELS_X86_MATVEC_K_AVX512_H
#include "kernels/x86/avx512.h"
#include "kernels/x86/matvec_k.h"

/* Words 4i..4i+3 of a pack of two dpbusd results belong to sub-block first[i]. */
#define WORDS4(s) s, s, s, s
#define PACK(a, b, c, d, e, f, g, h)                                                                                   \
    WORDS4(a), WORDS4(b), WORDS4(c), WORDS4(d), WORDS4(e), WORDS4(f), WORDS4(g), WORDS4(h)

/* acc += the two sums of 64 columns, each times its sub-block's word of sc, which scale[] picks. */
INLINE __m512i add_pair(__m512i acc, __m512i lo, __m512i hi, const int16_t scale[32], __m512i sc)
{
    sc = _mm512_permutexvar_epi16(_mm512_loadu_si512(scale), sc);
    return _mm512_dpwssd_epi32(acc, _mm512_packs_epi32(lo, hi), sc);
}

/* acc += codes * x * scale over the 128 columns of pair i. */
INLINE __m512i dot_pair(__m512i acc, __m512i lo, __m512i hi, const struct x_super *x, int i, const int16_t scale[2][32],
                        __m512i sc)
{
    lo = _mm512_dpbusd_epi32(_mm512_setzero_si512(), lo, _mm512_load_si512(x->code + 128 * i));
    hi = _mm512_dpbusd_epi32(_mm512_setzero_si512(), hi, _mm512_load_si512(x->code + 128 * i + 64));
    return add_pair(acc, lo, hi, scale[i], sc);
}

/* What an offset of 1 << bits in all codes takes off: the sums of 16 columns times their scales. */
INLINE __m512i offset_sum(__m256i sc, const struct x_super *x, int bits)
{
    __m256i sum = _mm256_madd_epi16(sc, _mm256_loadu_si256((const __m256i *)x->sum16));
    return _mm512_zextsi256_si512(_mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(sum, bits)));
}

INLINE void add_dot(struct row_sums *s, __m512i dot, float d)
{
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_set1_ps(d), s->dot);
}

/* d and dmin times the activations' scale, added to the sums. */
INLINE void add_scaled(struct row_sums *s, __m512i dot, __m256i min, uint32_t d_dmin, float x_d)
{
    __m128 d = _mm_mul_ps(_mm_cvtph_ps(_mm_cvtsi32_si128((int)d_dmin)), _mm_set1_ps(x_d));
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_broadcastss_ps(d), s->dot);
    s->min = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(min), _mm256_broadcastss_ps(_mm_movehdup_ps(d)), s->min);
}
#endif
