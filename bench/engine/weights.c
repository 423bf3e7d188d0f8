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
    }
    if (!w || !w->mat || !w->act) {
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
    w->bytes = 0;
    for (int i = 0; i < w->model->d.n_tensors; i++)
        w->bytes += (int64_t)qmat_bytes(&w->mat[i]);
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

void weights_free(struct weights *w)
{
    if (!w)
        return;
    for (int i = 0; w->owned && i < w->model->d.n_tensors; i++)
        if (w->mat[i].plane[PLANE_CODE].p != w->model->d.tensor[i].src.plane[PLANE_CODE].p)
            qmat_free(&w->mat[i]);
    arena_free(w->arena);
}

/* ---- weights of a shape ---- */

/* A few encoded rows of random weights per codec and row length, which the tensors repeat: real blocks with
 * sane scales at the price of a copy, whatever the codec. */
struct pattern {
    struct qmat rows;
    struct pattern *next;
};
enum { PATTERN_WEIGHTS = 1 << 16 };

static int pattern_new(struct pattern **out, struct weights *w, const struct codec *c, int64_t k,
                       uint64_t seed, struct err *e)
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
        rc = c->layout(&p->rows, n, k, NULL, e);
    if (rc == 0)
        rc = qmat_alloc(&p->rows, e);
    struct wstat stat = {0};
    if (rc == 0 && c->measure)
        rc = c->measure(&stat, &p->rows, x, n);
    if (rc == 0 && (rc = c->encode(&p->rows, 0, n, x, &stat, NULL, scratch)) != 0)
        qmat_free(&p->rows);
    mem_free(x);
    arena_free(scratch);
    *out = p;
    return rc;
}

static int pattern_find(const struct pattern **out, struct pattern **list, struct weights *w,
                        const struct codec *c, int64_t k, uint64_t seed, struct err *e)
{
    struct pattern *p = *list;
    while (p && (p->rows.codec != c || p->rows.k != k))
        p = p->next;
    if (!p) {
        int rc = pattern_new(&p, w, c, k, seed, e);
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

static int synthesize_matrix(struct weights *w, int i, const struct codec *c, struct pattern **list,
                             uint64_t seed, struct pool *pool, struct err *e)
{
    const struct qmat *src = &w->model->d.tensor[i].src;
    const struct pattern *p;
    int rc = pattern_find(&p, list, w, c, src->k, seed, e);
    if (rc == 0)
        rc = c->layout(&w->mat[i], src->n, src->k, NULL, e);
    if (rc == 0)
        rc = qmat_alloc(&w->mat[i], e);
    if (rc)
        return rc;
    struct repeat_job job = {&w->mat[i], &p->rows, i};
    size_t stride = p->rows.plane[PLANE_CODE].row_stride;
    pool_for(pool, src->n, (int64_t)((1 << 18) / (stride + 1)) + 1, repeat_rows, &job);
    for (int pl = 0; pl < N_PLANES; pl++) /* planes that all rows share */
        if (w->mat[i].plane[pl].bytes && !w->mat[i].plane[pl].row_stride)
            memcpy(w->mat[i].plane[pl].p, p->rows.plane[pl].p, w->mat[i].plane[pl].bytes);
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
        rc = c->layout(&w->mat[i], t->src.n, t->src.k, NULL, e);
    if (rc == 0)
        rc = qmat_alloc(&w->mat[i], e);
    if (rc == 0)
        rc = c->encode(&w->mat[i], 0, t->src.n, x, NULL, NULL, NULL);
    mem_free(x);
    return rc;
}

int weights_synthesize(struct weights **out, const struct model *m, const struct codec *const *codec_of,
                       const struct act *const *act_of, uint64_t seed, struct pool *pool, struct err *e)
{
    struct weights *w;
    struct pattern *list = NULL;
    int rc = weights_new(&w, m, e);
    if (rc)
        return rc;
    w->owned = true;
    for (int i = 0; i < m->d.n_tensors && rc == 0; i++) {
        w->act[i] = act_of[i];
        rc = m->d.tensor[i].matrix ? synthesize_matrix(w, i, codec_of[i], &list, seed, pool, e)
                                   : synthesize_vector(w, i, e);
        if (rc)
            err_context(e, "%s", m->d.tensor[i].name);
    }
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
