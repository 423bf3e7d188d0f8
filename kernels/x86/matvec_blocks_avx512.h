/* Decode kernels for weights in blocks of 32 (Q4_0 Q4_1 Q5_0 Q5_1 Q8_0), AVX-512 VNNI.
 * Four blocks make a group of 128 columns: lo holds columns 0..15 of each block, hi columns 16..31, so that after two
 * dpbusd each block owns one 128-bit lane of sums and one convert and one FMA serve all four.
 * Codes are unsigned (code = value + offset); the offset is taken back by the start value -offset * sum(x).
 * Two rows from the two halves of the range run side by side: they share the activations, and the memory sees two
 * streams far apart (neighbouring rows would mislead the hardware's prefetchers).
 * A codec supplies load(p, n): a group from the n bytes that are left of the row. */
#ifndef KERNELS_X86_MATVEC_BLOCKS_AVX512_H
#define KERNELS_X86_MATVEC_BLOCKS_AVX512_H
#include <string.h>
#include "base/half.h"
#include "kernels/x86/avx512.h"

struct x_group {                 /* the activations of 128 columns, ready for every row */
    _Alignas(64) int8_t lo[64];
    int8_t hi[64];
    int32_t start[16];           /* -offset * sum of this lane's codes */
    float d[4], s[4];            /* of each block: scale, and scale * sum of codes */
};
struct w_group {
    __m512i lo, hi;              /* codes, 0..255 */
    __m128 d, m;                 /* of each block: scale, minimum */
};
enum { TILE_GROUPS = 32 };       /* 4096 columns: 8 KiB of activations in the first-level cache */

/* Blocks [0, n_blocks) of an encoded row; x_block bytes each, scale first, codes in the last 32 bytes. */
static void x_prepare(struct x_group *g, const uint8_t *x, int64_t n_blocks, int x_block, int offset)
{
    for (int64_t b = 0; b < n_blocks; b += 4, g++) {
        int sum[4] = {0};
        *g = (struct x_group){0};
        for (int i = 0; i < 4 && b + i < n_blocks; i++, x += x_block) {
            memcpy(g->lo + 16 * i, x + x_block - 32, 16);
            memcpy(g->hi + 16 * i, x + x_block - 16, 16);
            for (int c = 0; c < 32; c++)
                sum[i] += (int8_t)x[x_block - 32 + c];
            g->start[4 * i] = -offset * sum[i];
            g->d[i] = half_at(x);
            g->s[i] = g->d[i] * (float)sum[i];
        }
    }
}

struct group_sums {
    __m512 dot;
    __m128 min;
};

INLINE void group_dot(struct group_sums *acc, const struct x_group *x, struct w_group w, bool has_min)
{
    __m512i lane_of_block = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    __m512i sum = _mm512_dpbusd_epi32(_mm512_load_si512(x->start), w.lo, _mm512_load_si512(x->lo));
    sum = _mm512_dpbusd_epi32(sum, w.hi, _mm512_load_si512(x->hi));
    __m512 d = _mm512_castps128_ps512(_mm_mul_ps(w.d, _mm_load_ps(x->d)));
    acc->dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_permutexvar_ps(lane_of_block, d), acc->dot);
    if (has_min)
        acc->min = _mm_fmadd_ps(w.m, _mm_load_ps(x->s), acc->min);
}

INLINE float group_sum(struct group_sums acc)
{
    return _mm512_reduce_add_ps(_mm512_add_ps(acc.dot, _mm512_zextps128_ps512(acc.min)));
}

INLINE void matvec_blocks(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, int block, int x_block,
                          int offset, bool has_min, struct w_group (*load)(const uint8_t *p, int64_t n))
{
    struct x_group tile[TILE_GROUPS];
    int64_t n_blocks = w->k / 32, half = (r1 - r0 + 1) / 2;
    for (int64_t b = 0; b < n_blocks; b += 4 * TILE_GROUPS) {
        int64_t left = min_i64(n_blocks - b, 4 * TILE_GROUPS);
        x_prepare(tile, (const uint8_t *)x + b * x_block, left, x_block, offset);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r;   /* an odd last row is its own partner */
            const uint8_t *p0 = qmat_row(w, r) + b * block, *p1 = qmat_row(w, q) + b * block;
            struct group_sums s0 = {_mm512_setzero_ps(), _mm_setzero_ps()}, s1 = s0;
            const struct x_group *g = tile;
            int64_t at = 0;
            for (; at + 4 <= left; at += 4, g++, p0 += 4 * block, p1 += 4 * block) {
                group_dot(&s0, g, load(p0, 4 * block), has_min);
                group_dot(&s1, g, load(p1, 4 * block), has_min);
            }
            if (at < left) {
                group_dot(&s0, g, load(p0, (left - at) * block), has_min);
                group_dot(&s1, g, load(p1, (left - at) * block), has_min);
            }
            float before0 = b ? y[r - r0] : 0, before1 = b ? y[q - r0] : 0;
            y[r - r0] = before0 + group_sum(s0);
            y[q - r0] = before1 + group_sum(s1);
        }
    }
}
#endif
