/* Decode: Q3_K rows times one Q8_K activation row. Superblock: hmask[32], qs[64], scales[12], d:f16.
 * qs as in Q2_K; bit j of hmask is bit 2 of columns 32j..32j + 31. Value code - 4. */
#include "kernels/x86/matvec_k_avx512.h"
#include "kernels/x86/scales_k.h"

enum { BLOCK = 110, OFFSET = 4 };
static const uint8_t order[16] = PIECES(0, 4, 1, 5, 2, 6, 3, 7);
static const int16_t sub_block[2][32] = {{PACK(0, 2, 1, 3, 8, 10, 9, 11)}, {PACK(4, 6, 5, 7, 12, 14, 13, 15)}};

/* Two bits of q plus bit `first` of hm in the lower 32 bytes, first + 4 in the upper. */
INLINE __m512i codes(__m512i q, __m512i hm, int first)
{
    __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << first)), _mm256_set1_epi8((char)(16 << first)), 1);
    q = _mm512_and_si512(q, _mm512_set1_epi8(3));
    return _mm512_mask_add_epi8(q, _mm512_test_epi8_mask(hm, bit), q, _mm512_set1_epi8(4));
}

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m256i sc = _mm256_cvtepi8_epi16(scales_q3_k(b + 96));
    __m512i acc = _mm512_setzero_si512();
    __m512i hm = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)b)), q = _mm512_loadu_si512(b + 32);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++, q = _mm512_srli_epi16(q, 4)) {
        __m512i lo = codes(q, hm, 2 * i), hi = codes(_mm512_srli_epi16(q, 2), hm, 2 * i + 1);
        acc = dot_pair(acc, lo, hi, x, i, sub_block, _mm512_castsi256_si512(sc), true);
    }
    add_dot(s, acc, half_at(b + 108) * x->d);
}

void matvec_q3_k_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, OFFSET, dot);
}
