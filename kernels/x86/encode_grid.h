/* The encoders of vector codebooks with the kept points near a node compared side by side: the includer defines LANES,
 * 8 or 16. */
#ifndef KERNELS_X86_ENCODE_GRID_H
#define KERNELS_X86_ENCODE_GRID_H
#include <immintrin.h>
#include "kernels/encoders.h"
#include "kernels/formats/grid_search.h"
#include "kernels/formats/lanes.h"

enum { N_PARTS = GRID_NEAR / LANES };

static inline vf points_from(const int8_t *level)
{
#if LANES == 16
    return (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)level)));
#else
    return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)level)));
#endif
}

static inline unsigned bits_where_equal(vf a, vf b)
{
#if LANES == 16
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
#else
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_EQ_OQ));
#endif
}

static inline vf least_everywhere(vf v)
{
#if LANES == 16
    v = vf_min(v, (vf)_mm512_shuffle_f32x4((__m512)v, (__m512)v, 0x4e));
    v = vf_min(v, (vf)_mm512_shuffle_f32x4((__m512)v, (__m512)v, 0xb1));
    v = vf_min(v, (vf)_mm512_permute_ps((__m512)v, 0x4e));
    return vf_min(v, (vf)_mm512_permute_ps((__m512)v, 0xb1));
#else
    v = vf_min(v, (vf)_mm256_permute2f128_ps((__m256)v, (__m256)v, 1));
    v = vf_min(v, (vf)_mm256_permute_ps((__m256)v, 0x4e));
    return vf_min(v, (vf)_mm256_permute_ps((__m256)v, 0xb1));
#endif
}

/* Sums of one candidate are those of the plain search: coordinates i and i + 4 first, then even and odd ones. */
static inline vf errors_of(const int8_t *level, const float *t, const float *w, float s, int dim)
{
    vf e[4];
    for (int i = 0; i < 4; i++) {
        vf d = vf_of(s) * points_from(level + i * GRID_NEAR) - vf_of(t[i]);
        e[i] = vf_of(w[i]) * d * d;
        if (dim == 8) {
            d = vf_of(s) * points_from(level + (i + 4) * GRID_NEAR) - vf_of(t[i + 4]);
            e[i] += vf_of(w[i + 4]) * d * d;
        }
    }
    return (e[0] + e[2]) + (e[1] + e[3]);
}

/* The first of the least; the nearest where no error is a number. */
static inline int nearest_of(const struct search *f, int node, const v4 *t, const v4 *w, float s)
{
    const struct grid_points *g = f->g;
    const int8_t *level = g->near_level + (ptrdiff_t)node * g->dim * GRID_NEAR;
    vf e[N_PARTS], least = vf_of(INFINITY);
    unsigned found = 0;
    for (int p = 0; p < N_PARTS; p++) {
        vf part = errors_of(level + p * LANES, (const float *)t, (const float *)w, s, g->dim);
        for (int l = 0; l < LANES && (p + 1) * LANES > f->rule->n_near; l++)
            part[l] = p * LANES + l < f->rule->n_near ? part[l] : INFINITY;
        e[p] = vf_min(part, vf_of(INFINITY));
        least = vf_min(least, e[p]);
    }
    least = least_everywhere(least);
    for (int p = 0; p < N_PARTS; p++)
        found |= bits_where_equal(e[p], least) << p * LANES;
    return g->near[(ptrdiff_t)node * GRID_NEAR + __builtin_ctz(found)];
}

#define ENCODE_GRID(id, machine) ROW_ENCODER(encode_##id##_##machine, encode_grid_row, &id##_rule)
#endif
