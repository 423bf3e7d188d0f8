/* Reads memory as fast as it comes, with AVX2 loads, and returns the OR of all of it. */
#include <immintrin.h>
#include "kernels/kernel_rows.h"

uint64_t read_avx2(const void *p, size_t bytes)
{
    const __m256i *v = p, *end = v + bytes / 32;
    __m256i s[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
    for (; v + 4 <= end; v += 4)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            s[i] = _mm256_or_si256(s[i], _mm256_loadu_si256(v + i));
    for (; v < end; v++)
        s[0] = _mm256_or_si256(s[0], _mm256_loadu_si256(v));
    s[0] = _mm256_or_si256(_mm256_or_si256(s[0], s[1]), _mm256_or_si256(s[2], s[3]));
    return (uint64_t)_mm256_extract_epi64(s[0], 0) | (uint64_t)_mm256_extract_epi64(s[0], 1) |
           (uint64_t)_mm256_extract_epi64(s[0], 2) | (uint64_t)_mm256_extract_epi64(s[0], 3);
}
