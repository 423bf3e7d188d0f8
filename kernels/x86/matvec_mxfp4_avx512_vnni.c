/* Decode: MXFP4 rows times one Q8_0 activation row. Block: e:u8, qs[16]; low nibbles are columns 0..15. */
#include "kernels/x86/matvec_blocks_avx512.h"
#include "kernels/x86/unpack_fp4_avx512.h"

enum { BLOCK = 17, X_BLOCK = 34, OFFSET = 12 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    const __m512i nibble = _mm512_set1_epi8(15), table = _mm512_add_epi8(fp4_table(), _mm512_set1_epi8(OFFSET));
    __m512i q = load_4x16(p + 1, BLOCK, n);
    __m512i lo = _mm512_and_si512(q, nibble), hi = _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble);
    __m256 d = scales_mxfp4(_mm_cvtsi32_si128((int)load_4x1(p, BLOCK, n)));
    group_dot(s, x, _mm512_shuffle_epi8(table, lo), _mm512_shuffle_epi8(table, hi), _mm256_castps256_ps128(d));
}

void matvec_mxfp4_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, OFFSET, dot);
}
