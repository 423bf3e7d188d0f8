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

struct shape {
    int64_t len, n_groups; /* of a row, the last one padded with zeros */
    float top;
};

static void solve(struct half_quadratic *s, const float *x, int64_t n, struct shape shape)
{
    float best = 1e4f;
    double beta = 10;
    for (int64_t i = 0; i < n; i++)
        s[i] = start(x + i * shape.len, shape.len, shape.top);
    for (int step = 0; step < HALF_QUADRATIC_STEPS; step++, beta *= 1.01) {
        double error = 0;
        for (int64_t i = 0; i < n; i++)
            error += half_quadratic_step(&s[i], x + i * shape.len, shape.len, shape.top, (float)(1 / beta), 1e-8f);
        float mean = (float)(error / (double)(n * shape.len));
        if (mean >= best)
            break;
        best = mean;
    }
}

/* Rows [r0, r0 + n) as a matrix of their own. */
static int encode_rows(struct qmat *q, int64_t r0, int64_t n, const float *w, struct arena *a)
{
    const struct qpar *p = &q->seg->q;
    struct shape shape = {.len = p->group > 0 ? p->group : q->k, .top = (float)((1 << p->bits) - 1)};
    shape.n_groups = (q->k + shape.len - 1) / shape.len;
    int64_t padded = shape.n_groups * shape.len;
    float *x = arena_alloc_n(a, (size_t)n, (size_t)padded * sizeof *x);
    struct half_quadratic *s = arena_alloc_n(a, (size_t)n, (size_t)shape.n_groups * sizeof *s);
    struct grid *g = arena_alloc_n(a, (size_t)shape.n_groups, sizeof *g);
    uint8_t *code = arena_alloc_n(a, (size_t)padded + 8, 1);
    if (!x || !s || !g || !code)
        return ERR_NOMEM;
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < padded; i++)
            x[r * padded + i] = i < q->k ? w[r * q->k + i] : 0;
    solve(s, x, n * shape.n_groups, shape);
    for (int64_t r = 0; r < n; r++) {
        for (int64_t i = 0; i < shape.n_groups; i++) {
            const struct half_quadratic *one = &s[r * shape.n_groups + i];
            half_quadratic_codes(one, x + r * padded + i * shape.len, shape.len, shape.top, code + i * shape.len);
            g[i] = (struct grid){1 / one->inverse, one->zero};
        }
        group_store_row(&rule, q, r0 + r, code, g);
    }
    return 0;
}

GROUP_WHOLE_CODEC(onnx_hqq, .doc = "MatMulNBits with float zero points by half-quadratic quantization.",
                  .source = "microsoft/onnxruntime onnxruntime/python/tools/quantization/matmul_nbits_quantizer.py",
                  .act = "i8_32");
