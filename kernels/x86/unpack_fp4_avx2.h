/* MXFP4 and NVFP4 of GGUF in AVX2: 4-bit floats as twice their value, scales halved. */
#ifndef KERNELS_X86_UNPACK_FP4_AVX2_H
#define KERNELS_X86_UNPACK_FP4_AVX2_H
#include "kernels/formats/fp4.h"
#include "kernels/x86/scales_fp4.h"
#include "kernels/x86/unpack_avx2.h"

INLINE __m256i fp4_values(__m256i codes)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)fp4_value)), codes);
}
#endif
