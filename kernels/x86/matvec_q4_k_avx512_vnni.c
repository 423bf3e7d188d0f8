/* Decode: Q4_K rows times one Q8_K activation row.
 * Superblock: d:f16, dmin:f16, scales[12], qs[128]; each 32 bytes of qs hold sub-blocks 2j (low) and 2j + 1
 * (high). */
#include "kernels/x86/matvec_k_avx512.h"
#include "kernels/x86/scales_k.h"

enum { BLOCK = 144 };
static const uint8_t order[16] = PIECES(0, 2, 1, 3, 4, 6, 5, 7);
static const int16_t sub_block[2][32] = {{PACK(0, 1, 0, 1, 2, 3, 2, 3)}, {PACK(4, 5, 4, 5, 6, 7, 6, 7)}};

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    struct scales_6bit six = scales_6bit(b + 4);
    __m512i sc = _mm512_castsi128_si512(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((int64_t)six.scale)));
    __m128i min = _mm_cvtepu8_epi16(_mm_cvtsi64_si128((int64_t)six.min));
    __m512i acc = _mm512_setzero_si512(), nibble = _mm512_set1_epi8(15);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512i q = _mm512_loadu_si512(b + 16 + 64 * i);
        __m512i lo = _mm512_and_si512(q, nibble), hi = _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble);
        acc = dot_pair(acc, lo, hi, x, i, sub_block, sc);
    }
    min = _mm_madd_epi16(min, _mm_loadu_si128((const __m128i *)x->sum32));
    add_scaled(s, acc, _mm256_zextsi128_si256(min), rd_u32le(b), x->d);
}

void matvec_q4_k_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, 0, dot);
}
