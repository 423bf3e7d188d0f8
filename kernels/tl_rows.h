/* BitNet's layouts TL1 and TL2 (formats/bitnet.c) times int8 activations: what decode and prefill share on every
 * instruction set. A nibble stands for 2 or 3 neighbouring columns; tables turn a vector of nibbles into one vector of
 * codes for each of them, so the columns of a chunk come out by their place, every `parts`-th one together, and
 * activations are brought into that order once per call.
 *   TL1: a byte is 4 columns; LANES bytes are a chunk       TL2: a nibble is 3; LANES / 2 bytes, and LANES signs
 * Codes are the weights plus 2. The file that includes this says how many bytes a vector has: LANES. */
#ifndef KERNELS_TL_ROWS_H
#define KERNELS_TL_ROWS_H
#include <string.h>
#include "kernels/formats/bitnet.h"
#include "kernels/inline.h"

enum { PARTS_TL1 = 4, PARTS_TL2 = 3, ADDED = 2, MAX_PAIRS = 2 };

/* The codes of nibble v, by the column's place; of TL1 the high nibble has the same. */
#define TL_TABLES                                                                                                      \
    {                                                                                                                  \
        {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6}, {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1},            \
            {2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4}, {2, 2, 3, 3, 3, 1, 1, 1, 2, 2, 2, 3, 3, 3, 1, 1},        \
        {                                                                                                              \
            2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2                                                             \
        }                                                                                                              \
    }
static const _Alignas(16) int8_t tl_tables[PARTS_TL1 / 2 + PARTS_TL2][16] = TL_TABLES;

struct tl {
    const struct qmat *w;
    int parts;
    int64_t columns, n_chunks, n_whole; /* columns of a chunk; chunks of a row, and those with all their bytes */
    int64_t in_chunks;                  /* columns: behind them TL2 has pairs */
    float scale;
};

INLINE struct tl tl_open(const struct qmat *w)
{
    const bool pairs_only = w->seg->q.scale_type == BITNET_TL1;
    struct tl t = {.w = w, .parts = pairs_only ? PARTS_TL1 : PARTS_TL2};
    t.columns = t.parts * LANES;
    t.in_chunks = pairs_only ? w->k : 3 * bitnet_triples(w->k);
    t.n_chunks = (t.in_chunks + t.columns - 1) / t.columns;
    t.n_whole = t.in_chunks / t.columns;
    t.scale = f32_from_bits(rd_u32le(w->plane[PLANE_SCALE].p));
    return t;
}

/* Activations of the chunks [i0, i1) in the order of codes, zeros behind the last. Returns their sum. */
INLINE int32_t tl_order(int8_t *dst, const struct tl *t, const int8_t *x, int64_t i0, int64_t i1)
{
    int32_t sum = 0;
    for (int64_t i = i0; i < i1; i++, dst += t->columns)
        for (int p = 0; p < t->parts; p++)
            for (int l = 0; l < LANES; l++) {
                int64_t c = i * t->columns + t->parts * l + p;
                dst[p * LANES + l] = c < t->in_chunks ? x[c] : 0;
                sum += dst[p * LANES + l];
            }
    return sum;
}

/* Codes of the columns in pairs, behind the triples; how many there are. */
INLINE int tl_pairs(uint8_t code[2 * MAX_PAIRS], const struct tl *t, int64_t r)
{
    const int n = (int)(t->w->k - t->in_chunks);
    for (int i = 0; i < n; i += 2) {
        int64_t at = t->in_chunks / 3 + i / 2;
        int v = qmat_row(t->w, r)[at / 2] >> 4 * (at % 2) & 15;
        code[i] = (uint8_t)tl_tables[0][v];
        code[i + 1] = (uint8_t)tl_tables[1][v];
    }
    return n;
}

/* Their part of a row's sum, with that of what is added to codes. */
INLINE int32_t tl_pairs_dot(const struct tl *t, int64_t r, const int8_t *x)
{
    uint8_t code[2 * MAX_PAIRS];
    int32_t sum = 0;
    const int n = tl_pairs(code, t, r);
    for (int i = 0; i < n; i++)
        sum += (code[i] - ADDED) * x[t->in_chunks + i];
    return sum;
}

struct tl_chunk { /* or a row from some chunk on */
    const uint8_t *code, *sign;
};

INLINE struct tl_chunk tl_row(const struct tl *t, int64_t r)
{
    return (struct tl_chunk){qmat_row(t->w, r),
                             t->w->plane[PLANE_HIGH].p + (size_t)r * t->w->plane[PLANE_HIGH].row_stride};
}

/* Chunk i of a row. Where its bytes are not all there, what there is of them is copied. */
INLINE struct tl_chunk tl_chunk_at(const struct tl *t, struct tl_chunk row, int64_t i, uint8_t copy[2 * LANES],
                                   const int parts)
{
    const int64_t code = parts == PARTS_TL1 ? LANES : LANES / 2, sign = parts == PARTS_TL1 ? 0 : LANES / 8;
    struct tl_chunk c = {row.code + i * code, row.sign + i * sign};
    if (i < t->n_whole)
        return c;
    const int64_t code_left = (int64_t)t->w->plane[PLANE_CODE].row_stride - i * code,
                  sign_left = (int64_t)t->w->plane[PLANE_HIGH].row_stride - i * sign;
    memset(copy, 0, 2 * LANES);
    memcpy(copy, c.code, (size_t)min_i64(code_left, code));
    if (sign)
        memcpy(copy + LANES, c.sign, (size_t)min_i64(sign_left, sign));
    return (struct tl_chunk){copy, copy + LANES};
}
#endif
