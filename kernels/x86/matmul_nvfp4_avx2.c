/* Prefill: NVFP4 rows times Q8_0 activations. Layout in kernels/formats/nvfp4.c. */
#include "kernels/x86/matmul_blocks_avx2.h"
#include "kernels/x86/unpack_fp4_avx2.h"

/* Columns 32 * part: two runs of 8 bytes, each with its low nibbles first. */
INLINE __m256i unpack(const uint8_t *b, int part)
{
    __m128i q = _mm_loadu_si128((const __m128i *)(b + 4 + 16 * part)), nibble = _mm_set1_epi8(15);
    __m128i lo = _mm_and_si128(q, nibble), hi = _mm_and_si128(_mm_srli_epi16(q, 4), nibble);
    return fp4_values(_mm256_setr_m128i(_mm_unpacklo_epi64(lo, hi), _mm_unpackhi_epi64(lo, hi)));
}

INLINE float scale(const uint8_t *b, int run)
{
    return _mm256_cvtss_f32(scales_nvfp4(_mm_cvtsi32_si128(b[run])));
}

size_t matmul_nvfp4_avx2_scratch(int64_t k)
{
    return block_scratch(k);
}

void matmul_nvfp4_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                       size_t x_stride, int64_t m, void *scratch)
{
    struct block_codec codec = {.block = 36,
                                .x_block = 34,
                                .steps = 1,
                                .is_signed = true,
                                .codes = unpack,
                                .x_blocks = 2,
                                .halves = 2,
                                .scale = scale};
    matmul_blocks(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_nvfp4_avx2);
}
