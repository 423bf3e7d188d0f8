/* Float loops that the compiler turns into SIMD at the baseline ISA: exp, maximum, sums. Plain C, no branches
 * inside. Reductions keep eight partial results, so that their order (and the last bit) is the same on every
 * machine. */
#ifndef KERNELS_VEC_H
#define KERNELS_VEC_H
#include <math.h>
#include <stdint.h>
#include "base/half.h"

/* e^x within 1e-7 of its value; x is clamped to [-87.3, 88.3], so that nothing is subnormal or infinite. NaN
 * stays NaN. x = n ln 2 + r with |r| <= ln 2 / 2, e^r = 1 + r + r^2 P(r), P fitted to a relative error of
 * 3e-9. */
static inline float vec_exp(float x)
{
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits */
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    float z = x * 1.44269504f + round, n = z - round;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 0.00138144672f;
    p = p * r + 0.00836878084f;
    p = p * r + 0.0416683927f;
    p = p * r + 0.166665196f;
    p = p * r + 0.49999994f;
    float scale = f32_from_bits((f32_bits(z) << 23) + 0x3f800000); /* 2^n */
    return (p * r * r + r + 1.0f) * scale;
}

static inline float vec_max(const float *x, int64_t n)
{
    float m[8];
    for (int j = 0; j < 8; j++)
        m[j] = -INFINITY;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (; i < n; i++)
        m[0] = x[i] > m[0] ? x[i] : m[0];
    for (int j = 1; j < 8; j++)
        m[0] = m[j] > m[0] ? m[j] : m[0];
    return m[0];
}

/* Sum of floats in double. */
static inline double vec_sum(const float *x, int64_t n)
{
    double s[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            s[j] += (double)x[i + j];
    for (; i < n; i++)
        s[0] += (double)x[i];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}
#endif
