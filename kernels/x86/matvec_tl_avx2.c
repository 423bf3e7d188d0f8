/* Decode: BitNet's layouts TL1 and TL2 in AVX2. */
#include "kernels/x86/tl_avx2.h"

#define SUMS __m256i
INLINE SUMS sums_zero(void)
{
    return _mm256_setzero_si256();
}
INLINE int32_t sums_total(SUMS s)
{
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1)));
}
/* Codes are at most 6: the products of 4 parts fit into 16 bits. */
INLINE SUMS sums_dot(SUMS s, struct tl_chunk c, const int8_t *x, const int parts)
{
    __m256i v[4], words = _mm256_setzero_si256();
    tl_codes(v, c, parts);
#pragma GCC unroll 4
    for (int p = 0; p < parts; p++)
        words = _mm256_add_epi16(words, _mm256_maddubs_epi16(v[p], load32(x + LANES * p)));
    return _mm256_add_epi32(s, pair_sums(words));
}
#include "kernels/matvec_tl.h"

void matvec_tl_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_tl(y, w, r0, r1, x);
}
