/* What the AVX-512 VNNI kernels share. */
#ifndef KERNELS_X86_AVX512_H
#define KERNELS_X86_AVX512_H
#include "kernels/x86/x86.h"

enum { SUM_COLUMNS = 4 }; /* products that dpbusd adds up */

struct row_sums { /* what a row has come to, its minima apart */
    __m512 dot;
    __m256 min;
};

INLINE struct row_sums row_zero(void)
{
    return (struct row_sums){_mm512_setzero_ps(), _mm256_setzero_ps()};
}

INLINE float row_total(struct row_sums s)
{
    return _mm512_reduce_add_ps(_mm512_add_ps(s.dot, _mm512_zextps256_ps512(s.min)));
}

/* 16 bytes from each of four blocks; n bytes are left from the first block on, whole blocks. */
INLINE __m512i load_4x16(const uint8_t *p, int block, int64_t n)
{
    __m256i a = _mm256_setr_m128i(load_16_of(p, 0, block, n), load_16_of(p, 1, block, n));
    __m256i b = _mm256_setr_m128i(load_16_of(p, 2, block, n), load_16_of(p, 3, block, n));
    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* r[row][column] to r[column][row], 16 x 16 words of 32 bits. */
INLINE void transpose_16x16(__m512i r[16])
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* r[i + c]: in 128-bit lane l, column 4l + c of rows i..i+3 */
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        t[c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x44);
        t[4 + c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xee);
        t[8 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x44);
        t[12 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xee);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        r[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
        r[4 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
        r[8 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
        r[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
    }
}
#endif
