/* Decode: codes in groups times one row of f32 values (f32_groups.h), for any vector width. Two rows, from the two
 * halves of the range, run side by side. Before it stands the f32_rows header of an instruction set, prefetch_rows in
 * it. */
#ifndef KERNELS_MATVEC_F32_GROUPS_H
#define KERNELS_MATVEC_F32_GROUPS_H
#include "kernels/f32_groups.h"

typedef void dot_rows(float sum[2], const struct f32_row row[2], const float *x, int64_t n, int log2,
                      const struct f32_rule *rule);

/* A chunk at column c of both rows, of which n columns are there. */
INLINE void dot_chunk(VEC acc[2][2], const struct f32_row row[2], const float *x, int64_t c, int64_t n, int log2,
                      const struct f32_rule *rule, const int bits, const int per, const enum kind kind)
{
    VEC v[4], at[4];
#pragma GCC unroll 4
    for (int i = 0; i < per; i++)
        at[i] = vec_load(x + c + LANES * i);
#pragma GCC unroll 2
    for (int r = 0; r < 2; r++) {
        chunk_values(v, &row[r], c, n, log2, rule, bits, per, kind);
#pragma GCC unroll 4
        for (int i = 0; i < per; i++)
            acc[r][i % 2] = vec_fma(v[i], at[i], acc[r][i % 2]);
    }
}

INLINE void dot_two(float sum[2], const struct f32_row row[2], const float *x, int64_t n, int log2,
                    const struct f32_rule *rule, const int bits, const int per, const enum kind kind)
{
    VEC acc[2][2] = {{vec_zero(), vec_zero()}, {vec_zero(), vec_zero()}};
    int64_t c = 0;
    for (; c + LANES * per <= n; c += LANES * per)
        dot_chunk(acc, row, x, c, LANES * per, log2, rule, bits, per, kind);
    if (c < n)
        dot_chunk(acc, row, x, c, n - c, log2, rule, bits, per, kind);
#pragma GCC unroll 2
    for (int r = 0; r < 2; r++)
        sum[r] = vec_sum(vec_add(acc[r][0], acc[r][1]));
}

#define FORM(name, bits, per, kind)                                                                                    \
    static void dot_##name(float sum[2], const struct f32_row row[2], const float *x, int64_t n, int log2,             \
                           const struct f32_rule *rule)                                                                \
    {                                                                                                                  \
        dot_two(sum, row, x, n, log2, rule, bits, per, kind);                                                          \
    }
F32_FORMS(FORM)
#undef FORM

static dot_rows *dot_for(const struct qmat *w, enum kind kind)
{
#define FORM(name, bits, per, of)                                                                                      \
    if (form_fits(w, kind, bits, per, of))                                                                             \
        return dot_##name;
    F32_FORMS(FORM)
#undef FORM
    return NULL;
}

/* One zone of columns, added to those before it. */
INLINE void matvec_zone(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, bool first)
{
    _Alignas(64) float tile[F32_TILE];
    struct f32_row row[2];
    const struct f32_rule rule = f32_rule_of(w);
    dot_rows *const dot = dot_for(w, rule.kind);
    const int log2 = group_log2(w), bits = w->seg->q.bits;
    const int64_t half = (r1 - r0 + 1) / 2;
    prefetch_rows(w, r0, r1);
    for (int64_t c0 = 0; c0 < w->k; c0 += F32_TILE) {
        int64_t n = min_i64(w->k - c0, F32_TILE);
        order_columns(tile, x, w, c0, n, rule.high_first);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            float sum[2];
            int64_t n_groups = f32_row_open(&row[0], w, &rule, r, c0, n);
            f32_row_open(&row[1], w, &rule, q, c0, n);
            for (int i = 0; i < 2 && bits <= 5; i++)
                make_tables(&row[i], n_groups, &rule, bits);
            dot(sum, row, tile, n, log2, &rule);
            float before0 = c0 || !first ? y[r - r0] : 0, before1 = c0 || !first ? y[q - r0] : 0;
            y[r - r0] = before0 + sum[0];
            y[q - r0] = before1 + sum[1];
        }
    }
}

INLINE void matvec_f32_groups(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    struct qmat zone[MAX_ZONES];
    const int n = zones_of(zone, w);
    for (int i = 0; i < n; i++)
        matvec_zone(y, &zone[i], r0, r1, x, i == 0);
}
#endif
