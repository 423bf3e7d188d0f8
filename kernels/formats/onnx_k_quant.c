/* MatMulNBits by the k_quant search: scale and least value by weighted least squares over 20 trial scales, large
 * weights counting more; sums in numpy's order, so that the bytes are those of the Python tool. */
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

enum { N_STEPS = 20 };

struct search {
    const float *x;
    float *weight; /* [n] */
    uint8_t *code;
    int64_t n;
    float top, lo, hi, scale, sum_w, sum_x;
};

/* numpy adds up to 128 values in eight lanes, more than that in halves. */
static float sum_of(const float *v, int64_t n)
{
    if (n > 128) {
        int64_t half = n / 2 / 8 * 8;
        return sum_of(v, half) + sum_of(v + half, n - half);
    }
    float lane[8];
    int64_t i = 8;
    for (int j = 0; j < 8; j++)
        lane[j] = v[j];
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            lane[j] += v[i + j];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* Codes of x under 1/scale = inverse. */
static void codes(const struct search *s, uint8_t *code, float inverse)
{
    for (int64_t i = 0; i < s->n; i++)
        code[i] = (uint8_t)clampf(fit_round(inverse * (s->x[i] - s->lo)), 0, s->top);
}

static float error_of(const struct search *s, const uint8_t *code, float scale, float lo, float *term)
{
    for (int64_t i = 0; i < s->n; i++) {
        float d = scale * (float)code[i] + lo - s->x[i];
        term[i] = s->weight[i] * (d * d);
    }
    return sum_of(term, s->n);
}

static float least_squares(const struct search *s, float *lo, float *term)
{
    float sum_q, sum_q2, sum_xq;
    for (int64_t i = 0; i < s->n; i++)
        term[i] = s->weight[i] * (float)s->code[i];
    sum_q = sum_of(term, s->n);
    for (int64_t i = 0; i < s->n; i++)
        term[i] = s->weight[i] * (float)s->code[i] * (float)s->code[i];
    sum_q2 = sum_of(term, s->n);
    for (int64_t i = 0; i < s->n; i++)
        term[i] = s->weight[i] * (float)s->code[i] * s->x[i];
    sum_xq = sum_of(term, s->n);
    float d = s->sum_w * sum_q2 - sum_q * sum_q;
    *lo = (sum_q2 * s->sum_x - sum_q * sum_xq) / d;
    return (s->sum_w * sum_xq - s->sum_x * sum_q) / d;
}

static void weigh(struct search *s, float *term)
{
    for (int64_t i = 0; i < s->n; i++)
        term[i] = s->x[i] * s->x[i];
    float rms = sqrtf(sum_of(term, s->n) / (float)s->n);
    for (int64_t i = 0; i < s->n; i++)
        s->weight[i] = rms + fabsf(s->x[i]);
    s->sum_w = sum_of(s->weight, s->n);
    for (int64_t i = 0; i < s->n; i++)
        term[i] = s->weight[i] * s->x[i];
    s->sum_x = sum_of(term, s->n);
}

static void search(struct search *s, float *term)
{
    float inverse = s->lo != s->hi ? s->top / (s->hi - s->lo) : 1, lo;
    s->scale = 1 / inverse;
    codes(s, s->code, inverse);
    float best = error_of(s, s->code, s->scale, s->lo, term);
    for (int i = 0; i < N_STEPS; i++) {
        float factor = (float)(-1 + 0.1 * i + (double)s->top);
        codes(s, s->code, s->lo != s->hi ? factor / (s->hi - s->lo) : 1);
        float scale = least_squares(s, &lo, term), error = error_of(s, s->code, scale, lo, term);
        if (error < best) {
            best = error;
            s->scale = scale;
            s->lo = lo;
        }
    }
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    float weight[GROUP_RUN], term[GROUP_RUN];
    struct range r = range_of(x, n);
    struct search s = {
        .x = x, .weight = weight, .code = code, .n = n, .top = (float)((1 << par->bits) - 1), .lo = r.lo, .hi = r.hi};
    weigh(&s, term);
    search(&s, term);
    double zero = (double)clampf(rintf(-s.lo / s.scale), 0, s.top);
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)fmax(0, fmin((double)s.top, rint((double)x[i] / (double)s.scale + zero)));
    *g = (struct grid){s.scale, (float)zero};
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F32, .zero_type = ZERO_CODE, .group = 32},
    .bits = 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .end = GROUP_EXTENDED,
    .group_max = GROUP_RUN,
    .fit = fit,
    .values = group_values_unsigned,
};
GROUP_CODEC(onnx_k_quant, .doc = "MatMulNBits by weighted least squares over trial scales (k_quant).",
            .source = "microsoft/onnxruntime onnxruntime/python/tools/quantization/neural_compressor/weight_only.py",
            .act = "i8_32");
