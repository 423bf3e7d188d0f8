/* What the int8 activation rules share: llama.cpp's x86 and ARM code takes x * (127 / max|x|) to nearest
 * even. (Its weights in Q8_0 multiply by 1/d and round halves away from zero: codes differ at ties.) */
#ifndef KERNELS_FORMATS_ACT_INT8_H
#define KERNELS_FORMATS_ACT_INT8_H
#include <math.h>
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/range.h"

/* q[n] from x[n], block scale max|x| / 127 returned. */
static inline float act_int8_codes(uint8_t *q, const float *x, int n)
{
    float amax = range_absmax(x, n);
    float inv = amax >= 0x1p-120f ? 127 / amax : 0;
    for (int i = 0; i < n; i++)
        q[i] = fit_code(x[i] * inv);
    return amax / 127;
}

static inline void act_int8_values(float *y, const uint8_t *q, int n, float d)
{
    for (int i = 0; i < n; i++)
        y[i] = (float)(int8_t)q[i] * d;
}
#endif
