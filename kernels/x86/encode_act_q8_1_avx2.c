/* Activations to Q8_1: d:f16, d * sum of codes:f16, qs[32]. */
#include "kernels/x86/act_int8_avx2.h"

void encode_act_q8_1_avx2(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    for (int64_t c = 0; c < k; c += 32, out += 36) {
        float d = encode_block32(out + 4, x + c);
        __m256i sum = sums16(load32(out + 4));
        int total = _mm256_cvtsi256_si32(sum) + _mm256_extract_epi32(sum, 4);
        wr_u16le(out, _cvtss_sh(d, 0));
        wr_u16le(out + 2, _cvtss_sh(d * (float)total, 0));
    }
}
