/* Prefill: Q1_0 rows times Q8_0 activations. Layout in kernels/formats/q1_0.c. */
#include "kernels/x86/matmul_blocks_avx512.h"

enum { BLOCK = 18, X_BLOCK = 34 }; /* four blocks of x */

INLINE __m512i codes(const uint8_t *b, int c, int64_t n)
{
    (void)n;
    __mmask64 plus = _cvtu64_mask64(rd_u64le(b + c / 2 * BLOCK + 2 + c % 2 * 8));
    return _mm512_mask_mov_epi8(_mm512_set1_epi8(-1), plus, _mm512_set1_epi8(1));
}

INLINE __m512 heads(const uint8_t *b, int64_t n)
{
    __m512i four_times = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 8, 8, 8, 8, 8, 8, 8, 8);
    float second = n > BLOCK ? half_at(b + BLOCK) : 0;
    return _mm512_permutexvar_ps(four_times, _mm512_zextps128_ps512(_mm_setr_ps(half_at(b), second, 0, 0)));
}

size_t matmul_q1_0_avx512_vnni_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_q1_0_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                             size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {BLOCK, 4, X_BLOCK, false, 1, codes, heads};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_q1_0_avx512_vnni);
}
