/* 2-bit codes, four to a byte in column order, in AVX-512. */
#ifndef KERNELS_X86_UNPACK_BITS_AVX512_H
#define KERNELS_X86_UNPACK_BITS_AVX512_H
#include "kernels/x86/avx512.h"

/* The 64 codes of a Q2_0 block: each byte into the four of a word, whose byte i then has to be shifted by 2i. */
INLINE __m512i codes_q2_0(const uint8_t *b)
{
    const __m512i byte = _mm512_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505, 0x06060606,
                                           0x07070707, 0x08080808, 0x09090909, 0x0a0a0a0a, 0x0b0b0b0b, 0x0c0c0c0c,
                                           0x0d0d0d0d, 0x0e0e0e0e, 0x0f0f0f0f);
    __m512i v = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(b + 2)));
    v = _mm512_shuffle_epi8(v, byte);
    __m512i code = _mm512_mask_mov_epi8(v, 0x2222222222222222, _mm512_srli_epi32(v, 2));
    code = _mm512_mask_mov_epi8(code, 0x4444444444444444, _mm512_srli_epi32(v, 4));
    code = _mm512_mask_mov_epi8(code, 0x8888888888888888, _mm512_srli_epi32(v, 6));
    return _mm512_and_si512(code, _mm512_set1_epi8(3));
}
#endif
