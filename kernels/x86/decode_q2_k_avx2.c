/* Q2_K rows to f32. */
#include "kernels/x86/decode_avx2.h"

INLINE void head(struct runs *s, const uint8_t *b)
{
    float dmin = half_at(b + 82);
    head_16(s, _mm_and_si128(_mm_loadu_si128((const __m128i *)b), _mm_set1_epi8(15)), half_at(b + 80));
    for (int i = 0; i < 16; i++)
        s->min[i] = dmin * (float)(b[i] >> 4);
}

void decode_q2_k_avx2(float *dst, const struct qmat *w, int64_t r0, int64_t r1)
{
    decode_k(dst, w, r0, r1, 84, 0, true, unpack_q2_k, head);
}
