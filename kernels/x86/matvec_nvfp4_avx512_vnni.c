/* Decode: NVFP4 rows times one Q8_0 activation row. Block of 64 columns: four scales, qs[32]; byte 8s + i holds columns
 * 16s + i (low) and 16s + 8 + i. Each run of 16 columns fills a lane of 128 bits, even runs apart from odd ones. */
#include "kernels/x86/matvec_blocks_avx512.h"
#include "kernels/x86/unpack_fp4_avx512.h"

enum { BLOCK = 36, X_BLOCK = 34, OFFSET = 12 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    const __m512i even_run = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    const __m512i odd_run = _mm512_or_si512(even_run, _mm512_set1_epi32(1)), nibble = _mm512_set1_epi8(15);
    const __m512i table = _mm512_add_epi8(fp4_table(), _mm512_set1_epi8(OFFSET)), ones = _mm512_set1_epi8(OFFSET);
    __m256i first = _mm256_loadu_si256((const __m256i *)(p + 4)), second = _mm256_setzero_si256();
    uint64_t u = rd_u32le(p);
    if (n > BLOCK) {
        second = _mm256_loadu_si256((const __m256i *)(p + BLOCK + 4));
        u |= (uint64_t)rd_u32le(p + BLOCK) << 32;
    }
    __m512i q = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    __m512i lo = _mm512_shuffle_epi8(table, _mm512_and_si512(q, nibble));
    __m512i hi = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble));
    __m512i x_lo = _mm512_load_si512(x->lo), x_hi = _mm512_load_si512(x->hi), none = _mm512_setzero_si512();
    __m512i even = _mm512_sub_epi32(_mm512_dpbusd_epi32(none, _mm512_unpacklo_epi64(lo, hi), x_lo),
                                    _mm512_dpbusd_epi32(none, ones, x_lo));
    __m512i odd = _mm512_sub_epi32(_mm512_dpbusd_epi32(none, _mm512_unpackhi_epi64(lo, hi), x_hi),
                                   _mm512_dpbusd_epi32(none, ones, x_hi));
    __m256 d = _mm256_castps128_ps256(_mm_load_ps(x->d));
    d = _mm256_permutevar8x32_ps(d, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
    __m512 scale = _mm512_castps256_ps512(_mm256_mul_ps(scales_nvfp4(_mm_cvtsi64_si128((int64_t)u)), d));
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(even), _mm512_permutexvar_ps(even_run, scale), s->dot);
    s->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(odd), _mm512_permutexvar_ps(odd_run, scale), s->dot);
}

void matvec_nvfp4_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 2 * BLOCK, X_BLOCK, 0, dot);
}
