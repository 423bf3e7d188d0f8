/* The loops of row_ops.h, for one instruction set: a file that includes this and ends with ROW_OPS(symbol). */
#ifndef KERNELS_ROW_LOOPS_H
#define KERNELS_ROW_LOOPS_H
#include "kernels/kernel_rows.h"
#include "kernels/vec.h"

enum { ROW_BLOCK = 256 }; /* values at a time: they stay in the first cache */

static void row_norm_rms(float *y, const float *x, const float *w, int64_t d, float eps)
{
    double s[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= d; i += 8)
        for (int j = 0; j < 8; j++)
            s[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < d; i++)
        s[0] += (double)x[i] * (double)x[i];
    double sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    float scale = 1.0f / sqrtf((float)(sum / (double)d) + eps);
    for (i = 0; i < d; i++)
        y[i] = x[i] * scale * w[i];
}

static void row_add(float *restrict x, const float *restrict y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] += y[i];
}

static void row_rope_neox(float *restrict x, const float *restrict cs, const float *restrict sn, int64_t half)
{
    float *restrict y = x + half;
    for (int64_t i = 0; i < half; i++) {
        float a = x[i], b = y[i];
        x[i] = a * cs[i] - b * sn[i];
        y[i] = a * sn[i] + b * cs[i];
    }
}

static void row_rope_adjacent(float *restrict x, const float *restrict cs, const float *restrict sn, int64_t half)
{
    for (int64_t i = 0; i < half; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cs[i] - b * sn[i];
        x[2 * i + 1] = a * sn[i] + b * cs[i];
    }
}

/* gate = x / (1 + e[]) * up. The exponentials stand apart: in one loop the compiler divides by the constant that a
 * clamped one comes to as well, for all elements, and subnormal quotients are slow. */
static inline void row_sigmoid(float *restrict gate, const float *restrict up, const float *restrict e, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        gate[i] = gate[i] / (1.0f + e[i]) * up[i];
}

/* x sigmoid(x) */
static void row_silu(float *restrict gate, const float *restrict up, int64_t n)
{
    float e[ROW_BLOCK];
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < ROW_BLOCK ? n - i : ROW_BLOCK;
        for (int64_t j = 0; j < m; j++)
            e[j] = vec_exp(-gate[i + j]);
        row_sigmoid(gate + i, up + i, e, m);
    }
}

/* By its tanh form: x/2 (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3). */
static void row_gelu(float *restrict gate, const float *restrict up, int64_t n)
{
    float e[ROW_BLOCK];
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < ROW_BLOCK ? n - i : ROW_BLOCK;
        for (int64_t j = 0; j < m; j++) {
            float x = gate[i + j];
            e[j] = vec_exp(-1.5957691216f * (x + 0.044715f * x * x * x));
        }
        row_sigmoid(gate + i, up + i, e, m);
    }
}

static void row_relu2(float *restrict gate, const float *restrict up, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float x = gate[i] > 0 ? gate[i] : 0;
        gate[i] = x * x * up[i];
    }
}

static float row_max(const float *x, int64_t n)
{
    return vec_max(x, n);
}

static float row_exp_scaled(float *s, int64_t n, float scale, float max)
{
    for (int64_t i = 0; i < n; i++)
        s[i] = vec_exp(s[i] * scale - max);
    return (float)vec_sum(s, n);
}

/* What a block adds to the sum of exponentials against the largest value so far; `from` is the block that has it. */
static inline void row_add_block(struct row_norm *r, double *sum, int32_t *from, const float *x, int32_t i, int32_t m)
{
    float t[ROW_BLOCK], most = vec_max(x + i, m);
    if (most > r->max) {
        *sum *= exp((double)r->max - (double)most);
        r->max = most;
        *from = i;
    }
    for (int32_t j = 0; j < m; j++)
        t[j] = vec_exp(x[i + j] - r->max);
    *sum += vec_sum(t, m);
}

static inline void row_finish(struct row_norm *r, double sum, int32_t from, const float *x, int32_t n)
{
    r->log_sum = log(sum);
    r->top = from;
    while (r->top < n - 1 && x[r->top] != r->max)
        r->top++;
}

static struct row_norm row_normalize_once(const float *x, int32_t n)
{
    struct row_norm r = {.max = -INFINITY};
    double sum = 0;
    int32_t from = 0;
    for (int32_t i = 0; i < n; i += ROW_BLOCK)
        row_add_block(&r, &sum, &from, x, i, n - i < ROW_BLOCK ? n - i : ROW_BLOCK);
    row_finish(&r, sum, from, x, n);
    return r;
}

/* Sum e^(l - max) (l - c) / Z - (lse(l) - lse(c)): a weighted mean, so an error common to all weights cancels, and l -
 * c is exact where the two are close. */
static double row_compare(const float *ref, const struct row_norm *rn, const float *cand, struct row_norm *cn,
                          int32_t n)
{
    double sum = 0, ref_sum = 0, weighted = 0;
    int32_t from = 0;
    *cn = (struct row_norm){.max = -INFINITY};
    for (int32_t i = 0; i < n; i += ROW_BLOCK) {
        float t[ROW_BLOCK], u[ROW_BLOCK];
        const int32_t m = n - i < ROW_BLOCK ? n - i : ROW_BLOCK;
        row_add_block(cn, &sum, &from, cand, i, m);
        for (int32_t j = 0; j < m; j++) {
            t[j] = vec_exp(ref[i + j] - rn->max);
            u[j] = t[j] * (ref[i + j] - cand[i + j]);
        }
        ref_sum += vec_sum(t, m);
        weighted += vec_sum(u, m);
    }
    row_finish(cn, sum, from, cand, n);
    return weighted / ref_sum - ((double)rn->max - (double)cn->max) - (rn->log_sum - cn->log_sum);
}

#define ROW_OPS(symbol)                                                                                                \
    const struct row_ops symbol = {.norm = row_norm_rms,                                                               \
                                   .add = row_add,                                                                     \
                                   .rope_neox = row_rope_neox,                                                         \
                                   .rope_adjacent = row_rope_adjacent,                                                 \
                                   .silu = row_silu,                                                                   \
                                   .gelu = row_gelu,                                                                   \
                                   .relu2 = row_relu2,                                                                 \
                                   .max = row_max,                                                                     \
                                   .exp_scaled = row_exp_scaled,                                                       \
                                   .normalize = row_normalize_once,                                                    \
                                   .compare = row_compare}
#endif
