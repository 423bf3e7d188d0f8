/* Prefill: Q2_0 rows times Q8_0 activations. Layout in kernels/formats/q2_0.c. */
#include "kernels/x86/matmul_blocks_avx512.h"
#include "kernels/x86/unpack_bits_avx512.h"

enum { BLOCK = 18, X_BLOCK = 34 }; /* two blocks of x */

INLINE __m512i codes(const uint8_t *b, int c, int64_t n)
{
    (void)n;
    return _mm512_sub_epi8(codes_q2_0(b + c * BLOCK), _mm512_set1_epi8(1));
}

INLINE __m512 heads(const uint8_t *b, int64_t n)
{
    __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 8, 8, 8, 8, 8, 8, 8, 8);
    return _mm512_permutexvar_ps(twice, _mm512_zextps128_ps512(load_4_halves(b, BLOCK, n)));
}

size_t matmul_q2_0_avx512_vnni_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_q2_0_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {BLOCK, 2, X_BLOCK, false, 1, codes, heads};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q2_0_avx512_vnni);
}
