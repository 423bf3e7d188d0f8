/* Rounding to -1, 0, +1 times the largest magnitude, which TQ1_0, TQ2_0 and Q2_0 share. */
#ifndef KERNELS_FORMATS_TERNARY_H
#define KERNELS_FORMATS_TERNARY_H
#include <math.h>
#include "base/half.h"
#include "kernels/formats/range.h"

/* q[i] = 0, 1, 2 for -1, 0, +1, halves away from zero; returns the scale as f16. */
static inline uint16_t ternary_codes(uint8_t *q, const float *x, int n)
{
    float most = range_absmax(x, n);
    float inv = most > 0 ? 1 / most : 0;
    for (int i = 0; i < n; i++) {
        float v = x[i] * inv;
        q[i] = (uint8_t)(1 + (v >= 0.5f) - (v <= -0.5f));
    }
    return f32_to_f16(most);
}
#endif
