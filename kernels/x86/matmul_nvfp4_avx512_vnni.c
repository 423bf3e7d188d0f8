/* Prefill: NVFP4 rows times Q8_0 activations. Layout in kernels/formats/nvfp4.c. */
#include "kernels/x86/matmul_blocks_avx512.h"
#include "kernels/x86/unpack_fp4_avx512.h"

enum { BLOCK = 36, X_BLOCK = 34 }; /* two blocks of x */

INLINE __m512i codes(const uint8_t *b, int c, int64_t n)
{
    (void)n;
    __m256i q = _mm256_loadu_si256((const __m256i *)(b + c * BLOCK + 4)); /* four times 8 bytes of 16 columns */
    __m256i lo = _mm256_and_si256(q, _mm256_set1_epi8(15)),
            hi = _mm256_and_si256(_mm256_srli_epi16(q, 4), _mm256_set1_epi8(15));
    __m256i even = _mm256_unpacklo_epi64(lo, hi), odd = _mm256_unpackhi_epi64(lo, hi); /* runs 0 2 and 1 3 */
    __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1);
    return _mm512_shuffle_epi8(fp4_table(), _mm512_shuffle_i32x4(v, v, 0xd8));
}

INLINE __m512 heads(const uint8_t *b, int64_t n)
{
    uint64_t lo = rd_u32le(b), hi = 0;
    lo |= n > BLOCK ? (uint64_t)rd_u32le(b + BLOCK) << 32 : 0;
    hi |= n > 2 * BLOCK ? rd_u32le(b + 2 * BLOCK) : 0;
    hi |= n > 3 * BLOCK ? (uint64_t)rd_u32le(b + 3 * BLOCK) << 32 : 0;
    __m256 first = scales_nvfp4(_mm_cvtsi64_si128((int64_t)lo)), second = scales_nvfp4(_mm_cvtsi64_si128((int64_t)hi));
    return _mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1);
}

size_t matmul_nvfp4_avx512_vnni_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_nvfp4_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                              size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {BLOCK, 2, X_BLOCK, false, 2, codes, heads};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_nvfp4_avx512_vnni);
}
