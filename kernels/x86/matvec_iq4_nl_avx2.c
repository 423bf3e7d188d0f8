/* Decode: IQ4_NL rows times one Q8_0 activation row. Block: d:f16, qs[16]; low nibbles are columns 0..15. */
#include "kernels/x86/matvec_blocks_avx2.h"
#include "kernels/x86/unpack_iq4_avx2.h"

enum { BLOCK = 18, X_BLOCK = 34 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m256 scales = group_scales(x, load_4_halves(p, BLOCK, n));
    __m256i nibble = _mm256_set1_epi8(15);
    for (int i = 0; i < 2; i++) {
        __m256i q = load_2x16(p + 2, 2 * i, BLOCK, n);
        __m256i lo = iq4_values(_mm256_and_si256(q, nibble)),
                hi = iq4_values(_mm256_and_si256(_mm256_srli_epi16(q, 4), nibble));
        __m256i sum = _mm256_add_epi32(pair_sums(products_signed(lo, load32(x->lo + 32 * i))),
                                       pair_sums(products_signed(hi, load32(x->hi + 32 * i))));
        group_add(s, x, i, sum, scales);
    }
}

void matvec_iq4_nl_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, 0, dot);
}
