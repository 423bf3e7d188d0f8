/* Half-quadratic quantization: codes, an f16 scale and an f16 float zero per group of 64; w ~ f16(f16(code - zero) *
 * scale). The zero is optimised for a sparse error (shrinkage with the 0.7 norm) in up to 20 rounds that stop when the
 * mean error of the whole matrix no longer falls: so the matrix is encoded as a whole. */
#include <string.h>
#include "kernels/formats/fit.h"
#include "kernels/formats/grouped.h"

enum { N_ROUNDS = 20 };
static const float norm = 0.7f, first_beta = 10;

static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    struct qpar p = par ? *par : (struct qpar){.bits = 4, .group = 64};
    if (p.group < 0)
        return err_set(e, ERR_USAGE, "hqq has groups of weights of one row, not one scale per tensor");
    return grouped_layout(&codec_hqq, q, n, k, p, 2, 16, e);
}

struct group {
    float inv, zero; /* code = w * inv + zero */
};

static struct group first_guess(const float *w, int64_t n, int bits)
{
    float lo = w[0], hi = w[0];
    for (int64_t i = 1; i < n; i++) {
        lo = w[i] < lo ? w[i] : lo;
        hi = w[i] > hi ? w[i] : hi;
    }
    float range = hi - lo, inv = fabsf(range) <= 1e-4f ? 1 : 1 / range * (float)((1 << bits) - 1);
    inv = inv > 2e4f ? 2e4f : inv;
    float zero = -lo * inv;
    return (struct group){inv, bits == 4 ? fit_round(zero) : zero};
}

static float code_of(const struct group *g, float w, float max)
{
    return clampf(fit_round(w * g->inv + g->zero), 0, max);
}

/* One round for one group: returns the sum of |w - decoded| before the zero moves. */
static double improve_zero(struct group *g, const float *w, int64_t n, float max, float inv_beta)
{
    double error = 0;
    float sum = 0;
    for (int64_t i = 0; i < n; i++) {
        float q = code_of(g, w[i], max), off = w[i] - (q - g->zero) / g->inv, size = fabsf(off);
        float kept = size > 0 ? size - inv_beta * powf(size, norm - 1) : 0;
        kept = kept > 0 ? (off < 0 ? -kept : kept) : 0;
        sum += q - (w[i] - kept) * g->inv;
        error += (double)size;
    }
    g->zero = sum / (float)n;
    return error;
}

static void store(const struct qmat *q, int64_t r, int64_t i_group, const struct group *g, const float *w, int64_t n)
{
    uint8_t codes[GROUPED_PIECE];
    float max = (float)((1 << q->seg->q.bits) - 1);
    wr_u16le(grouped_scale(q, r, i_group, 2), f32_to_f16(1 / g->inv));
    wr_u16le(grouped_zeros(q, r) + 2 * i_group, f32_to_f16(g->zero));
    for (int64_t i = 0; i < n; i += GROUPED_PIECE) {
        int m = n - i < GROUPED_PIECE ? (int)(n - i) : GROUPED_PIECE;
        for (int j = 0; j < m; j++)
            codes[j] = (uint8_t)code_of(g, w[i + j], max);
        grouped_put(q, r, i_group * n + i, codes, m);
    }
}

/* Rows [r0, r1) as one matrix. */
static int encode_rows(struct qmat *q, int64_t r0, int64_t r1, const float *w, struct arena *a)
{
    int64_t len = grouped_len(q), n = (r1 - r0) * q->k / len, per_row = q->k / len;
    int bits = q->seg->q.bits;
    float max = (float)((1 << bits) - 1);
    double best = INFINITY;
    size_t mark = a ? arena_mark(a) : 0;
    struct group *g = a ? arena_alloc_n(a, (size_t)n, sizeof *g) : mem_alloc_n((size_t)n, sizeof *g);
    if (!g)
        return ERR_NOMEM;
    for (int64_t i = 0; i < n; i++)
        g[i] = first_guess(w + i * len, len, bits);
    for (int round = 0; round < N_ROUNDS; round++) {
        double error = 0;
        for (int64_t i = 0; i < n; i++)
            error += improve_zero(&g[i], w + i * len, len, max, 1 / first_beta);
        if (!(error < best))
            break;
        best = error;
    }
    for (int64_t i = 0; i < n; i++)
        store(q, r0 + i / per_row, i % per_row, &g[i], w + i * len, len);
    if (a)
        arena_reset(a, mark);
    else
        mem_free(g);
    return 0;
}

static int encode_all(struct qmat *q, const float *w, struct arena *a)
{
    return encode_rows(q, 0, q->n, w, a);
}

static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                  const struct calib *cal, struct arena *a)
{
    (void)stat, (void)cal;
    int rc = 0;
    for (int64_t r = r0; r < r1 && rc == 0; r++, w += q->k)
        rc = encode_rows(q, r, r + 1, w, a);
    return rc;
}

static void book(float *value, const struct qmat *q, int64_t r, int64_t g)
{
    float scale = f16_to_f32(rd_u16le(grouped_scale(q, r, g, 2)));
    float zero = f16_to_f32(rd_u16le(grouped_zeros(q, r) + 2 * g));
    for (int c = 0; c < 1 << q->seg->q.bits; c++)
        value[c] = round_f16(round_f16((float)c - zero) * scale);
}

static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    grouped_decode(dst, q, r0, r1, book);
}

const struct codec codec_hqq = {.name = "hqq",
                                .doc = "1 to 8-bit codes, f16 scale and optimised float zero per 64 weights.",
                                .source = "hqq core/quantize.py, core/optimize.py",
                                .gguf_type = -1,
                                .block = 1,

                                .act = "f16",
                                .layout = layout,
                                .encode = encode,
                                .decode = decode,
                                .encode_all = encode_all};
