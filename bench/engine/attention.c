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

enum { Q_BLOCK = 64, POS_BLOCK = 256 };

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

/* n rows of k values of the cache as f32: the cache itself, or decoded into the buffer; *stride follows. */
static const float *block_f32(const struct attention *a, const void *at, int64_t n, int64_t k,
                              int64_t *stride, float *buffer)
{
    if (a->kv->f32)
        return at;
    struct qmat q = {.codec = a->f16, .n = n, .k = k};
    q.plane[PLANE_CODE].p = (uint8_t *)at;
    q.plane[PLANE_CODE].row_stride = (size_t)*stride * 2;
    q.plane[PLANE_CODE].bytes = (size_t)n * (size_t)*stride * 2;
    q.n_seg = 1;
    q.seg = &q.seg1;
    a->decode_f16(buffer, &q, 0, n);
    *stride = k;
    return buffer;
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

/* rows queries of one pass: x at q with stride ldq, results at out. The first query stands at pos, each next
 * one `step` further. Columns are positions [b0, b0 + n_cols). */
static void pass(const struct attention *a, const struct work *w, const float *q, float *out, int64_t ld,
                 int rows, int pos, int step, int b0, int64_t n_cols, const float *k, int64_t ldk,
                 const float *v, int64_t ldv, float *max, float *sum)
{
    int hd = a->kv->head_dim;
    a->gemm->gemm_f32(w->s, POS_BLOCK, q, ld, k, ldk, rows, n_cols, hd);
    for (int r = 0; r < rows; r++) {
        int p = pos + r * step;
        int64_t lo = a->window ? (int64_t)p - a->window + 1 - b0 : 0;
        float shrink = softmax_step(w->s + (int64_t)r * POS_BLOCK, n_cols, lo, (int64_t)p + 1 - b0, a->scale,
                                    &max[r], &sum[r]);
        float *o = out + r * ld;
        for (int i = 0; i < hd; i++)
            o[i] *= shrink;
    }
    a->gemm->gemm_f32(w->o, hd, w->s, POS_BLOCK, v, ldv, rows, hd, n_cols);
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < hd; i++)
            out[r * ld + i] += w->o[(int64_t)r * hd + i];
}

static void finish(float *out, int64_t ld, int rows, int hd, const float *sum)
{
    for (int r = 0; r < rows; r++) {
        float inv = 1.0f / sum[r];
        for (int i = 0; i < hd; i++)
            out[r * ld + i] *= inv;
    }
}

/* Queries [t0, t1) of all heads that read KV head h. */
static void attend(const struct attention *a, const struct work *w, int h, int t0, int t1)
{
    const struct kv_layer *kv = a->kv;
    int hd = kv->head_dim, group = a->n_head / kv->n_head_kv, d = a->n_head * hd;
    bool single = a->n == 1;
    int n_pass = single ? 1 : group, rows = single ? group : t1 - t0;
    int64_t ld = single ? hd : d;
    const float *q = a->q + (int64_t)t0 * d + (int64_t)h * group * hd;
    float *out = a->out + (q - a->q);
    int first = a->pos0 + t0, last = a->pos0 + t1 - 1, begin = a->window ? first - a->window + 1 : 0;

    for (int i = 0; i < n_pass * rows; i++) {
        w->max[i] = -INFINITY;
        w->sum[i] = 0;
    }
    for (int g = 0; g < n_pass; g++)
        for (int r = 0; r < rows; r++)
            memset(out + g * hd + r * ld, 0, (size_t)hd * sizeof *out);
    size_t elem = kv->f32 ? 4 : 2;
    for (int b0 = begin > 0 ? begin : 0; b0 <= last; b0 += POS_BLOCK) {
        int64_t n_cols = last + 1 - b0 < POS_BLOCK ? last + 1 - b0 : POS_BLOCK, ldk = hd, ldv = kv->v_stride;
        const char *ck = (const char *)kv->k + ((int64_t)h * kv->n_ctx + b0) * hd * (int64_t)elem;
        const char *cv = (const char *)kv->v + ((int64_t)h * hd * kv->v_stride + b0) * (int64_t)elem;
        const float *k = block_f32(a, ck, n_cols, hd, &ldk, w->k);
        const float *v = block_f32(a, cv, hd, n_cols, &ldv, w->v);
        for (int g = 0; g < n_pass; g++)
            pass(a, w, q + g * hd, out + g * hd, ld, rows, first, single ? 0 : 1, b0, n_cols, k, ldk, v, ldv,
                 w->max + g * rows, w->sum + g * rows);
    }
    for (int g = 0; g < n_pass; g++)
        finish(out + g * hd, ld, rows, hd, w->sum + g * rows);
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

void attention_store(struct pool *p, const struct kv_layer *kv, const float *k, const float *v, int pos0,
                     int n)
{
    struct store s = {.kv = kv, .k = k, .v = v, .pos0 = pos0, .n = n};
    if (n == 1)
        store_heads(&s, 0, kv->n_head_kv, 0);
    else
        pool_for(p, kv->n_head_kv, 1, store_heads, &s);
}
