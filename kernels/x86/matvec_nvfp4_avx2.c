/* Decode: NVFP4 rows times one Q8_0 activation row. Layout in matvec_nvfp4_avx512_vnni.c. */
#include "kernels/x86/matvec_blocks_avx2.h"
#include "kernels/x86/unpack_fp4_avx2.h"

enum { BLOCK = 36, X_BLOCK = 34 };

/* Two runs of 16 columns, one to a lane, times x. */
INLINE __m256 dot_runs(__m256i code, __m256i x, __m256 scale)
{
    return _mm256_mul_ps(_mm256_cvtepi32_ps(pair_sums(products_signed(fp4_values(code), x))), scale);
}

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    const __m256i even_run = _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2),
                  odd_run = _mm256_or_si256(even_run, _mm256_set1_epi32(1));
    const __m256i nibble = _mm256_set1_epi8(15);
    for (int i = 0; i < 2 && n > i * BLOCK; i++, p += BLOCK) {
        __m256i q = load32(p + 4), lo = _mm256_and_si256(q, nibble),
                hi = _mm256_and_si256(_mm256_srli_epi16(q, 4), nibble);
        __m256 scale = scales_nvfp4(_mm_cvtsi32_si128((int)rd_u32le(p)));
        __m256 dx = _mm256_setr_m128(_mm_set1_ps(x->d[2 * i]), _mm_set1_ps(x->d[2 * i + 1]));
        __m256 even =
            dot_runs(_mm256_unpacklo_epi64(lo, hi), load32(x->lo + 32 * i), _mm256_permutevar8x32_ps(scale, even_run));
        __m256 odd =
            dot_runs(_mm256_unpackhi_epi64(lo, hi), load32(x->hi + 32 * i), _mm256_permutevar8x32_ps(scale, odd_run));
        s->dot = _mm256_fmadd_ps(_mm256_add_ps(even, odd), dx, s->dot);
    }
}

void matvec_nvfp4_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 2 * BLOCK, X_BLOCK, 0, dot);
}
