/* Prefill: MXFP4 rows times Q8_0 activations. Layout in kernels/formats/mxfp4.c. */
#include "kernels/x86/matmul_blocks_avx512.h"
#include "kernels/x86/unpack_fp4_avx512.h"

enum { BLOCK = 17, X_BLOCK = 34 };

INLINE __m512i codes(const uint8_t *b, int c, int64_t n)
{
    return _mm512_shuffle_epi8(fp4_table(), two_blocks_of_nibbles(b + 1, BLOCK, c, n));
}

INLINE __m512 heads(const uint8_t *b, int64_t n)
{
    uint64_t e = load_4x1(b, BLOCK, n);
    e |= n > 4 * BLOCK ? (uint64_t)load_4x1(b + 4 * BLOCK, BLOCK, n - 4 * BLOCK) << 32 : 0;
    return _mm512_zextps256_ps512(scales_mxfp4(_mm_cvtsi64_si128((int64_t)e)));
}

size_t matmul_mxfp4_avx512_vnni_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_mxfp4_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                              size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {BLOCK, 1, X_BLOCK, false, 1, codes, heads};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_mxfp4_avx512_vnni);
}
