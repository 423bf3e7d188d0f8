/* Norm, rope, gates and sums on the CPU, split over the pool by rows. A single row runs in the caller: waking
 * the pool would take longer. */
#include "bench/engine/ops.h"

#include <math.h>
#include "bench/engine/vec.h"

enum { ROWS_PER_TASK = 16 };

static void by_rows(struct pool *p, int64_t n, void (*fn)(void *, int64_t, int64_t, int), void *arg)
{
    if (n < 2 * ROWS_PER_TASK)
        fn(arg, 0, n, 0);
    else
        pool_for(p, n, ROWS_PER_TASK, fn, arg);
}

struct rows {
    float *y;
    const float *x, *w;
    int64_t d;
    float eps;
    enum gate gate;
    const struct rope *rope;
};

static double sum_of_squares(const float *x, int64_t d)
{
    double s[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= d; i += 4)
        for (int j = 0; j < 4; j++)
            s[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < d; i++)
        s[0] += (double)x[i] * (double)x[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void norm_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++) {
        const float *x = r->x + i * r->d;
        float *y = r->y + i * r->d;
        float scale = 1.0f / sqrtf((float)(sum_of_squares(x, r->d) / (double)r->d) + r->eps);
        for (int64_t j = 0; j < r->d; j++)
            y[j] = x[j] * scale * r->w[j];
    }
}

static void cpu_norm(struct pool *p, float *y, const float *x, const float *w, int64_t n, int64_t d,
                     float eps)
{
    struct rows r = {.y = y, .x = x, .w = w, .d = d, .eps = eps};
    by_rows(p, n, norm_rows, &r);
}

static void add_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    (void)i_thread;
    for (int64_t i = i0 * r->d; i < i1 * r->d; i++)
        r->y[i] += r->x[i];
}

static void cpu_add(struct pool *p, float *x, const float *y, int64_t n, int64_t d)
{
    struct rows r = {.y = x, .x = y, .d = d};
    by_rows(p, n, add_rows, &r);
}

static void add_one_row(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++)
        for (int64_t j = 0; j < r->d; j++)
            r->y[i * r->d + j] += r->x[j];
}

static void cpu_add_row(struct pool *p, float *x, const float *row, int64_t n, int64_t d)
{
    struct rows r = {.y = x, .x = row, .d = d};
    by_rows(p, n, add_one_row, &r);
}

/* Rotates the pair (a, b) by the angle of its frequency at its position. */
static void rotate_neox(float *restrict x, const float *restrict cs, const float *restrict sn, int64_t half)
{
    for (int64_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cs[i] - b * sn[i];
        x[i + half] = a * sn[i] + b * cs[i];
    }
}

static void rotate_adjacent(float *restrict x, const float *restrict cs, const float *restrict sn,
                            int64_t half)
{
    for (int64_t i = 0; i < half; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cs[i] - b * sn[i];
        x[2 * i + 1] = a * sn[i] + b * cs[i];
    }
}

static void rope_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    const struct rope *p = r->rope;
    int64_t half = p->rope_dim / 2;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++)
        for (int h = 0; h < p->n_head; h++) {
            float *x = r->y + (i * p->n_head + h) * p->head_dim;
            (p->neox ? rotate_neox : rotate_adjacent)(x, p->cos + i * half, p->sin + i * half, half);
        }
}

static void cpu_rope(struct pool *p, float *x, int64_t n, const struct rope *rope)
{
    struct rows r = {.y = x, .rope = rope};
    by_rows(p, n, rope_rows, &r);
}

/* silu(x) = x sigmoid(x); gelu by its tanh form: x/2 (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x +
 * 0.044715 x^3). */
static void gate_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    float *restrict g = r->y;
    const float *restrict up = r->x;
    (void)i_thread;
    if (r->gate == GATE_RELU2)
        for (int64_t i = i0 * r->d; i < i1 * r->d; i++) {
            float x = g[i] > 0 ? g[i] : 0;
            g[i] = x * x * up[i];
        }
    else if (r->gate == GATE_GELU)
        for (int64_t i = i0 * r->d; i < i1 * r->d; i++) {
            float x = g[i], u2 = 1.5957691216f * (x + 0.044715f * x * x * x);
            g[i] = x / (1.0f + vec_exp(-u2)) * up[i];
        }
    else
        for (int64_t i = i0 * r->d; i < i1 * r->d; i++)
            g[i] = g[i] / (1.0f + vec_exp(-g[i])) * up[i];
}

static void cpu_gate(struct pool *p, float *gate, const float *up, int64_t n, int64_t d, enum gate kind)
{
    struct rows r = {.y = gate, .x = up, .d = d, .gate = kind};
    by_rows(p, n, gate_rows, &r);
}

const struct ops ops_cpu = {
    .name = "cpu",
    .norm = cpu_norm,
    .add = cpu_add,
    .add_row = cpu_add_row,
    .rope = cpu_rope,
    .gate = cpu_gate,
    .store_kv = kv_store,
    .attention = attention_run,
};
