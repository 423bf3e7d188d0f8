/* Prefill: BitNet's layouts TL1 and TL2 times int8 activations (tl_rows.h), on the panels of an instruction set: a
 * chunk of NR rows is unpacked, and all tokens, in the order of codes, pass over it. Sums are whole numbers to the end.
 * Before it stand LANES, NR, MR, WORD and MAX_TOKENS. Behind it, the hooks below. */
#ifndef KERNELS_MATMUL_TL_H
#define KERNELS_MATMUL_TL_H
#include "kernels/panel.h"
#include "kernels/tl_rows.h"

struct tl_panel {
    _Alignas(64) int32_t sum[MAX_TOKENS][NR];
    uint8_t code[PARTS_TL1 * LANES / 4][NR][4];
};

/* Chunk i of the rows [r, r + NR); beyond the last they repeat it. */
INLINE void tl_unpack(struct tl_panel *p, const struct tl *t, int64_t r, int64_t last, int64_t i, const int parts);
/* mr tokens (a constant at every call) from j on: sum[][] += (or, at first, =) so many words of each. */
INLINE void tile(const int mr, struct tl_panel *p, const int8_t *x, size_t stride, int64_t j, int n_words, bool first);

static int64_t tl_x_bytes(int64_t k)
{
    return (k + PARTS_TL1 * LANES + 2 * 64 - 1) / 64 * 64; /* a chunk begun, and the pairs */
}

static int64_t tl_at_once(int64_t k)
{
    return max_tokens((size_t)k);
}

static size_t tl_scratch(int64_t k)
{
    return sizeof(struct tl_panel) + (size_t)tl_at_once(k) * ((size_t)tl_x_bytes(k) + sizeof(float) + sizeof(int32_t));
}

/* One token; returns what the additions to codes come to. */
INLINE int32_t tl_token(int8_t *dst, const struct tl *t, const int8_t *x)
{
    int32_t sum = tl_order(dst, t, x, 0, t->n_chunks);
    int8_t *pairs = dst + t->n_chunks * t->columns;
    memset(pairs, 0, 16);
    for (int64_t i = t->in_chunks; i < t->w->k; i++) {
        pairs[i - t->in_chunks] = x[i];
        sum += x[i];
    }
    return ADDED * sum;
}

static void tl_tokens(struct tl_panel *p, const int8_t *x, size_t stride, int64_t m, int n_words, bool first)
{
    int64_t j = 0;
    for (; j + MR <= m; j += MR)
        tile(MR, p, x, stride, j, n_words, first);
    for (; j + 2 <= m; j += 2)
        tile(2, p, x, stride, j, n_words, first);
    if (j < m)
        tile(1, p, x, stride, j, n_words, first);
}

static void tl_unpack_pairs(struct tl_panel *p, const struct tl *t, int64_t r, int64_t last)
{
    memset(p->code, 0, 4 * sizeof *p->code);
    for (int i = 0; i < NR; i++)
        tl_pairs(p->code[0][0] + WORD * i, t, min_i64(r + i, last));
}

/* All columns of the rows [r, r + NR). */
INLINE void tl_panel_rows(struct tl_panel *p, const struct tl *t, int64_t r, int64_t last, const int8_t *x,
                          size_t x_stride, int64_t m, const int parts)
{
    for (int64_t i = 0; i < t->n_chunks; i++) {
        tl_unpack(p, t, r, last, i, parts);
        tl_tokens(p, x + i * t->columns, x_stride, m, parts * LANES / 4, i == 0);
    }
    if (t->in_chunks == t->w->k)
        return;
    tl_unpack_pairs(p, t, r, last);
    tl_tokens(p, x + t->n_chunks * t->columns, x_stride, m, 4, t->n_chunks == 0);
}

INLINE void matmul_tl(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x, size_t stride,
                      int64_t m, void *scratch)
{
    struct tl_panel *p = scratch;
    const struct tl t = tl_open(w);
    const int64_t most = tl_at_once(w->k), in_hand = tokens_in_hand(m, most);
    const size_t x_stride = (size_t)tl_x_bytes(w->k);
    int8_t *xs = (int8_t *)(p + 1);
    float *scale = (float *)(void *)(xs + (size_t)most * x_stride);
    int32_t *added = (int32_t *)(void *)(scale + most);
    for (int64_t j = 0; j < m; j += in_hand) {
        const int64_t tokens = min_i64(m - j, in_hand);
        for (int64_t i = 0; i < tokens; i++) {
            const uint8_t *row = (const uint8_t *)x + (size_t)(j + i) * stride;
            scale[i] = f32_from_bits(rd_u32le(row)) * t.scale;
            added[i] = tl_token(xs + (size_t)i * x_stride, &t, (const int8_t *)row + 4);
        }
        for (int64_t r = r0; r < r1; r += NR) {
            if (t.parts == PARTS_TL1)
                tl_panel_rows(p, &t, r, r1 - 1, xs, x_stride, tokens, PARTS_TL1);
            else
                tl_panel_rows(p, &t, r, r1 - 1, xs, x_stride, tokens, PARTS_TL2);
            for (int64_t i = 0; i < tokens; i++)
                for (int64_t row = 0; row < min_i64(r1 - r, NR); row++)
                    y[(j + i) * ldy + r - r0 + row] = scale[i] * (float)(p->sum[i][row] - added[i]);
        }
    }
}
#endif
