/* Decode: Q2_K rows times one Q8_K activation row. Superblock: scales[16], qs[64], d:f16, dmin:f16.
 * A byte of scales: scale low, minimum high. Bits 2j, 2j + 1 of qs[0..31] are columns 32j.., of qs[32..63]
 * 128 + 32j... */
#include "kernels/x86/matvec_k_avx512.h"

enum { BLOCK = 84 };
static const uint8_t order[16] = PIECES(0, 4, 1, 5, 2, 6, 3, 7);
static const int16_t sub_block[2][32] = {{PACK(0, 2, 1, 3, 8, 10, 9, 11)}, {PACK(4, 6, 5, 7, 12, 14, 13, 15)}};

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    const __m512i three = _mm512_set1_epi8(3);
    __m128i bytes = _mm_loadu_si128((const __m128i *)b), nibble = _mm_set1_epi8(15);
    __m256i sc = _mm256_cvtepu8_epi16(_mm_and_si128(bytes, nibble));
    __m256i min = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
    __m512i acc = _mm512_setzero_si512(), q = _mm512_loadu_si512(b + 16);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++, q = _mm512_srli_epi16(q, 4)) {
        __m512i lo = _mm512_and_si512(q, three), hi = _mm512_and_si512(_mm512_srli_epi16(q, 2), three);
        acc = dot_pair(acc, lo, hi, x, i, sub_block, _mm512_castsi256_si512(sc));
    }
    min = _mm256_madd_epi16(min, _mm256_loadu_si256((const __m256i *)x->sum16));
    add_scaled(s, acc, min, rd_u32le(b + 80), x->d);
}

void matvec_q2_k_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, 0, dot);
}
