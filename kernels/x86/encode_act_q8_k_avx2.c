/* Activations to Q8_K: d:f32, qs[256], sums of 16 codes:i16[16]. The first of the largest |x| gets code -127. */
#include "kernels/x86/act_int8_avx2.h"

enum { LEN = 256, CODES = 4, SUMS = CODES + LEN, BYTES = SUMS + 32 };

static float first_extreme(const float *x)
{
    __m256 most = _mm256_setzero_ps();
    for (int i = 0; i < LEN; i += 8)
        most = max_abs(most, x + i);
    float amax = max8(most);
    for (int i = 0; i < LEN; i += 8) {
        __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_loadu_ps(x + i));
        int here = _mm256_movemask_ps(_mm256_cmp_ps(size, _mm256_set1_ps(amax), _CMP_EQ_OQ));
        if (here)
            return x[i + __builtin_ctz((unsigned)here)];
    }
    return 0;
}

void encode_act_q8_k_avx2(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    for (int64_t c = 0; c < k; c += LEN, out += BYTES) {
        float extreme = first_extreme(x + c), size = extreme < 0 ? -extreme : extreme;
        float inv = size >= 0x1p-120f ? -127 / extreme : 0;
        wr_u32le(out, f32_bits(inv != 0 ? 1 / inv : 0));
        for (int i = 0; i < LEN; i += 32) {
            __m256i q = codes32(x + c + i, inv), sum = sums16(q);
            _mm256_storeu_si256((__m256i *)(out + CODES + i), q);
            wr_u16le(out + SUMS + i / 8, (uint16_t)_mm256_cvtsi256_si32(sum));
            wr_u16le(out + SUMS + i / 8 + 2, (uint16_t)_mm256_extract_epi32(sum, 4));
        }
    }
}
