/* Half-quadratic quantization (hqq): codes, an f16 scale and an f16 float zero per group of 64; w ~ f16(f16(code -
 * zero)
 * * scale). The steps stop when the mean error of the whole matrix no longer falls: so it is encoded as a whole. */
#include "kernels/formats/group.h"
#include "kernels/formats/half_quadratic.h"

static const float beta = 10;

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    (void)par;
    for (int i = 0; i < n; i++)
        y[i] = f16_round(f16_round((float)code[i] - g.zero) * g.scale);
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F16, .zero_type = ZERO_FLOAT, .group = 64},
    .bits = 0x1fe,
    .zero_plane = PLANE_ZERO,
    .look_up = true,
    .one_type = true,
    .values = values,
};

static struct half_quadratic start(const float *w, int64_t n, int bits)
{
    struct range r = range_of(w, n);
    float wide = r.hi - r.lo, inverse = fabsf(wide) <= 1e-4f ? 1 : 1 / wide * (float)((1 << bits) - 1);
    inverse = inverse > 2e4f ? 2e4f : inverse;
    float zero = -r.lo * inverse;
    return (struct half_quadratic){inverse, bits == 4 ? fit_round(zero) : zero};
}

static void solve(struct half_quadratic *s, const float *w, int64_t n, int64_t len, int bits)
{
    float top = (float)((1 << bits) - 1);
    double best = INFINITY;
    for (int64_t i = 0; i < n; i++)
        s[i] = start(w + i * len, len, bits);
    for (int step = 0; step < HALF_QUADRATIC_STEPS; step++) {
        double error = 0;
        for (int64_t i = 0; i < n; i++)
            error += half_quadratic_step(&s[i], w + i * len, len, top, 1 / beta, 0);
        if (!(error < best))
            break;
        best = error;
    }
}

/* Rows [r0, r0 + n) as a matrix of their own. */
static int encode_rows(struct qmat *q, int64_t r0, int64_t n, const float *w, struct arena *a)
{
    const int64_t len = group_size(q), n_groups = q->k / len;
    const int bits = q->seg->q.bits;
    struct half_quadratic *s = arena_alloc_n(a, (size_t)n, (size_t)n_groups * sizeof *s);
    struct grid *g = arena_alloc_n(a, (size_t)n_groups, sizeof *g);
    uint8_t *code = arena_alloc_n(a, (size_t)q->k + 8, 1);
    if (!s || !g || !code)
        return ERR_NOMEM;
    solve(s, w, n * n_groups, len, bits);
    for (int64_t r = 0; r < n; r++) {
        for (int64_t i = 0; i < n_groups; i++, s++, w += len) {
            half_quadratic_codes(s, w, len, (float)((1 << bits) - 1), code + i * len);
            g[i] = (struct grid){1 / s->inverse, s->zero};
        }
        group_store_row(&rule, q, r0 + r, code, g);
    }
    return 0;
}

GROUP_WHOLE_CODEC(hqq, .doc = "1 to 8-bit codes, f16 scale and optimised float zero per 64 weights.",
                  .source = "hqq core/quantize.py, core/optimize.py", .act = "f16");
