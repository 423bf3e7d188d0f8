/* What the AVX-512 VNNI kernels share: loads that stop at the end of a row, 16 x 16 transposition. */
#ifndef KERNELS_X86_AVX512_H
#define KERNELS_X86_AVX512_H
#include <immintrin.h>
#include <stdint.h>
#include "base/half.h"
#include "kernels/kernel_rows.h"

#define INLINE static inline __attribute__((always_inline))

/* 16 bytes from each of four blocks; n bytes are left from the first block on, whole blocks. */
INLINE __m512i load_4x16(const uint8_t *p, int block, int64_t n)
{
    const __m128i zero = _mm_setzero_si128();
    __m128i b0 = _mm_loadu_si128((const __m128i *)p);
    __m128i b1 = n > block ? _mm_loadu_si128((const __m128i *)(p + block)) : zero;
    __m128i b2 = n > 2 * block ? _mm_loadu_si128((const __m128i *)(p + 2 * block)) : zero;
    __m128i b3 = n > 3 * block ? _mm_loadu_si128((const __m128i *)(p + 3 * block)) : zero;
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_setr_m128i(b0, b1)), _mm256_setr_m128i(b2, b3), 1);
}

INLINE uint64_t load_4x2(const uint8_t *p, int block, int64_t n)
{
    uint64_t b0 = rd_u16le(p), b1 = n > block ? rd_u16le(p + block) : 0;
    uint64_t b2 = n > 2 * block ? rd_u16le(p + 2 * block) : 0, b3 = n > 3 * block ? rd_u16le(p + 3 * block) : 0;
    return b0 | b1 << 16 | b2 << 32 | b3 << 48;
}

INLINE __m128 load_4_halves(const uint8_t *p, int block, int64_t n)
{
    return _mm_cvtph_ps(_mm_cvtsi64_si128((int64_t)load_4x2(p, block, n)));
}

INLINE float half_at(const uint8_t *p)
{
    return _cvtsh_ss(rd_u16le(p));
}

INLINE const uint8_t *qmat_row(const struct qmat *w, int64_t r)
{
    return w->plane[PLANE_CODE].p + (size_t)r * w->plane[PLANE_CODE].row_stride;
}

INLINE int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
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
    for (int i = 0; i < 16; i += 4) {   /* r[i + c]: in 128-bit lane l, column 4l + c of rows i..i+3 */
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
