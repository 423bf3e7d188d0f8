/* 2-bit codes, four to a byte in column order, in AVX2. */
#ifndef KERNELS_X86_UNPACK_BITS_AVX2_H
#define KERNELS_X86_UNPACK_BITS_AVX2_H
#include "kernels/x86/unpack_avx2.h"

/* Columns 32 * part of a Q2_0 block: each byte into the four of a word, whose byte i then has to be shifted by 2i. */
INLINE __m256i codes_q2_0(const uint8_t *b, int part)
{
    const __m256i byte =
        _mm256_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505, 0x06060606, 0x07070707);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi64x((int64_t)rd_u64le(b + 2 + 8 * part)), byte);
    __m256i code = _mm256_and_si256(v, _mm256_set1_epi32(3));
    for (int i = 1; i < 4; i++)
        code = _mm256_or_si256(code, _mm256_and_si256(_mm256_srli_epi32(v, 2 * i), _mm256_set1_epi32(3 << 8 * i)));
    return code;
}
#endif
