/* Four floats in a SIMD register of the baseline machine, for the searches of the encoders. */
#ifndef KERNELS_FORMATS_VEC4_H
#define KERNELS_FORMATS_VEC4_H
#include <stdint.h>
#include <string.h>

typedef float v4 __attribute__((vector_size(16)));
typedef int32_t mask4 __attribute__((vector_size(16)));

static inline v4 v4_of(float f)
{
    return (v4){f, f, f, f};
}
static inline v4 v4_load(const float *p)
{
    v4 v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline v4 v4_pick(mask4 m, v4 a, v4 b)
{
    return (v4)((m & (mask4)a) | (~m & (mask4)b));
}
static inline v4 v4_clamp(v4 v, v4 lo, v4 hi)
{
    v = v4_pick(v > lo, v, lo);
    return v4_pick(v < hi, v, hi);
}
/* Nearest even for |v| < 2^22. */
static inline v4 v4_round(v4 v)
{
    return (v + v4_of(0x1.8p23f)) - v4_of(0x1.8p23f);
}
/* 1/v, or 0 where v is 0. */
static inline v4 v4_inverse(v4 v)
{
    mask4 zero = v == v4_of(0);
    return v4_pick(zero, v4_of(0), v4_of(1) / v4_pick(zero, v4_of(1), v));
}
static inline void v4_store(float *p, v4 v)
{
    memcpy(p, &v, sizeof v);
}
/* Lane i changes its sign where bit i is set. */
static inline v4 v4_flip(v4 v, int bits)
{
    const mask4 bit = {1, 2, 4, 8};
    mask4 set = (mask4){bits, bits, bits, bits} & bit;
    return (v4)((mask4)v ^ ((set == bit) & (mask4){INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN}));
}
static inline float v4_sum(v4 v)
{
    v4 t = v + (v4){v[2], v[3], v[0], v[1]}; /* clang has no __builtin_shuffle */
    return t[0] + t[1];
}
#endif
