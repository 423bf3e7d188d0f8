/* The scales of MXFP4 and NVFP4 of GGUF, both half of what the type says because values are doubled. */
#ifndef KERNELS_X86_SCALES_FP4_H
#define KERNELS_X86_SCALES_FP4_H
#include "kernels/x86/x86.h"

/* 2^(e - 128) of 8 bytes; subnormal for e < 2. */
INLINE __m256 scales_mxfp4(__m128i e)
{
    __m256i v = _mm256_cvtepu8_epi32(e), one = _mm256_set1_epi32(1);
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(v, one), 23),
            small = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), v);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(small, normal, _mm256_cmpgt_epi32(v, one)));
}

/* Half of 8 unsigned E4M3 numbers; 0x7f stands for 0. As f16 their exponent is 8 too small, which leaves 7. */
INLINE __m256 scales_nvfp4(__m128i u)
{
    __m128i number = _mm_andnot_si128(_mm_cmpeq_epi8(u, _mm_set1_epi8(127)), _mm_and_si128(u, _mm_set1_epi8(127)));
    __m128i half = _mm_slli_epi16(_mm_cvtepu8_epi16(number), 7);
    return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(128));
}
#endif
