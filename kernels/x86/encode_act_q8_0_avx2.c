/* Activations to Q8_0: d:f16, qs[32]. */
#include "kernels/x86/act_int8_avx2.h"

void encode_act_q8_0_avx2(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    for (int64_t c = 0; c < k; c += 32, out += 34)
        wr_u16le(out, _cvtss_sh(encode_block32(out + 2, x + c), 0));
}
