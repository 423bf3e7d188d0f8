/* MXFP4 and NVFP4 of GGUF in AVX-512: 4-bit floats as twice their value, scales halved. */
#ifndef KERNELS_X86_UNPACK_FP4_AVX512_H
#define KERNELS_X86_UNPACK_FP4_AVX512_H
#include "kernels/formats/fp4.h"
#include "kernels/x86/avx512.h"
#include "kernels/x86/scales_fp4.h"

INLINE __m512i fp4_table(void)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)fp4_value));
}
#endif
