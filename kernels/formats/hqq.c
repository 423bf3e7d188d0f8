/* Half-quadratic quantization (hqq): codes, an f16 scale and an f16 float zero per group of 64;
 * w ~ f16(f16(code - zero) * scale). The steps stop when the mean error of the whole matrix no longer falls: so it is
 * encoded as a whole. */
#include "kernels/formats/hqq.h"

static const float beta = 10;

void hqq_values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
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
    .values = hqq_values,
};

static struct half_quadratic start(const float *w, int64_t n, float top, bool round_zero)
{
    struct range r = range_of(w, n);
    float wide = r.hi - r.lo, inverse = fabsf(wide) <= 1e-4f ? 1 : 1 / wide * top;
    inverse = inverse > 2e4f ? 2e4f : inverse;
    float zero = -r.lo * inverse;
    return (struct half_quadratic){inverse, round_zero ? fit_round(zero) : zero};
}

static void solve(const struct half_quadratic_job *j, bool round_zero)
{
    double best = INFINITY;
    for (int64_t i = 0; i < j->n; i++)
        j->group[i] = start(j->x + i * j->len, j->len, j->top, round_zero);
    for (int step = 0; step < HALF_QUADRATIC_STEPS; step++) {
        double error = half_quadratic_step(j, 1 / beta);
        if (!(error < best))
            break;
        best = error;
    }
}

int hqq_encode_rows(const struct group_rule *r, bool round_zero, struct qmat *q, int64_t r0, int64_t n, const float *w,
                    struct pool *pool, struct arena *a)
{
    struct half_quadratic_job j = {
        .x = w, .len = group_size(q), .top = (float)((1 << q->seg->q.bits) - 1), .pool = pool};
    j.n = n * (q->k / j.len);
    j.group = arena_alloc_n(a, (size_t)j.n, sizeof *j.group);
    j.error = arena_alloc_n(a, (size_t)j.n, sizeof *j.error);
    if (!j.group || !j.error)
        return ERR_NOMEM;
    solve(&j, round_zero);
    return half_quadratic_store(&j, r, q, r0, n, a);
}

static int encode_rows(struct qmat *q, int64_t r0, int64_t n, const float *w, struct pool *pool, struct arena *a)
{
    return hqq_encode_rows(&rule, q->seg->q.bits == 4, q, r0, n, w, pool, a);
}

GROUP_WHOLE_CODEC(hqq, .doc = "1 to 8-bit codes, f16 scale and optimised float zero per 64 weights.",
                  .source = "hqq core/quantize.py, core/optimize.py", .act = "f16");
