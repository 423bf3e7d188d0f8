/* LANES floats (4, 8, 16) in one register or several, for searches that are compiled for more than one machine: each
 * operation rounds as the scalar one does, so that results do not depend on LANES. */
#ifndef KERNELS_FORMATS_LANES_H
#define KERNELS_FORMATS_LANES_H
#include <stdint.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vmask __attribute__((vector_size(4 * LANES)));

static inline vf vf_of(float f)
{
    return f - (vf){0};
}
static inline vf vf_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline vf vf_pick(vmask m, vf a, vf b)
{
    return (vf)((m & (vmask)a) | (~m & (vmask)b));
}
/* The second where they are equal or one is no number: what SIMD units call min and max. */
static inline vf vf_max(vf a, vf b)
{
#if defined(__AVX512F__) && LANES == 16
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && LANES == 8
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return vf_pick(a > b, a, b);
#endif
}
static inline vf vf_min(vf a, vf b)
{
#if defined(__AVX512F__) && LANES == 16
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && LANES == 8
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return vf_pick(a < b, a, b);
#endif
}
static inline vf vf_clamp(vf v, vf lo, vf hi)
{
    return vf_min(vf_max(v, lo), hi);
}
/* Nearest even for |v| < 2^22. */
static inline vf vf_round(vf v)
{
    return (v + vf_of(0x1.8p23f)) - vf_of(0x1.8p23f);
}
/* 1/v, or 0 where v is 0. */
static inline vf vf_inverse(vf v)
{
    vmask zero = v == vf_of(0);
    return vf_pick(zero, vf_of(0), vf_of(1) / vf_pick(zero, vf_of(1), v));
}
#endif
