/* Decode: NVFP4 rows times one Q8_0 activation row. Block of 64 columns: four scales, qs[32]; byte 8s + i holds columns
 * 16s + i (low) and 16s + 8 + i. Each run of 16 columns fills a lane of 128 bits, even runs apart from odd ones. */
#include "kernels/x86/matvec_blocks_avx512.h"
#include "kernels/x86/unpack_fp4_avx512.h"

enum { BLOCK = 36, X_BLOCK = 34 };

/* Values of the runs in `code` times x, whose sign takes that of the value. */
INLINE __m512 dot_runs(__m512i code, __m512i x, __m512 scale)
{
    __mmask64 minus = _mm512_test_epi8_mask(code, _mm512_set1_epi8(8));
    x = _mm512_mask_sub_epi8(x, minus, _mm512_setzero_si512(), x);
    __m512i magnitude = _mm512_shuffle_epi8(fp4_table(), _mm512_and_si512(code, _mm512_set1_epi8(7)));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_dpbusd_epi32(_mm512_setzero_si512(), magnitude, x)), scale);
}

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    const __m512i lane = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i even_run = _mm512_add_epi32(lane, lane), odd_run = _mm512_or_si512(even_run, _mm512_set1_epi32(1));
    const __m512i nibble = _mm512_set1_epi8(15);
    __m256i first = _mm256_loadu_si256((const __m256i *)(p + 4)), second = _mm256_setzero_si256();
    uint64_t u = rd_u32le(p);
    if (n > BLOCK) {
        second = _mm256_loadu_si256((const __m256i *)(p + BLOCK + 4));
        u |= (uint64_t)rd_u32le(p + BLOCK) << 32;
    }
    __m512i q = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    __m512i lo = _mm512_and_si512(q, nibble), hi = _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble);
    __m512 scale = _mm512_castps256_ps512(scales_nvfp4(_mm_cvtsi64_si128((int64_t)u))),
           dx = _mm512_castps128_ps512(_mm_load_ps(x->d));
    __m512 even =
        dot_runs(_mm512_unpacklo_epi64(lo, hi), _mm512_load_si512(x->lo), _mm512_permutexvar_ps(even_run, scale));
    __m512 odd =
        dot_runs(_mm512_unpackhi_epi64(lo, hi), _mm512_load_si512(x->hi), _mm512_permutexvar_ps(odd_run, scale));
    s->dot = _mm512_fmadd_ps(_mm512_add_ps(even, odd), _mm512_permutexvar_ps(lane, dx), s->dot);
}

void matvec_nvfp4_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 2 * BLOCK, X_BLOCK, 0, dot);
}
