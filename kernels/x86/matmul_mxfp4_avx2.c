/* Prefill: MXFP4 rows times Q8_0 activations. Layout in kernels/formats/mxfp4.c. */
#include "kernels/x86/matmul_blocks_avx2.h"
#include "kernels/x86/unpack_fp4_avx2.h"

enum { OFFSET = 12 };

INLINE __m256i unpack(const uint8_t *b, int part)
{
    (void)part;
    return _mm256_add_epi8(fp4_values(block_of_nibbles(b + 1)), _mm256_set1_epi8(OFFSET));
}

INLINE float scale(const uint8_t *b, int run)
{
    (void)run;
    return _mm256_cvtss_f32(scales_mxfp4(_mm_cvtsi32_si128(b[0])));
}

size_t matmul_mxfp4_avx2_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_mxfp4_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                       size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {.block = 17,
                                .x_block = 34,
                                .steps = 4,
                                .offset = OFFSET,
                                .codes = unpack,
                                .x_blocks = 1,
                                .halves = 1,
                                .scale = scale};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_mxfp4_avx2);
}
