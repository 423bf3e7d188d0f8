/* MatMulNBits with the float zero points of half-quadratic quantization: the scale of min and max, the zero point moved
 * in up to 20 steps towards less of an error that forgives outliers. All groups of a matrix stop together, when the
 * mean error of the whole no longer falls. */
#include "kernels/formats/group.h"

enum { MOST_STEPS = 20 };

/* What stays of an error after shrinking: |e| - |e|^(p-1) / beta, p = 0.7. */
static float shrink(float e, float inverse_beta)
{
    float a = fabsf(e), left = a - inverse_beta * powf(a + 1e-8f, -0.3f);
    return left > 0 ? copysignf(left, e) : 0;
}

struct solved { /* a group: codes are x * inverse + zero */
    float inverse, zero;
};

static struct solved start(const float *x, int64_t n, float top)
{
    struct range r = range_of(x, n);
    float width = r.hi != r.lo ? r.hi - r.lo : top, inverse = fminf(1 / width * top, 2e4f);
    return (struct solved){inverse, rintf(-r.lo * inverse)};
}

/* Moves the zero point; returns the sum of the errors before. */
static double improve(struct solved *s, const float *x, int64_t n, float top, float inverse_beta)
{
    float moved = 0;
    double error = 0;
    for (int64_t i = 0; i < n; i++) {
        float q = group_clamp(rintf(x[i] * s->inverse + s->zero), 0, top), e = x[i] - (q - s->zero) / s->inverse;
        moved += q - (x[i] - shrink(e, inverse_beta)) * s->inverse;
        error += (double)fabsf(e);
    }
    s->zero = moved / (float)n;
    return error;
}

static void codes_of(const struct solved *s, const float *x, int64_t n, float top, uint8_t *code)
{
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)group_clamp(rintf(x[i] * s->inverse + s->zero), 0, top);
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F32, .zero_type = ZERO_FLOAT, .group = 128},
    .bits = 1 << 2 | 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .pads = true,
    .pads_coded = true,
    .values = group_values_unsigned,
};

static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    return group_layout(&codec_onnx_hqq, &rule, q, n, k, par, e);
}

struct shape {
    int64_t len, n_groups; /* of a row, the last one padded with zeros */
    float top;
};

static void solve(struct solved *s, const float *x, int64_t n, struct shape shape)
{
    float best = 1e4f;
    double beta = 10;
    for (int64_t i = 0; i < n; i++)
        s[i] = start(x + i * shape.len, shape.len, shape.top);
    for (int step = 0; step < MOST_STEPS; step++, beta *= 1.01) {
        double error = 0;
        for (int64_t i = 0; i < n; i++)
            error += improve(&s[i], x + i * shape.len, shape.len, shape.top, (float)(1 / beta));
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
    struct solved *s = arena_alloc_n(a, (size_t)n, (size_t)shape.n_groups * sizeof *s);
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
            const struct solved *one = &s[r * shape.n_groups + i];
            codes_of(one, x + r * padded + i * shape.len, shape.len, shape.top, code + i * shape.len);
            g[i] = (struct grid){1 / one->inverse, one->zero};
        }
        group_store_row(&rule, q, r0 + r, code, g);
    }
    return 0;
}

static int encode_all(struct qmat *q, const float *w, struct arena *a)
{
    return a ? encode_rows(q, 0, q->n, w, a) : ERR_NOMEM;
}

static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                  const struct calib *cal, struct arena *a)
{
    (void)stat, (void)cal;
    for (int64_t r = r0; r < r1; r++, w += q->k) {
        size_t mark = a ? arena_mark(a) : 0;
        int rc = a ? encode_rows(q, r, 1, w, a) : ERR_NOMEM;
        if (rc)
            return rc;
        arena_reset(a, mark);
    }
    return 0;
}

static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    group_decode(&rule, dst, q, r0, r1);
}

const struct codec codec_onnx_hqq = {
    .name = "onnx_hqq",
    .doc = "MatMulNBits with float zero points by half-quadratic quantization.",
    .source = "microsoft/onnxruntime onnxruntime/python/tools/quantization/matmul_nbits_quantizer.py",
    .gguf_type = -1,
    .block = 1,
    .act = "i8_32",
    .layout = layout,
    .encode = encode,
    .encode_all = encode_all,
    .decode = decode};
