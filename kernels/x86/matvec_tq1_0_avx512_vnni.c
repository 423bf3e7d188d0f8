/* Decode: TQ1_0 rows times one Q8_K activation row. Layout in kernels/formats/tq1_0.c.
 *
 * A byte holds five digits to base 3 as a fraction v of 256; the first is floor(3 v / 256), and 3 v mod 256 holds the
 * others. So 256 times a digit is 3 v less what is left, and both may be multiplied by x as they are: no digit is ever
 * taken out. */
#include "kernels/x86/matvec_k_avx512.h"

enum { BLOCK = 54, SCALE = 52, N_DIGITS = 5, DIGIT_4 = 240 /* columns of the last four bytes, of four digits each */ };

/* For each digit the columns of all 52 bytes that hold one, zeros in between. */
static inline void arrange(struct x_super *s, const uint8_t *x, int64_t n, const uint8_t order[16], int offset)
{
    (void)order, (void)offset;
    for (; n > 0; n--, s++, x += X_BLOCK) {
        memcpy(&s->d, x, 4);
        const __m256i sums = _mm256_loadu_si256((const __m256i *)(x + 260)); /* of 16 columns each, in 16 bits */
        _mm512_store_si512(s->start.of4, _mm512_slli_epi32(_mm512_cvtepi16_epi32(sums), 8));
        memset(s->code, 0, sizeof s->code);
        for (int i = 0; i < N_DIGITS; i++) {
            memcpy(s->code + 64 * i, x + 4 + 32 * i, 32);
            memcpy(s->code + 64 * i + 32, x + 4 + 160 + 16 * i, 16);
            if (i < 4)
                memcpy(s->code + 64 * i + 48, x + 4 + DIGIT_4 + 4 * i, 4);
        }
    }
}

/* The offset of 1: 256 times the sum of x is left to begin with. */
INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    __m512i v = _mm512_maskz_loadu_epi8((UINT64_C(1) << SCALE) - 1, b);
    __m512i taken = _mm512_setzero_si512(), left = _mm512_load_si512(x->start.of4);
#pragma GCC unroll 5
    for (int i = 0; i < N_DIGITS; i++) {
        __m512i code = _mm512_load_si512(x->code + 64 * i);
        taken = _mm512_dpbusd_epi32(taken, v, code);
        v = _mm512_add_epi8(v, _mm512_add_epi8(v, v));
        left = _mm512_dpbusd_epi32(left, v, code);
    }
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(taken, taken), _mm512_sub_epi32(taken, left));
    add_dot(s, sum, half_at(b + SCALE) * x->d * 0x1p-8f);
}

void matvec_tq1_0_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k_arranged(y, w, r0, r1, x, BLOCK, arrange, NULL, 0, dot);
}
