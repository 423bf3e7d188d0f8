/* Q5_0 rows to f32. */
#include "kernels/x86/decode_avx2.h"

void decode_q5_0_avx2(float *dst, const struct qmat *w, int64_t r0, int64_t r1)
{
    decode_blocks(dst, w, r0, r1, 22, 16, false, unpack_q5_0);
}
