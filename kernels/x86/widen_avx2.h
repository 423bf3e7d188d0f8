/* Stored floats as f32: F16, BF16 and F32 alike to the kernels that multiply in f32. */
#ifndef KERNELS_X86_WIDEN_AVX2_H
#define KERNELS_X86_WIDEN_AVX2_H
#include "kernels/x86/avx2.h"

struct float_codec {
    int bytes; /* of a value */
    __m256 (*eight)(const uint8_t *p);
    float (*one)(const uint8_t *p);
};

INLINE __m256 f16_eight(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
INLINE __m256 f32_eight(const uint8_t *p)
{
    return _mm256_loadu_ps((const float *)(const void *)p);
}
INLINE float f32_one(const uint8_t *p)
{
    return f32_from_bits(rd_u32le(p));
}
INLINE float bf16_one(const uint8_t *p)
{
    return bf16_to_f32(rd_u16le(p));
}
INLINE __m256 bf16_eight(const uint8_t *p)
{
    __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
}

enum { WIDENED = 8 };
INLINE void widen_some(float *dst, const uint8_t *src, struct float_codec codec)
{
    _mm256_storeu_ps(dst, codec.eight(src));
}

#define FLOAT_F32                                                                                                      \
    (struct float_codec)                                                                                               \
    {                                                                                                                  \
        4, f32_eight, f32_one                                                                                          \
    }
#define FLOAT_F16                                                                                                      \
    (struct float_codec)                                                                                               \
    {                                                                                                                  \
        2, f16_eight, half_at                                                                                          \
    }
#define FLOAT_BF16                                                                                                     \
    (struct float_codec)                                                                                               \
    {                                                                                                                  \
        2, bf16_eight, bf16_one                                                                                        \
    }
#endif
