/* Decode: BitNet's layouts TL1 and TL2 times one row of int8 activations (tl_rows.h), for any vector width. Two rows,
 * from the two halves of the range, run side by side; their sums are whole numbers. Before it stand the chunks of an
 * instruction set, with
 *   SUMS                      32-bit sums
 *   sums_zero, sums_total
 *   sums_dot(s, c, x, parts)  and those of a chunk */
#ifndef KERNELS_MATVEC_TL_H
#define KERNELS_MATVEC_TL_H
#include "kernels/tl_rows.h"

enum { TL_TILE = 4096 };

INLINE void matvec_tl_parts(float *y, const struct tl *t, int64_t r0, int64_t r1, const uint8_t *x, const int parts)
{
    _Alignas(64) int8_t tile[TL_TILE];
    uint8_t copy[2 * LANES];
    const int64_t half = (r1 - r0 + 1) / 2, in_tile = TL_TILE / t->columns;
    const int8_t *code = (const int8_t *)x + 4;
    const float scale = f32_from_bits(rd_u32le(x)) * t->scale;
    for (int64_t i0 = 0; i0 < t->n_chunks || i0 == 0; i0 += in_tile) {
        const int64_t n = min_i64(t->n_chunks - i0, in_tile);
        const int32_t added = ADDED * tl_order(tile, t, code, i0, i0 + n);
        for (int64_t r = r0; r < r0 + half; r++) {
            const int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            const struct tl_chunk row0 = tl_row(t, r), row1 = tl_row(t, q);
            SUMS s0 = sums_zero(), s1 = sums_zero();
            for (int64_t i = 0; i < n; i++) {
                s0 = sums_dot(s0, tl_chunk_at(t, row0, i0 + i, copy, parts), tile + i * t->columns, parts);
                s1 = sums_dot(s1, tl_chunk_at(t, row1, i0 + i, copy, parts), tile + i * t->columns, parts);
            }
            int32_t d0 = sums_total(s0) - added, d1 = sums_total(s1) - added;
            float before0 = i0 ? y[r - r0] : scale * (float)tl_pairs_dot(t, r, code);
            float before1 = i0 ? y[q - r0] : scale * (float)tl_pairs_dot(t, q, code);
            y[r - r0] = before0 + scale * (float)d0;
            y[q - r0] = before1 + scale * (float)d1;
        }
    }
}

INLINE void matvec_tl(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    const struct tl t = tl_open(w);
    if (t.parts == PARTS_TL1)
        matvec_tl_parts(y, &t, r0, r1, x, PARTS_TL1);
    else
        matvec_tl_parts(y, &t, r0, r1, x, PARTS_TL2);
}
#endif
