/* IQ4_NL and IQ4_XS in AVX2: 4-bit codes to the 16 uneven values, which are signed. */
#ifndef KERNELS_X86_UNPACK_IQ4_AVX2_H
#define KERNELS_X86_UNPACK_IQ4_AVX2_H
#include "kernels/formats/iq4.h"
#include "kernels/x86/unpack_avx2.h"

INLINE __m256i iq4_values(__m256i codes)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)iq4_value)), codes);
}

INLINE __m256i values_iq4_nl(const uint8_t *b, int part)
{
    (void)part;
    return iq4_values(block_of_nibbles(b + 2));
}

INLINE __m256i values_iq4_xs(const uint8_t *b, int c)
{
    return iq4_values(block_of_nibbles(b + 8 + 16 * c));
}
#endif
