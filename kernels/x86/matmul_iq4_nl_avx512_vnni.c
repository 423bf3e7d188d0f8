/* Prefill: IQ4_NL rows times Q8_0 activations. Layout in kernels/formats/iq4_nl.c. */
#include "kernels/x86/matmul_blocks_avx512.h"
#include "kernels/x86/unpack_iq4_avx512.h"

enum { BLOCK = 18, X_BLOCK = 34 };

INLINE __m512i codes(const uint8_t *b, int c, int64_t n)
{
    return _mm512_shuffle_epi8(iq4_table(), two_blocks_of_nibbles(b + 2, BLOCK, c, n));
}

INLINE __m512 heads(const uint8_t *b, int64_t n)
{
    return heads_d(b, BLOCK, n);
}

size_t matmul_iq4_nl_avx512_vnni_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_iq4_nl_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                               size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {BLOCK, 1, X_BLOCK, false, 1, codes, heads};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_iq4_nl_avx512_vnni);
}
