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
static inline void vf_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
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
/* Nearest even for |v| < 2^22; the sign of a zero is not said. */
static inline vf vf_round(vf v)
{
#if defined(__AVX512F__) && LANES == 16
    return (vf)_mm512_roundscale_ps((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__) && LANES == 8
    return (vf)_mm256_round_ps((__m256)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    return (v + vf_of(0x1.8p23f)) - vf_of(0x1.8p23f);
#endif
}
/* 1/v, or 0 where v is 0. */
static inline vf vf_inverse(vf v)
{
    vmask zero = v == vf_of(0);
    return vf_pick(zero, vf_of(0), vf_of(1) / vf_pick(zero, vf_of(1), v));
}
/* r[i][j] and r[j][i] change places: at each step the blocks of s beside the diagonal do. */
static inline void vf_transpose(vf r[LANES])
{
    static const int32_t count[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vmask lane;
    memcpy(&lane, count, sizeof lane);
#pragma GCC unroll 4
    for (int s = 1; s < LANES; s *= 2) {
        vmask low = lane + (((lane & s) != 0) & (LANES - s)), high = low + s;
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) {
            if (i & s)
                continue;
            vf a = r[i], b = r[i + s];
            r[i] = __builtin_shuffle(a, b, low);
            r[i + s] = __builtin_shuffle(a, b, high);
        }
    }
}
#endif
