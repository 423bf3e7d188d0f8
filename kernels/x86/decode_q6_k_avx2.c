/* Q6_K rows to f32. */
#include "kernels/x86/decode_avx2.h"

INLINE void head(struct runs *s, const uint8_t *b)
{
    head_16(s, _mm_loadu_si128((const __m128i *)(b + 192)), half_at(b + 208));
}

void decode_q6_k_avx2(float *dst, const struct qmat *w, int64_t r0, int64_t r1)
{
    decode_k(dst, w, r0, r1, 210, 32, false, unpack_q6_k, head);
}
