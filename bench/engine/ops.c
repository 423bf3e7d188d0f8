/* Norm, rope, gates and sums on the CPU, split over the pool by rows. A single row runs in the caller: waking
 * the pool would take longer. */
#include "bench/engine/ops.h"

enum { ROWS_PER_TASK = 16 };

static void by_rows(struct pool *p, int64_t n, void (*fn)(void *, int64_t, int64_t, int), void *arg)
{
    if (n < 2 * ROWS_PER_TASK)
        fn(arg, 0, n, 0);
    else
        pool_for(p, n, ROWS_PER_TASK, fn, arg);
}

struct rows {
    const struct row_ops *ops;
    float *y;
    const float *x, *w;
    int64_t d;
    float eps;
    void (*gate)(float *gate, const float *up, int64_t n);
    const struct rope *rope;
};

static void norm_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++)
        r->ops->norm(r->y + i * r->d, r->x + i * r->d, r->w, r->d, r->eps);
}

static void cpu_norm(const struct backend *b, float *y, const float *x, const float *w, int64_t n, int64_t d, float eps)
{
    struct rows r = {.ops = b->rows, .y = y, .x = x, .w = w, .d = d, .eps = eps};
    by_rows(b->pool, n, norm_rows, &r);
}

static void add_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    (void)i_thread;
    r->ops->add(r->y + i0 * r->d, r->x + i0 * r->d, (i1 - i0) * r->d);
}

static void cpu_add(const struct backend *b, float *x, const float *y, int64_t n, int64_t d)
{
    struct rows r = {.ops = b->rows, .y = x, .x = y, .d = d};
    by_rows(b->pool, n, add_rows, &r);
}

static void add_one_row(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++)
        r->ops->add(r->y + i * r->d, r->x, r->d);
}

static void cpu_add_row(const struct backend *b, float *x, const float *row, int64_t n, int64_t d)
{
    struct rows r = {.ops = b->rows, .y = x, .x = row, .d = d};
    by_rows(b->pool, n, add_one_row, &r);
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
            (p->neox ? r->ops->rope_neox : r->ops->rope_adjacent)(x, p->cos + i * half, p->sin + i * half, half);
        }
}

static void cpu_rope(const struct backend *b, float *x, int64_t n, const struct rope *rope)
{
    struct rows r = {.ops = b->rows, .y = x, .rope = rope};
    by_rows(b->pool, n, rope_rows, &r);
}

static void gate_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct rows *r = arg;
    (void)i_thread;
    r->gate(r->y + i0 * r->d, r->x + i0 * r->d, (i1 - i0) * r->d);
}

static void cpu_gate(const struct backend *b, float *gate, const float *up, int64_t n, int64_t d, enum gate kind)
{
    const struct row_ops *o = b->rows;
    struct rows r = {.y = gate,
                     .x = up,
                     .d = d,
                     .gate = kind == GATE_RELU2  ? o->relu2
                             : kind == GATE_GELU ? o->gelu
                                                 : o->silu};
    by_rows(b->pool, n, gate_rows, &r);
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
