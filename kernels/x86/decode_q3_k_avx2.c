/* Q3_K rows to f32. */
#include "kernels/x86/decode_avx2.h"

INLINE void head(struct runs *s, const uint8_t *b)
{
    head_16(s, scales_q3_k(b + 96), half_at(b + 108));
}

void decode_q3_k_avx2(float *dst, const struct qmat *w, int64_t r0, int64_t r1)
{
    decode_k(dst, w, r0, r1, 110, 4, false, unpack_q3_k, head);
}
