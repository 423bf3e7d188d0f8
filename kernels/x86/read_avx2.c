/* Reads memory as fast as it comes, with AVX2 loads, and returns the OR of all of it. Two streams, one in each half, as
 * the decode kernels have them: one core gets more out of memory that way. */
#include <immintrin.h>
#include "kernels/kernel_rows.h"

static inline __m256i or4(__m256i s, const __m256i *v)
{
    __m256i a = _mm256_or_si256(_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1));
    __m256i b = _mm256_or_si256(_mm256_loadu_si256(v + 2), _mm256_loadu_si256(v + 3));
    return _mm256_or_si256(s, _mm256_or_si256(a, b));
}

uint64_t read_avx2(const void *p, size_t bytes)
{
    size_t half = bytes / 256 * 4; /* vectors in a whole number of steps */
    const __m256i *a = p, *b = a + half, *end = a + bytes / 32;
    __m256i s = _mm256_setzero_si256(), t = s;
    for (size_t i = 0; i < half; i += 4) {
        s = or4(s, a + i);
        t = or4(t, b + i);
    }
    for (b += half; b < end; b++)
        s = _mm256_or_si256(s, _mm256_loadu_si256(b));
    s = _mm256_or_si256(s, t);
    return (uint64_t)_mm256_extract_epi64(s, 0) | (uint64_t)_mm256_extract_epi64(s, 1) |
           (uint64_t)_mm256_extract_epi64(s, 2) | (uint64_t)_mm256_extract_epi64(s, 3);
}
