/* Decode: Q2_0 rows times one Q8_0 activation row. Block of 64 columns: d:f16, qs[16], four columns to a byte. */
#include "kernels/x86/matvec_blocks_avx512.h"
#include "kernels/x86/unpack_bits_avx512.h"

enum { BLOCK = 18, X_BLOCK = 34, OFFSET = 1 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    __m512i a = codes_q2_0(p), b = n > BLOCK ? codes_q2_0(p + BLOCK) : _mm512_setzero_si512();
    float d0 = half_at(p), d1 = n > BLOCK ? half_at(p + BLOCK) : 0;
    group_dot(s, x, _mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd), _mm_setr_ps(d0, d0, d1, d1));
}

void matvec_q2_0_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 2 * BLOCK, X_BLOCK, OFFSET, dot);
}
