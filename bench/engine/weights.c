/* Weights of a model: the file's own, or seeded ones of a shape that has no file (weights.h).
 * Encoding into other formats lies above, in bench/quant/encode.c. */
#include "bench/engine/weights.h"
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"

int weights_new(struct weights **out, const struct model *m, struct err *e)
{
    size_t n = (size_t)m->d.n_tensors;
    struct arena *a = arena_new();
    struct weights *w = a ? arena_alloc(a, sizeof *w) : NULL;
    if (w) {
        w->mat = arena_alloc_n(a, n, sizeof *w->mat);
        w->act = arena_alloc_n(a, n, sizeof *w->act);
        w->fixed = arena_alloc_n(a, n, sizeof *w->fixed);
    }
    if (!w || !w->mat || !w->act || !w->fixed) {
        arena_free(a);
        return err_nomem(e, n * sizeof *w->mat, "a set of weights");
    }
    w->model = m;
    w->arena = a;
    for (size_t i = 0; i < n; i++)
        qmat_share(&w->mat[i], &m->d.tensor[i].src);
    *out = w;
    return 0;
}

void weights_count(struct weights *w)
{
    w->bytes = w->held_bytes = 0;
    for (int i = 0; i < w->model->d.n_tensors; i++) {
        int64_t bytes = (int64_t)qmat_bytes(&w->mat[i]);
        w->bytes += bytes;
        w->held_bytes += w->again && w->again[i] ? 0 : bytes;
    }
    w->bytes += w->has_head ? (int64_t)qmat_bytes(&w->head) : 0;
    w->held_bytes += w->has_head ? (int64_t)qmat_bytes(&w->head) : 0;
}

int weights_source(struct weights **out, const struct model *m, bool activation_rules, struct err *e)
{
    struct weights *w;
    int rc = weights_new(&w, m, e);
    if (rc)
        return rc;
    for (int i = 0; i < m->d.n_tensors && activation_rules; i++)
        w->act[i] = m->d.tensor[i].matrix ? act_find(m->d.tensor[i].src.codec->act) : NULL;
    weights_count(w);
    *out = w;
    return 0;
}

void weights_release(struct weights *w, int i)
{
    const struct qmat *src = &w->model->d.tensor[i].src;
    if (w->mat[i].plane[PLANE_CODE].p != src->plane[PLANE_CODE].p && !(w->again && w->again[i]))
        qmat_free(&w->mat[i]);
    qmat_share(&w->mat[i], src);
    w->act[i] = NULL;
    if (w->has_head && w->model->d.tensor[i].use == USE_TOKEN_EMBD) {
        qmat_free(&w->head);
        w->has_head = false;
    }
}

void weights_free(struct weights *w)
{
    if (!w)
        return;
    for (int i = 0; w->owned && i < w->model->d.n_tensors; i++)
        weights_release(w, i);
    arena_free(w->arena);
}

/* ---- weights of a shape ---- */

/* A few encoded rows of random weights per codec and row length, which the tensors repeat: real blocks with
 * sane scales at the price of a copy, whatever the codec. */
struct pattern {
    struct qmat rows;
    struct qpar par; /* as asked for */
    struct pattern *next;
};
enum { PATTERN_WEIGHTS = 1 << 16 };

static int pattern_new(struct pattern **out, struct weights *w, const struct codec *c, const struct qpar *par,
                       int64_t k, uint64_t seed, struct err *e)
{
    struct pattern *p = arena_alloc(w->arena, sizeof *p);
    int64_t n = k < PATTERN_WEIGHTS / 8 ? PATTERN_WEIGHTS / k : 8;
    float *x = mem_alloc_n((size_t)(n * k), sizeof *x);
    struct arena *scratch = arena_new();
    struct rng r;
    int rc = p && x && scratch ? 0 : err_nomem(e, (size_t)(n * k) * sizeof *x, "rows of random weights");
    rng_seed_text(&r, seed, c->name);
    for (int64_t i = 0; rc == 0 && i < n * k; i++)
        x[i] = (float)(rng_normal(&r) / sqrt((double)k));
    if (rc == 0)
        rc = c->layout(&p->rows, n, k, par, e);
    if (rc == 0)
        rc = qmat_alloc(&p->rows, e);
    if (rc == 0 && (rc = qmat_encode(&p->rows, x, scratch)) != 0)
        qmat_free(&p->rows);
    if (rc == 0 && par)
        p->par = *par;
    mem_free(x);
    arena_free(scratch);
    *out = p;
    return rc;
}

static bool same_par(const struct qpar *a, const struct qpar *b)
{
    return a->bits == b->bits && a->sym == b->sym && a->scale_type == b->scale_type && a->zero_type == b->zero_type &&
           a->group == b->group && a->wide_bits == b->wide_bits && a->wide_percent == b->wide_percent;
}

static int pattern_find(const struct pattern **out, struct pattern **list, struct weights *w, const struct codec *c,
                        const struct qpar *par, int64_t k, uint64_t seed, struct err *e)
{
    struct pattern *p = *list;
    while (p && (p->rows.codec != c || p->rows.k != k || (par && !same_par(&p->par, par))))
        p = p->next;
    if (!p) {
        int rc = pattern_new(&p, w, c, par, k, seed, e);
        if (rc)
            return rc;
        p->next = *list;
        *list = p;
    }
    *out = p;
    return 0;
}

struct repeat_job {
    struct qmat *dst;
    const struct qmat *rows;
    int64_t first; /* so that tensors of one shape do not begin alike */
};

static void repeat_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct repeat_job *j = arg;
    (void)i_thread;
    for (int pl = 0; pl < N_PLANES; pl++) {
        size_t stride = j->dst->plane[pl].row_stride;
        for (int64_t r = r0; r < r1 && stride; r++)
            memcpy(j->dst->plane[pl].p + (size_t)r * stride,
                   j->rows->plane[pl].p + (size_t)((r + j->first) % j->rows->n) * stride, stride);
    }
}

static int synthesize_matrix(struct weights *w, int i, const struct qpar *par, struct pattern **list,
                             const struct synthesis *s, struct err *e)
{
    struct qmat *q = &w->mat[i];
    const struct pattern *p;
    int rc = pattern_find(&p, list, w, q->codec, par, q->k, s->seed, e);
    if (rc == 0)
        rc = qmat_alloc(q, e);
    if (rc)
        return rc;
    struct repeat_job job = {q, &p->rows, i};
    size_t stride = p->rows.plane[PLANE_CODE].row_stride;
    pool_for(s->pool, q->n, (int64_t)((1 << 18) / (stride + 1)) + 1, repeat_rows, &job);
    for (int pl = 0; pl < N_PLANES; pl++) /* planes that are not by row */
        for (size_t at = 0, n; at < q->plane[pl].bytes && !q->plane[pl].row_stride; at += n) {
            const size_t left = q->plane[pl].bytes - at, have = p->rows.plane[pl].bytes;
            n = left < have ? left : have;
            memcpy(q->plane[pl].p + at, p->rows.plane[pl].p, n);
        }
    return 0;
}

/* Norms are ones, biases zeros. */
static int synthesize_vector(struct weights *w, int i, struct err *e)
{
    const struct model_tensor *t = &w->model->d.tensor[i];
    const struct codec *c = t->src.codec;
    float *x = mem_alloc_n((size_t)(t->src.n * t->src.k), sizeof *x);
    int rc = x ? 0 : err_nomem(e, (size_t)(t->src.n * t->src.k) * sizeof *x, t->name);
    for (int64_t j = 0; rc == 0 && j < t->src.n * t->src.k; j++)
        x[j] = strstr(t->name, "bias") ? 0 : 1;
    if (rc == 0)
        rc = qmat_alloc(&w->mat[i], e);
    if (rc == 0)
        rc = c->encode(&w->mat[i], 0, t->src.n, x, NULL, NULL, NULL);
    mem_free(x);
    return rc;
}

/* Where a matrix stands in the bytes that one pass reads, pass after pass: first reading and end of the last. */
struct reading {
    int64_t first, end;
};

/* An earlier matrix like matrix i in whose place it can be read, because far_bytes of others are read before and after:
 * what the caches held of it is gone each time. -1: none. */
static int read_again(const struct weights *w, int i, const struct reading *r, const struct synthesis *s, int64_t total)
{
    const struct qmat *late = &w->mat[i];
    for (int j = 0; j < i && s->far_bytes > 0; j++) {
        const struct qmat *q = &w->mat[j];
        if (w->model->d.tensor[j].matrix && !w->again[j] && q->codec == late->codec && q->n == late->n &&
            q->k == late->k && same_par(&q->seg->q, &late->seg->q) && r[i].first - r[j].end >= s->far_bytes &&
            total - r[i].end + r[j].first >= s->far_bytes)
            return j;
    }
    return -1;
}

static int lay_out(struct weights *w, const struct codec *const *codec_of, const struct qpar *par_of, struct reading *r,
                   struct err *e)
{
    int64_t at = 0;
    for (int i = 0; i < w->model->d.n_tensors; i++) {
        const struct model_tensor *t = &w->model->d.tensor[i];
        const struct codec *c = t->matrix ? codec_of[i] : t->src.codec;
        int rc = c->layout(&w->mat[i], t->src.n, t->src.k, t->matrix && par_of ? &par_of[i] : NULL, e);
        if (rc)
            return err_context(e, "%s", t->name);
        r[i].first = at;
        r[i].end = at += (int64_t)qmat_bytes(&w->mat[i]);
    }
    return 0;
}

static int synthesize_all(struct weights *w, const struct codec *const *codec_of, const struct qpar *par_of,
                          const struct synthesis *s, struct pattern **list, struct err *e)
{
    int n = w->model->d.n_tensors;
    struct reading *r = arena_alloc_n(w->arena, (size_t)n, sizeof *r);
    w->again = arena_alloc_n(w->arena, (size_t)n, sizeof *w->again);
    if (!r || !w->again)
        return err_nomem(e, (size_t)n * sizeof *r, "a set of weights");
    int rc = lay_out(w, codec_of, par_of, r, e);
    w->owned = rc == 0;
    for (int i = 0; i < n && rc == 0; i++) {
        bool matrix = w->model->d.tensor[i].matrix;
        int j = matrix ? read_again(w, i, r, s, r[n - 1].end) : -1;
        if (j >= 0) {
            qmat_share(&w->mat[i], &w->mat[j]);
            w->again[i] = true;
            r[j].end = r[i].end;
        } else {
            const struct qpar *par = par_of ? &par_of[i] : NULL;
            rc = matrix ? synthesize_matrix(w, i, par, list, s, e) : synthesize_vector(w, i, e);
        }
        if (rc)
            err_context(e, "%s", w->model->d.tensor[i].name);
    }
    return rc;
}

int weights_synthesize(struct weights **out, const struct model *m, const struct codec *const *codec_of,
                       const struct qpar *par_of, const struct act *const *act_of, const struct synthesis *s,
                       struct err *e)
{
    struct weights *w;
    struct pattern *list = NULL;
    int rc = weights_new(&w, m, e);
    if (rc)
        return rc;
    memcpy(w->act, act_of, (size_t)m->d.n_tensors * sizeof *w->act);
    for (int i = 0; i < m->d.n_tensors; i++) /* any grid of activations: nothing real flows */
        w->fixed[i] = act_fixed_grid(-4, 4);
    rc = synthesize_all(w, codec_of, par_of, s, &list, e);
    for (; list; list = list->next)
        qmat_free(&list->rows);
    weights_count(w);
    if (rc) {
        weights_free(w);
        return rc;
    }
    *out = w;
    return 0;
}
