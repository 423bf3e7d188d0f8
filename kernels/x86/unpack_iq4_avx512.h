/* IQ4_NL and IQ4_XS in AVX-512: 4-bit codes to the 16 uneven values. */
#ifndef KERNELS_X86_UNPACK_IQ4_AVX512_H
#define KERNELS_X86_UNPACK_IQ4_AVX512_H
#include "kernels/formats/iq4.h"
#include "kernels/x86/avx512.h"

INLINE __m512i iq4_table(void)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)iq4_value));
}

/* Values of columns 64c.. 64c + 63 of an IQ4_XS superblock. */
INLINE __m512i values_iq4_xs(const uint8_t *b, int c)
{
    __m256i q = _mm256_loadu_si256((const __m256i *)(b + 8 + 32 * c));
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(q), _mm256_srli_epi16(q, 4), 1);
    both = _mm512_and_si512(_mm512_shuffle_i32x4(both, both, 0xd8), _mm512_set1_epi8(15));
    return _mm512_shuffle_epi8(iq4_table(), both);
}
#endif
