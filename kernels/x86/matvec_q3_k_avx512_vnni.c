/* Decode: Q3_K rows times one Q8_K activation row. Superblock: hmask[32], qs[64], scales[12], d:f16.
 * qs as in Q2_K; bit j of hmask is bit 2 of columns 32j..32j + 31. Value code - 4. */
#include "kernels/x86/matvec_k_avx512.h"
#include "kernels/x86/scales_k.h"

enum { BLOCK = 110, OFFSET_BITS = 2 };
static const uint8_t order[16] = PIECES(0, 4, 1, 5, 2, 6, 3, 7);
static const int16_t sub_block[2][32] = {{PACK(0, 2, 1, 3, 8, 10, 9, 11)}, {PACK(4, 6, 5, 7, 12, 14, 13, 15)}};

/* Two bits of q plus bit `first` of hm in the lower 32 bytes, first + 4 in the upper. */
INLINE __m512i codes(__m512i q, __m512i hm, int first)
{
    __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << first)), _mm256_set1_epi8((char)(16 << first)), 1);
    q = _mm512_and_si512(q, _mm512_set1_epi8(3));
    return _mm512_mask_add_epi8(q, _mm512_test_epi8_mask(hm, bit), q, _mm512_set1_epi8(4));
}

/* The 16 scales, -32..31, of the 12 bytes from p + 2 on. */
INLINE __m128i scales(const uint8_t *p)
{
    const __m128i ab = _mm_setr_epi8(2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9), c = _mm_set1_epi32(0x0d0c0b0a);
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    __m128i low = _mm_srlv_epi32(_mm_shuffle_epi8(v, ab), _mm_setr_epi32(0, 0, 4, 4)),
            high = _mm_rolv_epi32(_mm_shuffle_epi8(v, c), _mm_setr_epi32(4, 2, 0, 30));
    high = _mm_and_si128(high, _mm_set1_epi8(0x30));
    low = _mm_ternarylogic_epi32(low, _mm_set1_epi8(0x0f), high, 0xea); /* low & 15 | high */
    return _mm_sub_epi8(low, _mm_set1_epi8(32));
}

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m256i sc = _mm256_cvtepi8_epi16(scales(b + 94));
    __m512i acc = offset_sum(sc, x, OFFSET_BITS), q = _mm512_loadu_si512(b + 32);
    __m512i hm = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)b));
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++, q = _mm512_srli_epi16(q, 4)) {
        __m512i lo = codes(q, hm, 2 * i), hi = codes(_mm512_srli_epi16(q, 2), hm, 2 * i + 1);
        acc = dot_pair(acc, lo, hi, x, i, sub_block, _mm512_castsi256_si512(sc));
    }
    add_dot(s, acc, half_at(b + 108) * x->d);
}

void matvec_q3_k_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, 0, dot);
}
