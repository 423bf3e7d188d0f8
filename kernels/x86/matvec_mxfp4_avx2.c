/* Decode: MXFP4 rows times one Q8_0 activation row. Block: e:u8, qs[16]; low nibbles are columns 0..15. */
#include "kernels/x86/matvec_blocks_avx2.h"
#include "kernels/x86/unpack_fp4_avx2.h"

enum { BLOCK = 17, X_BLOCK = 34, OFFSET = 12 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m256 d = scales_mxfp4(_mm_cvtsi32_si128((int)load_4x1(p, BLOCK, n)));
    __m256 scales = group_scales(x, _mm256_castps256_ps128(d));
    __m256i nibble = _mm256_set1_epi8(15), offset = _mm256_set1_epi8(OFFSET);
    for (int i = 0; i < 2; i++) {
        __m256i q = load_2x16(p + 1, 2 * i, BLOCK, n);
        __m256i lo = fp4_values(_mm256_and_si256(q, nibble)),
                hi = fp4_values(_mm256_and_si256(_mm256_srli_epi16(q, 4), nibble));
        group_dot(s, x, i, _mm256_add_epi8(lo, offset), _mm256_add_epi8(hi, offset), scales);
    }
}

void matvec_mxfp4_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, OFFSET, dot);
}
