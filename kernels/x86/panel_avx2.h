/* What the two prefill micro-kernels of AVX2 share: the plan of panel_avx512.h with 16 rows by 256 columns, 4 tokens at
 * a time. maddubs adds two products of an unsigned and a signed byte in 16 bits; for codes of few bits several such
 * sums are added before madd widens them to 32: 2 * 127 * largest code * steps must stay below 32768. */
#ifndef KERNELS_X86_PANEL_AVX2_H
#define KERNELS_X86_PANEL_AVX2_H
#include "kernels/x86/avx2.h"
#include "kernels/panel.h"

enum { NR = 16, MR = 4, WORD = 4 }; /* rows of a panel, tokens at once, columns of a row side by side */

INLINE __m256i word_of(const uint8_t *p)
{
    return _mm256_set1_epi32((int)rd_u32le(p));
}

/* Products of unsigned codes with x, or of signed ones by moving their sign to x. */
INLINE __m256i products(__m256i w, __m256i x, const bool is_signed)
{
    return is_signed ? products_signed(w, x) : _mm256_maddubs_epi16(w, x);
}

/* acc[j][] = words [c0, c1) of the panel times mr tokens from x on, `steps` words at a time in 16 bits. The empty asm
 * keeps each addition with its product; moved apart by the compiler they would need more registers than there are. */
INLINE void multiply(const int mr, const int steps, const bool is_signed, __m256i acc[MR][2], uint8_t (*code)[NR][4],
                     int c0, int c1, const uint8_t *x, size_t stride)
{
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        acc[j][0] = acc[j][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int from = c0; from < c1; from += steps) {
        __m256i part[MR][2];
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++)
            part[j][0] = part[j][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
        for (int c = from; c < from + steps; c++) {
            __m256i w0 = load32(code[c][0]), w1 = load32(code[c][8]);
#pragma GCC unroll 4
            for (int j = 0; j < mr; j++) {
                __m256i v = word_of(x + j * stride + 4 * c);
                part[j][0] = _mm256_add_epi16(part[j][0], products(w0, v, is_signed));
                part[j][1] = _mm256_add_epi16(part[j][1], products(w1, v, is_signed));
                __asm__("" : "+x"(part[j][0]), "+x"(part[j][1]));
            }
        }
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++) {
            acc[j][0] = _mm256_add_epi32(acc[j][0], pair_sums(part[j][0]));
            acc[j][1] = _mm256_add_epi32(acc[j][1], pair_sums(part[j][1]));
        }
    }
}

/* r[row][column] to r[column][row], 8 x 8 words of 32 bits. */
INLINE void transpose_8x8(__m256i r[8])
{
    __m256i t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) { /* r[i + c]: columns c and 4 + c of rows i..i+3 */
        r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        t[c] = _mm256_permute2x128_si256(r[c], r[4 + c], 0x20);
        t[4 + c] = _mm256_permute2x128_si256(r[c], r[4 + c], 0x31);
    }
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++)
        r[c] = t[c];
}

/* Transposed and stored as 8 words of the panel's rows from `to` on, row_bytes apart. */
INLINE void store_transposed(void *to, size_t row_bytes, __m256i v[8])
{
    transpose_8x8(v);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        _mm256_store_si256((__m256i *)(void *)((uint8_t *)to + i * row_bytes), v[i]);
}

INLINE void store_rows(float *y, int64_t ldy, float (*sum)[NR], int64_t m, int64_t rows)
{
    for (int64_t j = 0; j < m; j++)
        memcpy(y + j * ldy, sum[j], (size_t)min_i64(rows, NR) * sizeof(float));
}
#endif
