/* int8 activation codes in AVX2, the same bits as kernels/formats/act_int8.h: x * inv, to nearest even. */
#ifndef KERNELS_X86_ACT_INT8_AVX2_H
#define KERNELS_X86_ACT_INT8_AVX2_H
#include "kernels/x86/avx2.h"

/* The larger |x|; as in the plain C a NaN never wins, which is what the order of the operands is for. */
INLINE __m256 max_abs(__m256 most, const float *x)
{
    return _mm256_max_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_loadu_ps(x)), most);
}

INLINE float max8(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

INLINE __m256i scaled8(const float *x, __m256 inv)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inv));
}

/* 32 codes from 32 values. */
INLINE __m256i codes32(const float *x, float inv)
{
    __m256 v = _mm256_set1_ps(inv);
    __m256i a = _mm256_packs_epi32(scaled8(x, v), scaled8(x + 8, v));
    __m256i b = _mm256_packs_epi32(scaled8(x + 16, v), scaled8(x + 24, v));
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* One block of 32: codes to q, its scale returned. */
INLINE float encode_block32(uint8_t *q, const float *x)
{
    __m256 most = max_abs(max_abs(max_abs(max_abs(_mm256_setzero_ps(), x), x + 8), x + 16), x + 24);
    float amax = max8(most), inv = amax >= 0x1p-120f ? 127 / amax : 0;
    _mm256_storeu_si256((__m256i *)q, codes32(x, inv));
    return amax / 127;
}

/* The sum of the 16 codes of each lane, in every word of the lane. */
INLINE __m256i sums16(__m256i codes)
{
    __m256i one = _mm256_set1_epi8(1), sum = pair_sums(_mm256_maddubs_epi16(one, codes));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0x4e));
    return _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0xb1));
}
#endif
