/* What the two prefill micro-kernels of AVX-512 VNNI share.
 *
 * 32 rows by 256 columns of W are unpacked into a panel in the first-level cache, a row to a lane, and all tokens pass
 * over it, 6 at a time: a word of 4 activation codes is broadcast against two vectors of 16 rows.
 * dpbusd multiplies unsigned by signed bytes. Formats with a minimum have unsigned codes, which meet signed x. The
 * codes of the others are signed: they meet x + 128, and sums start at -128 * sum(code), which the panel holds. */
#ifndef KERNELS_X86_PANEL_AVX512_H
#define KERNELS_X86_PANEL_AVX512_H
#include "kernels/x86/avx512.h"
#include "kernels/panel.h"

enum { NR = 32, MR = 6, WORD = 4 }; /* rows of a panel, tokens at once, columns of a row side by side */

INLINE __m512i word_of(const uint8_t *p)
{
    return _mm512_set1_epi32((int)rd_u32le(p));
}

/* acc[j][] += words [c0, c1) of the panel times mr tokens; x[0] and x[1] point to tokens 0 and 3. */
INLINE void multiply(const int mr, const bool is_signed, __m512i acc[MR][2], const uint8_t (*code)[NR][4], int c0,
                     int c1, const uint8_t *const x[2], size_t stride)
{
    const __m512i top = _mm512_set1_epi8((char)128);
#pragma GCC unroll 8
    for (int c = c0; c < c1; c++) {
        __m512i w0 = _mm512_load_si512(code[c][0]), w1 = _mm512_load_si512(code[c][16]);
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++) {
            __m512i v = word_of(x[j / 3] + j % 3 * stride + 4 * c);
            if (is_signed) {
                v = _mm512_xor_si512(v, top);
                acc[j][0] = _mm512_dpbusd_epi32(acc[j][0], v, w0);
                acc[j][1] = _mm512_dpbusd_epi32(acc[j][1], v, w1);
            } else {
                acc[j][0] = _mm512_dpbusd_epi32(acc[j][0], w0, v);
                acc[j][1] = _mm512_dpbusd_epi32(acc[j][1], w1, v);
            }
        }
    }
}

INLINE void start(const int mr, __m512i acc[MR][2], __m512i s0, __m512i s1)
{
#pragma GCC unroll 6
    for (int j = 0; j < mr; j++) {
        acc[j][0] = s0;
        acc[j][1] = s1;
    }
}

/* -128 * sum of the signed codes in words v[0..n): what the sums of 16 rows start at. */
INLINE __m512i start_of(const __m512i *v, int n)
{
    __m512i sum = _mm512_setzero_si512(), top = _mm512_set1_epi8((char)128);
    for (int i = 0; i < n; i++)
        sum = _mm512_dpbusd_epi32(sum, top, v[i]);
    return _mm512_sub_epi32(_mm512_setzero_si512(), sum);
}

INLINE void store_rows(float *y, int64_t ldy, float (*sum)[NR], int64_t m, int64_t rows)
{
    __mmask16 r0 = (__mmask16)(rows >= 16 ? 0xffff : (1 << rows) - 1);
    __mmask16 r1 = (__mmask16)(rows >= 32 ? 0xffff : rows > 16 ? (1 << (rows - 16)) - 1 : 0);
    for (int64_t j = 0; j < m; j++) {
        _mm512_mask_storeu_ps(y + j * ldy, r0, _mm512_load_ps(sum[j]));
        _mm512_mask_storeu_ps(y + j * ldy + 16, r1, _mm512_load_ps(sum[j] + 16));
    }
}
#endif
