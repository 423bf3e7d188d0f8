/* Sums and quantiles as numpy computes them in f32, for what packages compute with it. */
#ifndef BENCH_QUANT_PAIRWISE_H
#define BENCH_QUANT_PAIRWISE_H
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Eight sums over up to 128, halves beyond. */
static inline float sum_pairwise(const float *x, int64_t n)
{
    if (n > 128) {
        int64_t half = n / 2 - n / 2 % 8;
        return sum_pairwise(x, half) + sum_pairwise(x + half, n - half);
    }
    float r[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            r[j] += x[i + j];
    float sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++)
        sum += x[i];
    return sum;
}

static inline int pairwise_compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Between the two nearest; sorted[n] is scratch. */
static inline float quantile_of(const float *x, float *sorted, int64_t n, float share)
{
    memcpy(sorted, x, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, pairwise_compare);
    float at = share * (float)(n - 1), t = at - floorf(at);
    float lo = sorted[(int64_t)at], hi = sorted[(int64_t)at + (n > 1)], d = hi - lo;
    return t >= 0.5f ? hi - d * (1 - t) : lo + d * t;
}
#endif
