/* The numbers that stand beside codes in groups, in AVX2. */
#ifndef KERNELS_X86_NUMBERS_H
#define KERNELS_X86_NUMBERS_H
#include "kernels/x86/x86.h"

/* Numbers [g0, g0 + n) of f32, f16 or bf16, from p on. */
INLINE void numbers_to_f32(float *s, const uint8_t *p, enum number_type t, int64_t g0, int64_t n)
{
    int64_t i = 0;
    if (t == NUMBER_F32) {
        memcpy(s, p + 4 * g0, (size_t)n * sizeof *s);
        return;
    }
    p += 2 * g0;
    for (; i + 8 <= n; i += 8) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + 2 * i));
        __m256 f =
            t == NUMBER_F16 ? _mm256_cvtph_ps(v) : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
        _mm256_storeu_ps(s + i, f);
    }
    for (; i < n; i++)
        s[i] = t == NUMBER_F16 ? half_at(p + 2 * i) : bf16_to_f32(rd_u16le(p + 2 * i));
}

/* Codes [g0, g0 + n) of 2, 3, 4 or 8 bits, of those that `bytes` bytes at p hold; there is room for 7 more. */
INLINE void small_codes(int32_t *z, const uint8_t *p, int64_t bytes, int64_t g0, int64_t n, int bits)
{
    const __m256i shift = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(bits));
    for (int64_t i = 0; i < n; i += 8) {
        int64_t at = (g0 + i) * bits / 8;
        uint64_t eight = 0;
        if (bytes - at >= 8)
            memcpy(&eight, p + at, 8);
        else
            memcpy(&eight, p + at, (size_t)(bytes - at));
        eight >>= (g0 + i) * bits % 8;
        __m256i v = bits == 8 ? _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)eight))
                              : _mm256_srlv_epi32(_mm256_set1_epi32((int)eight), shift);
        _mm256_storeu_si256((__m256i *)(z + i), _mm256_and_si256(v, _mm256_set1_epi32((1 << bits) - 1)));
    }
}

/* n numbers to the nearest halves; there is room for 7 more. */
INLINE void round_to_halves(float *s, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8)
        _mm256_storeu_ps(s + i, _mm256_cvtph_ps(_mm256_cvtps_ph(_mm256_loadu_ps(s + i), 0)));
}
/* Eight scales of 8 bits. An exponent of 0 and NaN have a mantissa bit that is not stored; E4M3 bits are those of a
 * half with an exponent 8 less. */
INLINE __m256 eight_small(const uint8_t *p, const bool e8m0)
{
    const __m128i b = _mm_loadl_epi64((const __m128i *)p);
    if (e8m0) {
        __m256i v = _mm256_slli_epi32(_mm256_cvtepu8_epi32(b), 23), all = _mm256_set1_epi32(0x7f800000);
        __m256i odd = _mm256_or_si256(_mm256_cmpeq_epi32(v, _mm256_setzero_si256()), _mm256_cmpeq_epi32(v, all));
        return _mm256_castsi256_ps(_mm256_or_si256(v, _mm256_and_si256(odd, _mm256_set1_epi32(0x400000))));
    }
    __m128i half = _mm_and_si128(_mm_slli_epi16(_mm_cvtepi8_epi16(b), 7), _mm_set1_epi16((short)0xbfff));
    __m128i nan = _mm_cmpeq_epi8(_mm_or_si128(b, _mm_set1_epi8((char)0x80)), _mm_set1_epi8(-1));
    __m256 v = _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256));
    return _mm256_or_ps(v, _mm256_castsi256_ps(_mm256_cvtepi8_epi32(nan)));
}

/* n of them, E8M0 or E4M3; there is room for 7 more. */
INLINE void scales_of_8_bits(float *s, const uint8_t *p, int64_t n, bool e8m0)
{
    for (int64_t i = 0; i < n; i += 8) {
        uint8_t last[8] = {0};
        if (n - i < 8)
            memcpy(last, p + i, (size_t)(n - i));
        _mm256_storeu_ps(s + i, eight_small(n - i < 8 ? last : p + i, e8m0));
    }
}
#endif
