/* Activations to 16-bit floats, round to nearest even. */
#include "kernels/x86/avx2.h"

void encode_act_f16_avx2(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    int64_t c = 0;
    for (; c + 8 <= k; c += 8)
        _mm_storeu_si128((__m128i *)(out + 2 * c), _mm256_cvtps_ph(_mm256_loadu_ps(x + c), 0));
    for (; c < k; c++)
        wr_u16le(out + 2 * c, _cvtss_sh(x[c], 0));
}
