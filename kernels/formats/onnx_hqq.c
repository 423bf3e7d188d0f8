/* MatMulNBits with the float zero points of half-quadratic quantization: the scale of min and max, the zero point moved
 * in up to 20 steps towards less of an error that forgives outliers. All groups of a matrix stop together, when the
 * mean error of the whole no longer falls. */
#include "kernels/formats/group.h"
#include "kernels/formats/half_quadratic.h"

static struct half_quadratic start(const float *x, int64_t n, float top)
{
    struct range r = range_of(x, n);
    float width = r.hi != r.lo ? r.hi - r.lo : top, inverse = fminf(1 / width * top, 2e4f);
    return (struct half_quadratic){inverse, rintf(-r.lo * inverse)};
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F32, .zero_type = ZERO_FLOAT, .group = 128},
    .bits = 1 << 2 | 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .end = GROUP_EXTENDED,
    .values = group_values_unsigned,
};

static void solve(const struct half_quadratic_job *j)
{
    float best = 1e4f;
    double beta = 10;
    for (int64_t i = 0; i < j->n; i++)
        j->group[i] = start(j->x + i * j->len, j->len, j->top);
    for (int step = 0; step < HALF_QUADRATIC_STEPS; step++, beta *= 1.01) {
        float mean = (float)(half_quadratic_step(j, (float)(1 / beta)) / (double)(j->n * j->len));
        if (mean >= best)
            break;
        best = mean;
    }
}

/* w[n][k] with zeros behind each row up to whole groups. */
static float *padded_rows(const float *w, int64_t n, int64_t k, int64_t padded, struct arena *a)
{
    float *x = arena_alloc_n(a, (size_t)n, (size_t)padded * sizeof *x);
    for (int64_t r = 0; r < n && x; r++) {
        memcpy(x + r * padded, w + r * k, (size_t)k * sizeof *x);
        memset(x + r * padded + k, 0, (size_t)(padded - k) * sizeof *x);
    }
    return x;
}

/* Rows [r0, r0 + n) as a matrix of their own. */
static int encode_rows(struct qmat *q, int64_t r0, int64_t n, const float *w, struct pool *pool, struct arena *a)
{
    const struct qpar *p = &q->seg->q;
    struct half_quadratic_job j = {
        .len = group_size(q), .top = (float)((1 << p->bits) - 1), .tiny = 1e-8f, .pool = pool};
    int64_t per_row = (q->k + j.len - 1) / j.len;
    j.n = n * per_row;
    j.x = q->k % j.len ? padded_rows(w, n, q->k, per_row * j.len, a) : w;
    j.group = arena_alloc_n(a, (size_t)j.n, sizeof *j.group);
    j.error = arena_alloc_n(a, (size_t)j.n, sizeof *j.error);
    if (!j.x || !j.group || !j.error)
        return ERR_NOMEM;
    solve(&j);
    return half_quadratic_store(&j, &rule, q, r0, n, a);
}

GROUP_WHOLE_CODEC(onnx_hqq, .doc = "MatMulNBits with float zero points by half-quadratic quantization.",
                  .source = "microsoft/onnxruntime onnxruntime/python/tools/quantization/matmul_nbits_quantizer.py",
                  .act = "i8_32");
