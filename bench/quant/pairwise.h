/* Sums as numpy adds them, for what packages compute with it. */
#ifndef BENCH_QUANT_PAIRWISE_H
#define BENCH_QUANT_PAIRWISE_H
#include <stdint.h>

/* f32: eight sums over up to 128, halves beyond. */
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
#endif
