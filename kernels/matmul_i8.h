/* Prefill: codes of 2, 4 or 8 bits in groups times int8 activations (i8_rows.h), on the panels of an instruction set:
 * NR rows by 256 columns are unpacked, a word of columns of each row side by side, and all tokens pass over them.
 *
 *   y[token][row] += sum_s scale[s] dx[s] (sum code x) + min[s] dx[s] (sum x)
 *
 * s: steps of columns with one scale of W and one of x each. Codes are signed, less the middle one; where there are
 * zero points, a minimum stands for what is left of them, and the sums start at what the zero point of x takes off.
 * Before it stand NR, MR, MAX_TOKENS and PARTS: 2, where codes of 8 bits go in two. Behind it, the hooks below. */
#ifndef KERNELS_MATMUL_I8_H
#define KERNELS_MATMUL_I8_H
#include "kernels/i8_rows.h"
#include "kernels/panel.h"

enum { COLUMNS = 256, STEPS = COLUMNS / 16 }; /* of a panel */

struct i8_panel {
    _Alignas(64) float y[MAX_TOKENS][NR];
    uint8_t code[PARTS][COLUMNS / 4][NR][4];
    int32_t start[STEPS][NR];
    float scale[STEPS][NR], min[STEPS][NR];
    float x[]; /* [tokens in hand][steps of a row] of dx, then dx times the sum of x */
};

/* The tokens' part of the columns in the panel. */
struct x_at {
    const uint8_t *x; /* of the first token: its first column here */
    const float *d, *sum;
    size_t stride;
    int64_t n; /* columns */
    bool first;
};

/* The sum of the signed activations [c0, c1) of a row; both are multiples of 16. */
static int32_t x_sum(const uint8_t *x, int64_t c0, int64_t c1, int log2);
/* n columns from c0 on of the rows [r, r + NR) into code and start; rows beyond the last repeat it. */
INLINE void unpack_rows(struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last, int64_t c0, int64_t n,
                        const struct steps *s, const int bits);
/* mr tokens (a constant at every call) from j on against the panel: y[j][] += (or, at first, =) their sums. */
INLINE void tile(const int mr, const int bits, struct i8_panel *p, const struct x_at *t, int64_t j,
                 const struct steps *s);

static int64_t tokens_at_once(int64_t k)
{
    return max_tokens((size_t)k / 4 * 5);
}

static size_t i8_scratch(int64_t k)
{
    return sizeof(struct i8_panel) + (size_t)(tokens_at_once(k) * (k / 16 + 1)) * 2 * sizeof(float);
}

/* dx and sx of one token. */
static void x_scales(float *d, float *sum, const uint8_t *x, int64_t k, const struct steps *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t c0 = i << s->log2, c1 = min_i64(c0 + (INT64_C(1) << s->log2), k);
        d[i] = x_scale(x, c0, s->x_log2);
        sum[i] = s->has_zero ? d[i] * (float)x_sum(x, c0, c1, s->x_log2) : 0;
    }
}

/* Scales and minima of the steps of n columns from c0 on: those of their groups. */
static void unpack_scales(struct i8_panel *p, int lane, const struct qmat *w, int64_t r, int64_t c0, int64_t n,
                          const struct steps *s)
{
    const int log2 = group_log2(w);
    const int64_t g0 = c0 >> log2, n_groups = ((c0 + n - 1) >> log2) + 1 - g0;
    float scale[STEPS + 8];
    int32_t zero[STEPS + 8];
    row_scales(scale, w, r, g0, n_groups);
    if (s->has_zero)
        row_zero_codes(zero, w, r, g0, n_groups);
    for (int64_t i = 0; i << s->log2 < n; i++) {
        int64_t g = ((c0 + (i << s->log2)) >> log2) - g0;
        p->scale[i][lane] = scale[g];
        p->min[i][lane] = s->has_zero ? (float)(s->middle - zero[g]) * scale[g] : 0;
    }
}

INLINE void all_tokens(const int bits, struct i8_panel *p, const struct x_at *t, int64_t m, const struct steps *s)
{
    int64_t j = 0;
    for (; j + MR <= m; j += MR)
        tile(MR, bits, p, t, j, s);
    for (; j + 2 <= m; j += 2)
        tile(2, bits, p, t, j, s);
    if (j < m)
        tile(1, bits, p, t, j, s);
}

/* One panel, and all tokens over it. */
INLINE void panel_bits(const int bits, struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last,
                       const struct x_at *t, int64_t c0, int64_t m, const struct steps *s)
{
    unpack_rows(p, w, r, last, c0, t->n, s, bits);
    for (int lane = 0; lane < NR; lane++)
        unpack_scales(p, lane, w, min_i64(r + lane, last), c0, t->n, s);
    all_tokens(bits, p, t, m, s);
}

static void matmul_i8(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x, size_t stride,
                      int64_t m, void *scratch)
{
    struct i8_panel *p = scratch;
    const struct steps s = steps_of(w, x);
    const int64_t in_hand = tokens_in_hand(m, tokens_at_once(w->k));
    float *d = p->x, *sum = d + in_hand * s.n;
    for (int64_t j = 0; j < m; j += in_hand) {
        const uint8_t *xj = (const uint8_t *)x + (size_t)j * stride;
        const int64_t tokens = min_i64(m - j, in_hand);
        for (int64_t i = 0; i < tokens; i++)
            x_scales(d + i * s.n, sum + i * s.n, has_x_zero(w) ? x : xj + (size_t)i * stride, w->k, &s);
        for (int64_t r = r0; r < r1; r += NR) {
            for (int64_t c = 0; c < w->k; c += COLUMNS) {
                const struct x_at t = {x_at_column(w, xj, c, s.x_log2),
                                       d + (c >> s.log2),
                                       sum + (c >> s.log2),
                                       stride,
                                       min_i64(w->k - c, COLUMNS),
                                       c == 0};
                BY_BITS(w, panel_bits, p, w, r, r1 - 1, &t, c, tokens, &s);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
#endif
