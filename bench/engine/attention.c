/* Attention over the KV cache, blocked over queries and positions (online softmax: Milakov and Gimelshein
 * 2018, Dao et al. 2022), so that scratch does not grow with the context. Both products run on the f32 GEMM
 * kernel: scores S[rows][cols] = Q K^T, outputs O[rows][head_dim] = P V, for which V is stored transposed. A
 * task is one KV head and one block of queries; the heads that share the KV head take turns on the decoded
 * block. With a single query those heads are themselves the rows of one product. */
#include <math.h>
#include <string.h>
#include "base/half.h"
#include "bench/engine/ops.h"
#include "bench/engine/vec.h"

enum { Q_BLOCK = 64, POS_BLOCK = 256, FEW_QUERIES = 64 }; /* fewer: llama.cpp leaves its tiles for f16 sums */

/* Per-thread scratch of one task. */
struct work {
    float *k, *v;     /* decoded block: [POS_BLOCK][head_dim], [head_dim][POS_BLOCK] */
    float *s;         /* scores [Q_BLOCK or group][POS_BLOCK] */
    float *o;         /* product with V [rows][head_dim] */
    float *max, *sum; /* running maximum and sum of each row of each pass */
};

static int64_t max_rows(int group)
{
    return group > Q_BLOCK ? group : Q_BLOCK;
}

size_t attention_scratch_floats(int n_head, int n_head_kv, int head_dim)
{
    int group = n_head / n_head_kv;
    int64_t rows = max_rows(group), states = (int64_t)group * Q_BLOCK;
    int64_t n = 2 * (int64_t)POS_BLOCK * head_dim + rows * POS_BLOCK + rows * head_dim + 2 * states;
    return (size_t)(n + 15) / 16 * 16;
}

static struct work work_of(const struct attention *a, int i_thread)
{
    int hd = a->kv->head_dim, group = a->n_head / a->kv->n_head_kv;
    struct work w;
    w.k = a->scratch + (size_t)i_thread * attention_scratch_floats(a->n_head, a->kv->n_head_kv, hd);
    w.v = w.k + (int64_t)POS_BLOCK * hd;
    w.s = w.v + (int64_t)POS_BLOCK * hd;
    w.o = w.s + max_rows(group) * POS_BLOCK;
    w.max = w.o + max_rows(group) * hd;
    w.sum = w.max + (int64_t)group * Q_BLOCK;
    return w;
}

/* The queries of one product: rows q[n] and out[n] with stride ld; the first stands at position pos, each next one
 * `step` further (0: they are heads of one token). */
struct rows {
    const float *q;
    float *out, *max, *sum;
    int64_t ld;
    int n, pos, step;
};

/* Positions [pos, pos + n) of one KV head in f32: k[n][ldk], v[head_dim][ldv]. */
struct block {
    const float *k, *v;
    int64_t ldk, ldv;
    int pos, n;
};

/* n rows of k values, stride apart, from f16 to contiguous f32. */
static const float *decode_f16(const struct attention *a, const uint16_t *at, int64_t n, int64_t k, int64_t stride,
                               float *dst)
{
    struct qmat q = {.codec = a->f16, .n = n, .k = k, .n_seg = 1};
    q.seg = &q.seg1;
    q.plane[PLANE_CODE].p = (uint8_t *)at;
    q.plane[PLANE_CODE].row_stride = (size_t)stride * sizeof *at;
    q.plane[PLANE_CODE].bytes = (size_t)(n * stride) * sizeof *at;
    a->decode_f16(dst, &q, 0, n);
    return dst;
}

/* A block of head h: in place in an f32 cache, decoded into the scratch from an f16 one. */
static struct block load_block(const struct attention *a, const struct work *w, int h, int pos, int n)
{
    const struct kv_layer *kv = a->kv;
    int64_t hd = kv->head_dim, k = (h * kv->n_ctx + pos) * hd, v = h * hd * kv->v_stride + pos;
    struct block b = {.pos = pos, .n = n, .ldk = hd, .ldv = kv->f32 ? kv->v_stride : n};
    b.k = kv->f32 ? (const float *)kv->k + k : decode_f16(a, (const uint16_t *)kv->k + k, n, hd, hd, w->k);
    b.v = kv->f32 ? (const float *)kv->v + v : decode_f16(a, (const uint16_t *)kv->v + v, hd, n, kv->v_stride, w->v);
    return b;
}

/* Row of scores to weights: columns [lo, hi) take part, the rest become 0. Returns what earlier sums shrink
 * by. */
static float softmax_step(float *s, int64_t n, int64_t lo, int64_t hi, float scale, float *max, float *sum)
{
    lo = lo < 0 ? 0 : lo;
    hi = hi > n ? n : hi;
    if (lo >= hi) {
        memset(s, 0, (size_t)n * sizeof *s);
        return 1.0f;
    }
    float m = vec_max(s + lo, hi - lo) * scale;
    m = m > *max ? m : *max;
    float shrink = *sum > 0 ? vec_exp(*max - m) : 0.0f;
    memset(s, 0, (size_t)lo * sizeof *s);
    for (int64_t i = lo; i < hi; i++)
        s[i] = vec_exp(s[i] * scale - m);
    memset(s + hi, 0, (size_t)(n - hi) * sizeof *s);
    *sum = *sum * shrink + (float)vec_sum(s + lo, hi - lo);
    *max = m;
    return shrink;
}

/* The rows take in one block: weights against the running maximum, what was summed before shrinks to it. */
static void attend_block(const struct attention *a, const struct work *w, const struct rows *q, const struct block *b)
{
    int hd = a->kv->head_dim;
    a->gemm->gemm_f32(w->s, POS_BLOCK, q->q, q->ld, b->k, b->ldk, q->n, b->n, hd);
    for (int r = 0; r < q->n; r++) {
        int64_t own = (int64_t)q->pos + r * q->step - b->pos, lo = a->window ? own - a->window + 1 : 0;
        float shrink = softmax_step(w->s + (int64_t)r * POS_BLOCK, b->n, lo, own + 1, a->scale, &q->max[r], &q->sum[r]);
        for (int i = 0; i < hd; i++)
            q->out[r * q->ld + i] *= shrink;
    }
    a->gemm->gemm_f32(w->o, hd, w->s, POS_BLOCK, b->v, b->ldv, q->n, hd, b->n);
    for (int r = 0; r < q->n; r++)
        for (int i = 0; i < hd; i++)
            q->out[r * q->ld + i] += w->o[(int64_t)r * hd + i];
}

static void begin_rows(const struct rows *q, int hd)
{
    for (int r = 0; r < q->n; r++) {
        q->max[r] = -INFINITY;
        q->sum[r] = 0;
        memset(q->out + r * q->ld, 0, (size_t)hd * sizeof *q->out);
    }
}

static void finish_rows(const struct rows *q, int hd)
{
    for (int r = 0; r < q->n; r++)
        for (int i = 0; i < hd; i++)
            q->out[r * q->ld + i] /= q->sum[r];
}

/* Product i of the task: queries [t0, t1) of the i-th head of the group, or all heads of the group of a single query.
 */
static struct rows rows_of(const struct attention *a, const struct work *w, int h, int i, int t0, int t1)
{
    int hd = a->kv->head_dim, group = a->n_head / a->kv->n_head_kv;
    bool single = a->n == 1;
    int64_t d = (int64_t)a->n_head * hd, at = t0 * d + (h * group + i) * hd;
    return (struct rows){.q = a->q + at,
                         .out = a->out + at,
                         .max = w->max + i * Q_BLOCK,
                         .sum = w->sum + i * Q_BLOCK,
                         .ld = single ? hd : d,
                         .n = single ? group : t1 - t0,
                         .pos = a->pos0 + t0,
                         .step = !single};
}

/* Queries [t0, t1) of all heads that read KV head h. */
static void attend(const struct attention *a, const struct work *w, int h, int t0, int t1)
{
    int n_products = a->n == 1 ? 1 : a->n_head / a->kv->n_head_kv, hd = a->kv->head_dim;
    int end = a->pos0 + t1, begin = a->window ? a->pos0 + t0 - a->window + 1 : 0;
    for (int i = 0; i < n_products; i++) {
        struct rows q = rows_of(a, w, h, i, t0, t1);
        begin_rows(&q, hd);
    }
    for (int pos = begin > 0 ? begin : 0; pos < end; pos += POS_BLOCK) {
        struct block b = load_block(a, w, h, pos, end - pos < POS_BLOCK ? end - pos : POS_BLOCK);
        for (int i = 0; i < n_products; i++) {
            struct rows q = rows_of(a, w, h, i, t0, t1);
            attend_block(a, w, &q, &b);
        }
    }
    for (int i = 0; i < n_products; i++) {
        struct rows q = rows_of(a, w, h, i, t0, t1);
        finish_rows(&q, hd);
    }
}

/* One query of one head as llama.cpp's CPU kernel takes a few queries over an f16 cache: q rounded to f16, positions
 * one by one, the sum over V held in f16. Its error is part of what that runtime answers. */
static void attend_f16(const struct attention *a, const struct work *w, int t, int head)
{
    const struct kv_layer *kv = a->kv;
    int64_t hd = kv->head_dim, kv_head = head / (a->n_head / kv->n_head_kv), at = ((int64_t)t * a->n_head + head) * hd;
    const uint16_t *k = (const uint16_t *)kv->k + kv_head * kv->n_ctx * hd;
    const uint16_t *v = (const uint16_t *)kv->v + kv_head * hd * kv->v_stride;
    float *q = w->k, *out = a->out + at, max = -INFINITY, sum = 0;
    int end = a->pos0 + t + 1, begin = a->window && end > a->window ? end - a->window : 0;
    for (int64_t i = 0; i < hd; i++) {
        q[i] = f16_to_f32(f32_to_f16(a->q[at + i]));
        out[i] = 0;
    }
    for (int pos = begin; pos < end; pos++) {
        float s = 0, shrink = 1, weight = 1;
        for (int64_t i = 0; i < hd; i++)
            s += q[i] * f16_to_f32(k[pos * hd + i]);
        s *= a->scale;
        if (s > max) {
            shrink = expf(max - s);
            max = s;
        } else {
            weight = expf(s - max);
        }
        for (int64_t i = 0; i < hd; i++) {
            float old = shrink < 1 ? f16_to_f32(f32_to_f16(out[i] * shrink)) : out[i];
            out[i] = f16_to_f32(f32_to_f16(fmaf(f16_to_f32(v[i * kv->v_stride + pos]), weight, old)));
        }
        sum = sum * shrink + weight;
    }
    for (int64_t i = 0; i < hd; i++)
        out[i] *= 1.0f / sum;
}

static void attend_f16_tasks(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct attention *a = arg;
    struct work w = work_of(a, i_thread);
    for (int64_t i = i0; i < i1; i++)
        attend_f16(a, &w, (int)(i / a->n_head), (int)(i % a->n_head));
}

/* Late queries see the most positions: they are handed out first. */
static void attend_tasks(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct attention *a = arg;
    struct work w = work_of(a, i_thread);
    int n_block = (a->n + Q_BLOCK - 1) / Q_BLOCK;
    for (int64_t i = i0; i < i1; i++) {
        int block = n_block - 1 - (int)(i / a->kv->n_head_kv), h = (int)(i % a->kv->n_head_kv);
        int t0 = block * Q_BLOCK, t1 = t0 + Q_BLOCK < a->n ? t0 + Q_BLOCK : a->n;
        attend(a, &w, h, t0, t1);
    }
}

void attention_run(struct pool *p, const struct attention *a)
{
    if (a->f16_sums && !a->kv->f32 && a->n < FEW_QUERIES) {
        pool_for(p, (int64_t)a->n * a->n_head, 1, attend_f16_tasks, (void *)a);
        return;
    }
    int64_t n_task = (int64_t)((a->n + Q_BLOCK - 1) / Q_BLOCK) * a->kv->n_head_kv;
    pool_for(p, n_task, 1, attend_tasks, (void *)a);
}

struct store {
    const struct kv_layer *kv;
    const float *k, *v;
    int pos0, n;
};

static void put(const struct kv_layer *kv, void *base, int64_t at, float x)
{
    if (kv->f32)
        ((float *)base)[at] = x;
    else
        ((uint16_t *)base)[at] = f32_to_f16(x);
}

static void store_heads(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct store *s = arg;
    const struct kv_layer *kv = s->kv;
    int64_t hd = kv->head_dim, d = kv->n_head_kv * hd;
    (void)i_thread;
    for (int64_t h = i0; h < i1; h++) {
        for (int64_t t = 0; t < s->n; t++)
            for (int64_t i = 0; i < hd; i++)
                put(kv, kv->k, (h * kv->n_ctx + s->pos0 + t) * hd + i, s->k[t * d + h * hd + i]);
        for (int64_t i = 0; i < hd; i++)
            for (int64_t t = 0; t < s->n; t++)
                put(kv, kv->v, (h * hd + i) * kv->v_stride + s->pos0 + t, s->v[t * d + h * hd + i]);
    }
}

void attention_store(struct pool *p, const struct kv_layer *kv, const float *k, const float *v, int pos0, int n)
{
    struct store s = {.kv = kv, .k = k, .v = v, .pos0 = pos0, .n = n};
    if (n == 1)
        store_heads(&s, 0, kv->n_head_kv, 0);
    else
        pool_for(p, kv->n_head_kv, 1, store_heads, &s);
}
