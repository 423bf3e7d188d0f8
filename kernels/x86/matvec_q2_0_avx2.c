/* Decode: Q2_0 rows times one Q8_0 activation row. Block of 64 columns: d:f16, qs[16], four columns to a byte. */
#include "kernels/x86/matvec_blocks_avx2.h"
#include "kernels/x86/unpack_bits_avx2.h"

enum { BLOCK = 18, X_BLOCK = 34, OFFSET = 1 };

INLINE void dot(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    float d0 = half_at(p), d1 = n > BLOCK ? half_at(p + BLOCK) : 0;
    __m256 scales = group_scales(x, _mm_setr_ps(d0, d0, d1, d1));
    for (int i = 0; i < 2 && n > i * BLOCK; i++, p += BLOCK) {
        __m256i a = codes_q2_0(p, 0), b = codes_q2_0(p, 1);
        group_dot(s, x, i, _mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31), scales);
    }
}

void matvec_q2_0_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_blocks(y, w, r0, r1, x, 2 * BLOCK, X_BLOCK, OFFSET, dot);
}
