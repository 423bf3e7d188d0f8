/* Decode: Q5_K rows times one Q8_K activation row.
 * Superblock: d:f16, dmin:f16, scales[12], qh[32], qs[128]: Q4_K plus bit j of qh for sub-block j. */
#include "kernels/x86/matvec_k_avx2.h"
#include "kernels/x86/scales_k.h"

enum { BLOCK = 176 };

INLINE __m256i codes(__m256i nibbles, __m256i qh, int bit)
{
    __m256i high = bit < 4 ? _mm256_slli_epi16(qh, 4 - bit) : _mm256_srli_epi16(qh, bit - 4);
    return _mm256_or_si256(_mm256_and_si256(nibbles, _mm256_set1_epi8(15)),
                           _mm256_and_si256(high, _mm256_set1_epi8(16)));
}

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    struct scales_6bit six = scales_6bit(b + 4);
    __m256i sc = _mm256_broadcastsi128_si256(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((int64_t)six.scale)));
    __m128i min = _mm_cvtepu8_epi16(_mm_cvtsi64_si128((int64_t)six.min));
    __m256i acc = _mm256_setzero_si256(), qh = load32(b + 16);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256i q = load32(b + 48 + 32 * i);
        acc = dot_piece(acc, codes(q, qh, 2 * i), x, 2 * i, sc, false);
        acc = dot_piece(acc, codes(_mm256_srli_epi16(q, 4), qh, 2 * i + 1), x, 2 * i + 1, sc, false);
    }
    add_dot(s, acc, half_at(b) * x->d);
    min = _mm_madd_epi16(min, _mm_load_si128((const __m128i *)x->sum32));
    add_min(s, _mm256_zextsi128_si256(min), half_at(b + 2) * x->d);
}

void matvec_q5_k_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, in_order, 0, dot);
}
