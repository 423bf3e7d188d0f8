/* Attention over the KV cache, blocked over queries and positions (online softmax: Milakov and Gimelshein
 * 2018, Dao et al. 2022), so that scratch does not grow with the context. Both products run on the f32 GEMM
 * kernel: scores S[rows][cols] = Q K^T, outputs O[rows][head_dim] = P V, for which V is stored transposed. A
 * task is one KV head and one block of queries; the heads that share the KV head take turns on the decoded
 * block. With a single query those heads are themselves the rows of one product. */
#include <math.h>
#include <string.h>
#include "base/half.h"
#include "bench/engine/ops.h"
#include "kernels/vec.h"

enum { Q_BLOCK = 64, POS_BLOCK = 256, FEW_QUERIES = 64 }; /* fewer: llama.cpp leaves its tiles for f16 sums */

/* Per-thread scratch of one task. */
struct work {
    float *k, *v;     /* decoded block: [POS_BLOCK][head_dim], [head_dim][POS_BLOCK] */
    float *t;         /* V before it is transposed */
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
    int64_t n = 3 * (int64_t)POS_BLOCK * head_dim + rows * POS_BLOCK + rows * head_dim + 2 * states;
    return (size_t)(n + 15) / 16 * 16;
}

static struct work work_of(const struct attention *a, int i_thread)
{
    int hd = a->kv->head_dim, group = a->n_head / a->kv->n_head_kv;
    struct work w;
    w.k = a->scratch + (size_t)i_thread * attention_scratch_floats(a->n_head, a->kv->n_head_kv, hd);
    w.v = w.k + (int64_t)POS_BLOCK * hd;
    w.t = w.v + (int64_t)POS_BLOCK * hd;
    w.s = w.t + (int64_t)POS_BLOCK * hd;
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

/* Positions [pos, pos + n) of one KV head in f32: k[n][ldk], and v[head_dim][ldv] or, by_rows, v[n][head_dim]. */
struct block {
    const float *k, *v;
    int64_t ldk, ldv;
    int pos, n;
    bool by_rows;
};

/* Columns [pos, pos + n) of hd rows from row0 of plain floats. */
static void decode_columns(float *dst, const struct kv_side *side, const struct qmat *q, int64_t row0, int64_t hd,
                           int pos, int n)
{
    struct qmat view = {.codec = q->codec, .n = hd, .k = n, .n_seg = 1};
    view.seg = &view.seg1;
    view.plane[PLANE_CODE] = q->plane[PLANE_CODE];
    view.plane[PLANE_CODE].p +=
        (size_t)row0 * view.plane[PLANE_CODE].row_stride + (size_t)pos * (size_t)q->codec->block_bytes;
    side->decode(dst, &view, 0, hd);
}

/* dst[cols][rows] of src[rows][cols], in tiles that stay in the first cache. */
static void transpose(float *dst, const float *src, int64_t rows, int64_t cols)
{
    enum { TILE = 16 };
    for (int64_t r0 = 0; r0 < rows; r0 += TILE)
        for (int64_t c = 0; c < cols; c++)
            for (int64_t r = r0; r < rows && r < r0 + TILE; r++)
                dst[c * rows + r] = src[r * cols + c];
}

static bool is_f32(const struct kv_side *side)
{
    return side->format == &kv_formats[KV_ID_F32];
}

/* Where the exact positions of a part begin. */
static int exact_from(const struct attention *a, const struct kv_part *p)
{
    return kv_exact_from(p, a->pos0 + a->n - 1);
}

static const float *load_k(const struct attention *a, const struct work *w, int h, int pos, int n)
{
    const struct kv_layer *kv = a->kv;
    const struct kv_part *k = &kv->k;
    if (is_f32(k->side))
        return (const float *)(const void *)k->data.plane[PLANE_CODE].p + (h * kv->n_ctx + pos) * kv->head_dim;
    if (pos >= exact_from(a, k))
        return kv_recent_rows(kv, k, h, pos);
    kv_load_rows(w->k, kv, k, h, pos, n, w->t);
    return w->k;
}

static void load_v(struct block *b, const struct attention *a, const struct work *w, int h)
{
    const struct kv_layer *kv = a->kv;
    const struct kv_part *v = &kv->v;
    const int64_t hd = kv->head_dim;
    const bool turned = v->side->transposed == b->by_rows;
    float *first = turned ? w->t : w->v;
    const float *from = first;
    b->v = w->v;
    b->ldv = b->by_rows ? hd : b->n;
    if (is_f32(v->side) && !b->by_rows) {
        b->v = (const float *)(const void *)v->data.plane[PLANE_CODE].p + h * hd * v->data.k + b->pos;
        b->ldv = v->data.k;
        return;
    }
    if (v->side->transposed)
        decode_columns(first, v->side, &v->data, h * hd, hd, b->pos, b->n);
    else if (b->pos >= exact_from(a, v))
        from = kv_recent_rows(kv, v, h, b->pos);
    else
        kv_load_rows(first, kv, v, h, b->pos, b->n, turned ? w->v : w->t);
    if (!turned)
        b->v = from;
    else
        transpose(w->v, from, b->by_rows ? hd : b->n, b->by_rows ? b->n : hd);
}

/* llama.cpp takes two plain float formats that are the same in tiles, unless there are few queries. */
static bool is_tiled(const struct attention *a)
{
    const struct kv_side *k = a->kv->k.side, *v = a->kv->v.side;
    bool f16 = k->format == &kv_formats[KV_ID_F16];
    return k->format == v->format && (is_f32(k) || f16) && (a->n >= FEW_QUERIES || !a->as_runtime);
}

static bool sums_in_f16(const struct attention *a)
{
    return a->as_runtime && a->kv->v.side->format == &kv_formats[KV_ID_F16] && !is_tiled(a);
}

static struct block load_block(const struct attention *a, const struct work *w, int h, int pos, int n)
{
    struct block b = {.pos = pos, .n = n, .ldk = a->kv->head_dim, .k = load_k(a, w, h, pos, n)};
    b.by_rows = sums_in_f16(a) || (a->n == 1 && !a->kv->v.side->transposed);
    load_v(&b, a, w, h);
    return b;
}

/* Row of scores to weights: columns [lo, hi) take part, the rest become 0. Returns what earlier sums shrink
 * by. */
static float softmax_step(const struct row_ops *rows, float *s, int64_t n, int64_t lo, int64_t hi, float scale,
                          float *max, float *sum)
{
    lo = lo < 0 ? 0 : lo;
    hi = hi > n ? n : hi;
    if (lo >= hi) {
        memset(s, 0, (size_t)n * sizeof *s);
        return 1.0f;
    }
    float m = rows->max(s + lo, hi - lo) * scale;
    m = m > *max ? m : *max;
    float shrink = *sum > 0 ? vec_exp(*max - m) : 0.0f;
    memset(s, 0, (size_t)lo * sizeof *s);
    *sum = *sum * shrink + rows->exp_scaled(s + lo, hi - lo, scale, m);
    memset(s + hi, 0, (size_t)(n - hi) * sizeof *s);
    *max = m;
    return shrink;
}

/* One row of scores and what it adds to out, the sum over V held in f16, position by position: as llama.cpp's kernel
 * does it, its error being part of what that runtime answers. */
static void add_row_f16(const struct attention *a, const struct rows *q, int r, const float *s, const struct block *b,
                        int64_t lo, int64_t hi)
{
    const int hd = a->kv->head_dim;
    float *out = q->out + r * q->ld;
    for (int64_t j = lo < 0 ? 0 : lo; j < b->n && j < hi; j++) {
        const float score = s[j] * a->scale, *v = b->v + j * hd;
        float shrink = 1, weight = 1;
        if (score > q->max[r]) {
            shrink = expf(q->max[r] - score);
            q->max[r] = score;
            for (int i = 0; i < hd; i++)
                out[i] = f16_round(out[i] * shrink);
        } else {
            weight = expf(score - q->max[r]);
        }
        for (int i = 0; i < hd; i++)
            out[i] = f16_round(v[i] * weight + out[i]);
        q->sum[r] = q->sum[r] * shrink + weight;
    }
}

/* out += P V, V by rows: a few rows of P. */
static void add_by_rows(const struct work *w, const struct rows *q, const struct block *b, int hd)
{
    for (int r = 0; r < q->n; r++)
        for (int j = 0; j < b->n; j++) {
            const float weight = w->s[(int64_t)r * POS_BLOCK + j], *v = b->v + (int64_t)j * hd;
            float *out = q->out + r * q->ld;
            for (int i = 0; i < hd; i++)
                out[i] += weight * v[i];
        }
}

/* The rows take in one block: weights against the running maximum, what was summed before shrinks to it. */
static void attend_block(const struct attention *a, const struct work *w, const struct rows *q, const struct block *b)
{
    int hd = a->kv->head_dim;
    bool f16 = sums_in_f16(a);
    a->gemm->gemm_f32(w->s, POS_BLOCK, q->q, q->ld, b->k, b->ldk, q->n, b->n, hd);
    for (int r = 0; r < q->n; r++) {
        int64_t own = (int64_t)q->pos + r * q->step - b->pos, lo = a->window ? own - a->window + 1 : 0;
        float *s = w->s + (int64_t)r * POS_BLOCK;
        if (f16) {
            add_row_f16(a, q, r, s, b, lo, own + 1);
            continue;
        }
        float shrink = softmax_step(a->rows, s, b->n, lo, own + 1, a->scale, &q->max[r], &q->sum[r]);
        for (int i = 0; i < hd; i++)
            q->out[r * q->ld + i] *= shrink;
    }
    if (f16)
        return;
    if (b->by_rows) {
        add_by_rows(w, q, b, hd);
        return;
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

/* Positions of a block: none of both encoded and exact ones. */
static int block_length(const struct attention *a, int pos, int end)
{
    const int from[] = {exact_from(a, &a->kv->k), exact_from(a, &a->kv->v)};
    int n = end - pos < POS_BLOCK ? end - pos : POS_BLOCK;
    for (int i = 0; i < 2; i++)
        if (pos < from[i] && n > from[i] - pos)
            n = from[i] - pos;
    return n;
}

/* Queries [t0, t1) of all heads that read KV head h. */
static void attend(const struct attention *a, const struct work *w, int h, int t0, int t1)
{
    int n_products = a->n == 1 ? 1 : a->n_head / a->kv->n_head_kv, hd = a->kv->head_dim;
    int end = a->pos0 + t1, begin = a->window ? a->pos0 + t0 - a->window + 1 : 0;
    begin = begin > 0 ? begin - begin % KV_MOST_POSITIONS : 0;
    for (int i = 0; i < n_products; i++) {
        struct rows q = rows_of(a, w, h, i, t0, t1);
        begin_rows(&q, hd);
    }
    for (int pos = begin, n; pos < end; pos += n) {
        n = block_length(a, pos, end);
        struct block b = load_block(a, w, h, pos, n);
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

/* Q as the product with K sees it: rotated as K was, rounded as K's partner. */
static void prepare_q(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct attention *a = arg;
    const struct kv_side *k = a->kv->k.side;
    const int64_t hd = a->kv->head_dim;
    void *encoded = work_of(a, i_thread).k;
    for (int64_t i = i0; i < i1; i++) {
        float *q = a->q + i * hd;
        if (k->rotation)
            hadamard_rotate(q, hd, k->rotation);
        if (k->q && !is_tiled(a)) {
            k->encode_q(encoded, q, hd);
            k->q->decode(q, encoded, hd);
        }
    }
}

static void rotate_back(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct attention *a = arg;
    const int64_t hd = a->kv->head_dim;
    (void)i_thread;
    hadamard_rotate(a->out + i0 * hd, (i1 - i0) * hd, a->kv->v.side->rotation);
}

void attention_run(struct pool *p, const struct attention *a)
{
    const int64_t n_rows = (int64_t)a->n * a->n_head;
    const int64_t n_task = (int64_t)((a->n + Q_BLOCK - 1) / Q_BLOCK) * a->kv->n_head_kv;
    void *arg = (void *)(uintptr_t)a;
    if (a->kv->k.side->rotation || (a->kv->k.side->q && !is_tiled(a)))
        pool_for(p, n_rows, 64, prepare_q, arg);
    pool_for(p, n_task, 1, attend_tasks, arg);
    if (a->kv->v.side->rotation)
        pool_for(p, n_rows, 64, rotate_back, arg);
}
