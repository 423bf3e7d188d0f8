/* MXFP4 and NVFP4 of GGUF in AVX-512: 4-bit floats as twice their value, scales halved. */
#ifndef KERNELS_X86_UNPACK_FP4_AVX512_H
#define KERNELS_X86_UNPACK_FP4_AVX512_H
#include "kernels/formats/fp4.h"
#include "kernels/x86/avx512.h"

INLINE __m512i fp4_table(void)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)fp4_value));
}

/* 2^(e - 128) of 8 bytes; subnormal for e < 2. */
INLINE __m256 scales_mxfp4(__m128i e)
{
    __m256i v = _mm256_cvtepu8_epi32(e), one = _mm256_set1_epi32(1);
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(v, one), 23),
            small = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), v);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(small, normal, _mm256_cmpgt_epi32(v, one)));
}

/* Half of 16 unsigned E4M3 numbers; 0x7f stands for 0. As f16 their exponent is 8 too small. */
INLINE __m512 scales_nvfp4(__m128i u)
{
    __m128i number = _mm_andnot_si128(_mm_cmpeq_epi8(u, _mm_set1_epi8(127)), _mm_and_si128(u, _mm_set1_epi8(127)));
    __m256i half = _mm256_slli_epi16(_mm256_cvtepu8_epi16(number), 7);
    return _mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(128));
}
#endif
