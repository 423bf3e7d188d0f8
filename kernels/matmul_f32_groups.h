/* Prefill: codes in groups times rows of f32 values (f32_groups.h): 32 rows of W at a time become f32, which stay in a
 * cache while the f32 GEMM multiplies the tokens in hand with them. Before it stands the f32_rows header of an
 * instruction set. */
#ifndef KERNELS_MATMUL_F32_GROUPS_H
#define KERNELS_MATMUL_F32_GROUPS_H
#include "kernels/f32_groups.h"

/* PAD keeps rows whose length is a power of two from evicting each other from the first-level cache. */
enum { TOKENS = 264, ROWS = 32, PAD = 16 };

typedef void decode_row(float *y, const struct f32_row *row, int64_t n, int log2, const struct f32_rule *rule);

INLINE void decode_one(float *y, const struct f32_row *row, int64_t n, int log2, const struct f32_rule *rule,
                       const int bits, const int per, const enum kind kind)
{
    for (int64_t c = 0; c < n; c += LANES * per, y += LANES * per) {
        VEC v[4];
        chunk_values(v, row, c, n - c, log2, rule, bits, per, kind);
#pragma GCC unroll 4
        for (int i = 0; i < per; i++)
            vec_store(y + LANES * i, v[i]);
    }
}

#define FORM(name, bits, per, kind)                                                                                    \
    static void decode_##name(float *y, const struct f32_row *row, int64_t n, int log2, const struct f32_rule *rule)   \
    {                                                                                                                  \
        decode_one(y, row, n, log2, rule, bits, per, kind);                                                            \
    }
F32_FORMS(FORM)
#undef FORM

static decode_row *decode_for(const struct qmat *w, enum kind kind)
{
#define FORM(name, bits, per, of)                                                                                      \
    if (form_fits(w, kind, bits, per, of))                                                                             \
        return decode_##name;
    F32_FORMS(FORM)
#undef FORM
    return NULL;
}

static int64_t padded(int64_t k)
{
    return (k + 63) / 64 * 64;
}

static size_t f32_groups_scratch(int64_t k)
{
    return (size_t)(TOKENS + ROWS) * (size_t)(padded(k) + (MAX_ZONES - 1) * 64 + PAD) * sizeof(float);
}

static void decode_rows(float *dst, int64_t stride, const struct qmat *w, int64_t r, int64_t rows, decode_row *decode,
                        const struct f32_rule *rule)
{
    struct f32_row row;
    const int bits = w->seg->q.bits, log2 = group_log2(w);
    for (int64_t i = 0; i < rows; i++, dst += stride) {
        for (int64_t c0 = 0; c0 < w->k; c0 += F32_TILE) {
            int64_t n = min_i64(w->k - c0, F32_TILE), n_groups = f32_row_open(&row, w, rule, r + i, c0, n);
            if (bits <= 5)
                make_tables(&row, n_groups, rule, bits);
            decode(dst + c0, &row, n, log2, rule);
        }
        const int64_t chunk = LANES * lane_columns(w);
        for (int64_t c = (w->k + chunk - 1) / chunk * chunk; c < padded(w->k); c++)
            dst[c] = 0;
    }
}

/* A zone of columns and where it stands in the rows of values. */
struct zone {
    struct f32_rule rule;
    decode_row *decode;
    int64_t at;
};

INLINE void matmul_f32_groups(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                              size_t x_stride, int64_t m, void *scratch, kernel_gemm_f32 *gemm)
{
    struct qmat part[MAX_ZONES];
    struct zone zone[MAX_ZONES];
    const int n_zones = zones_of(part, w);
    int64_t k = 0;
    for (int z = 0; z < n_zones; k += padded(part[z++].k)) {
        zone[z] = (struct zone){f32_rule_of(&part[z]), NULL, k};
        zone[z].decode = decode_for(&part[z], zone[z].rule.kind);
    }
    const int64_t stride = k + PAD;
    float *xf = scratch, *wf = xf + TOKENS * stride;
    for (int64_t j = 0; j < m; j += TOKENS) {
        int64_t tokens = min_i64(m - j, TOKENS);
        for (int64_t i = 0; i < tokens; i++) {
            const uint8_t *row = (const uint8_t *)x + (size_t)(j + i) * x_stride;
            for (int z = 0; z < n_zones; z++)
                order_columns(xf + i * stride + zone[z].at, (const float *)(const void *)row, &part[z], 0, part[z].k,
                              zone[z].rule.high_first);
        }
        for (int64_t r = r0; r < r1; r += ROWS) {
            int64_t rows = min_i64(r1 - r, ROWS);
            for (int z = 0; z < n_zones; z++)
                decode_rows(wf + zone[z].at, stride, &part[z], r, rows, zone[z].decode, &zone[z].rule);
            gemm(y + j * ldy + r - r0, ldy, xf, stride, wf, stride, tokens, rows, k);
        }
    }
}
#endif
