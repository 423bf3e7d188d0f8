/* F16 rows to f32. */
#include "kernels/x86/avx2.h"

void decode_f16_avx2(float *dst, const struct qmat *w, int64_t r0, int64_t r1)
{
    for (int64_t r = r0; r < r1; r++, dst += w->k) {
        const uint8_t *p = qmat_row(w, r);
        int64_t c = 0;
        for (; c + 8 <= w->k; c += 8)
            _mm256_storeu_ps(dst + c, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 2 * c))));
        for (; c < w->k; c++)
            dst[c] = f16_to_f32(rd_u16le(p + 2 * c));
    }
}
