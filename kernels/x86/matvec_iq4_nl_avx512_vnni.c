/* Decode: IQ4_NL rows times one Q8_0 activation row. Block: d:f16, qs[16]; low nibbles are columns 0..15. */
#include "kernels/x86/matvec_blocks_avx512.h"
#include "kernels/x86/unpack_iq4_avx512.h"

enum { BLOCK = 18, X_BLOCK = 34, OFFSET = 128 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    const __m512i nibble = _mm512_set1_epi8(15), table = _mm512_xor_si512(iq4_table(), _mm512_set1_epi8((char)OFFSET));
    __m512i q = load_4x16(p + 2, BLOCK, n);
    __m512i lo = _mm512_and_si512(q, nibble), hi = _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble);
    group_dot(s, x, _mm512_shuffle_epi8(table, lo), _mm512_shuffle_epi8(table, hi), load_4_halves(p, BLOCK, n));
}

void matvec_iq4_nl_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 4 * BLOCK, X_BLOCK, OFFSET, dot);
}
