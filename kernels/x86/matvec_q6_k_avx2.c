/* Decode: Q6_K rows times one Q8_K activation row. Superblock: ql[128], qh[64], scales[16]:i8, d:f16.
 * Per half of 128 columns: 64 bytes of low nibbles (columns 0..63) and high nibbles (64..127), and 32 bytes
 * of qh with two bits for each of the four runs of 32. Value code - 32. */
#include "kernels/x86/matvec_k_avx2.h"

enum { BLOCK = 210, OFFSET = 32 };

/* Low nibbles of l with bits 2 * run, 2 * run + 1 of h above them. */
INLINE __m256i codes(__m256i l, __m256i h, int run)
{
    h = run < 2 ? _mm256_slli_epi16(h, 4 - 2 * run) : _mm256_srli_epi16(h, 2 * run - 4);
    return _mm256_or_si256(_mm256_and_si256(l, _mm256_set1_epi8(15)), _mm256_and_si256(h, _mm256_set1_epi8(48)));
}

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m256i sc = even_odd(_mm_loadu_si128((const __m128i *)(b + 192))), acc = _mm256_setzero_si256();
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m256i l0 = load32(b + 64 * i), l1 = load32(b + 64 * i + 32), h = load32(b + 128 + 32 * i);
        acc = dot_piece(acc, codes(l0, h, 0), x, 4 * i, sc, true);
        acc = dot_piece(acc, codes(l1, h, 1), x, 4 * i + 1, sc, true);
        acc = dot_piece(acc, codes(_mm256_srli_epi16(l0, 4), h, 2), x, 4 * i + 2, sc, true);
        acc = dot_piece(acc, codes(_mm256_srli_epi16(l1, 4), h, 3), x, 4 * i + 3, sc, true);
    }
    add_dot(s, acc, half_at(b + 208) * x->d);
}

void matvec_q6_k_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, in_order, OFFSET, dot);
}
