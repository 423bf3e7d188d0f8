/* Extremes of n numbers, and the clamp that goes with them, for grids that are laid over a range. */
#ifndef KERNELS_FORMATS_RANGE_H
#define KERNELS_FORMATS_RANGE_H
#include <math.h>
#include <stdint.h>

struct range {
    float lo, hi;
};

struct range range_of(const float *x, int64_t n);
struct range range_with_zero(const float *x, int64_t n); /* of zero as well: what most integer grids cover */

static inline float range_absmax(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

static inline float clampf(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}
/* The same, but lo for NaN: for what is an integer next. */
static inline float clamp_code(float x, float lo, float hi)
{
    return x > lo ? x < hi ? x : hi : lo;
}
#endif
