/* Decode with weights in blocks of 32 (Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL MXFP4) up to 128 (NVFP4 Q2_0 Q1_0), for any
 * vector width.
 * Four blocks make a group of 128 columns: lo holds columns 0..15 of each block, hi columns 16..31, so that
 * all sums of a block end up in one 128-bit lane. The activations are brought into that order once per call.
 * Codes are unsigned (code = value + offset); each sum starts at -offset * sum(x) of its own columns, so that
 * what is converted to f32 is the exact integer and nothing cancels later. Two rows, from the two halves of
 * the range, run side by side: they share the activations, and memory sees two streams far apart
 * (neighbouring rows would mislead the hardware's prefetchers). Before it stands the header of an instruction
 * set: struct row_sums, row_zero, row_total. */
#ifndef KERNELS_X86_MATVEC_BLOCKS_H
#define KERNELS_X86_MATVEC_BLOCKS_H
#include "kernels/x86/streams.h"

struct x_group { /* the activations of 128 columns */
    _Alignas(64) int8_t lo[64];
    int8_t hi[64];
    int32_t start[16]; /* -offset * sum of the 8 codes that meet in this word */
    float d[4], s[4];  /* of each block: scale, and scale * sum of codes; */
    float d_s[8];      /* both in turns */
};
enum { TILE_GROUPS = 32 }; /* 4096 columns: 8 KiB of activations in the first-level cache */

/* One block of 32: d at x, codes at code. */
INLINE void x_prepare_block(struct x_group *g, int i, const uint8_t *x, const uint8_t *code, int offset)
{
    const __m128i one8 = _mm_set1_epi8(1), one16 = _mm_set1_epi16(1);
    __m128i lo = _mm_loadu_si128((const __m128i *)code), hi = _mm_loadu_si128((const __m128i *)(code + 16));
    __m128i sum = _mm_madd_epi16(_mm_add_epi16(_mm_maddubs_epi16(one8, lo), _mm_maddubs_epi16(one8, hi)), one16);
    _mm_store_si128((__m128i *)(g->lo + 16 * i), lo);
    _mm_store_si128((__m128i *)(g->hi + 16 * i), hi);
    _mm_store_si128((__m128i *)(g->start + 4 * i), _mm_mullo_epi32(sum, _mm_set1_epi32(-offset)));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    g->d[i] = half_at(x);
    g->s[i] = g->d[i] * (float)_mm_cvtsi128_si32(sum);
    g->d_s[2 * i] = g->d[i];
    g->d_s[2 * i + 1] = g->s[i];
}

/* Blocks [0, n_blocks) of an encoded row; x_block bytes each, scale first, codes in the last 32 bytes. */
static void x_prepare(struct x_group *g, const uint8_t *x, int64_t n_blocks, int x_block, int offset)
{
    for (int64_t b = 0; b < n_blocks; b++, x += x_block) {
        if (b % 4 == 0)
            g[b / 4] = (struct x_group){0};
        x_prepare_block(&g[b / 4], b % 4, x, x + x_block - 32, offset);
    }
}

/* group: bytes of 128 columns. dot adds the group at p, of which n bytes are left in the row, to the sums. */
INLINE void matvec_blocks(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, int group, int x_block,
                          int offset,
                          void (*dot)(struct row_sums *s, const struct x_group *x, const uint8_t *p, int64_t n))
{
    struct x_group tile[TILE_GROUPS];
    int64_t n_blocks = w->k / 32, half = (r1 - r0 + 1) / 2;
    prefetch_rows(w, r0, r1);
    for (int64_t b = 0; b < n_blocks; b += 4 * TILE_GROUPS) {
        int64_t left = min_i64(n_blocks - b, 4 * TILE_GROUPS);
        x_prepare(tile, (const uint8_t *)x + b * x_block, left, x_block, offset);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            const uint8_t *p0 = qmat_row(w, r) + b / 4 * group, *p1 = qmat_row(w, q) + b / 4 * group;
            struct row_sums s0 = row_zero(), s1 = row_zero();
            const struct x_group *g = tile;
            int64_t at = 0;
            for (; at + 4 <= left; at += 4, g++, p0 += group, p1 += group) {
                dot(&s0, g, p0, group);
                dot(&s1, g, p1, group);
            }
            if (at < left) {
                dot(&s0, g, p0, (left - at) * group / 4);
                dot(&s1, g, p1, (left - at) * group / 4);
            }
            float before0 = b ? y[r - r0] : 0, before1 = b ? y[q - r0] : 0;
            y[r - r0] = before0 + row_total(s0);
            y[q - r0] = before1 + row_total(s1);
        }
    }
}
#endif
