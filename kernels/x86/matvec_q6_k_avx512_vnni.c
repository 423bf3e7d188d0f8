/* Decode: Q6_K rows times one Q8_K activation row. Superblock: ql[128], qh[64], scales[16]:i8, d:f16.
 * Per half of 128 columns: 64 bytes of low nibbles (columns 0..63) and high nibbles (64..127), and 32 bytes
 * of qh with two bits for each of the four runs of 32. Value code - 32. */
#include "kernels/x86/matvec_k_avx512.h"

enum { BLOCK = 210, OFFSET_BITS = 5 };
static const uint8_t order[16] = PIECES(0, 1, 2, 3, 4, 5, 6, 7);
static const int16_t sub_block[2][32] = {{PACK(0, 4, 1, 5, 2, 6, 3, 7)}, {PACK(8, 12, 9, 13, 10, 14, 11, 15)}};

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    const __m512i nibble = _mm512_set1_epi8(15), six = _mm512_set1_epi8(63);
    const __m512i left = _mm512_inserti64x4(_mm512_set1_epi16(4), _mm256_set1_epi16(2), 1);  /* runs 0 and 1 */
    const __m512i right = _mm512_inserti64x4(_mm512_set1_epi16(0), _mm256_set1_epi16(2), 1); /* runs 2 and 3 */
    __m256i sc = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(b + 192)));
    __m512i acc = offset_sum(sc, x, OFFSET_BITS);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512i l = _mm512_loadu_si512(b + 64 * i);
        __m512i h = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(b + 128 + 32 * i)));
        __m512i lo = _mm512_ternarylogic_epi32(nibble, l, _mm512_sllv_epi16(h, left), 0xca); /* nibble ? l : h */
        __m512i hi = _mm512_ternarylogic_epi32(nibble, _mm512_srli_epi16(l, 4), _mm512_srlv_epi16(h, right), 0xca);
        lo = _mm512_and_si512(lo, six);
        hi = _mm512_and_si512(hi, six);
        acc = dot_pair(acc, lo, hi, x, i, sub_block, _mm512_castsi256_si512(sc));
    }
    add_dot(s, acc, half_at(b + 208) * x->d);
}

void matvec_q6_k_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, 0, dot);
}
