/* Encoding a model into a recipe, tensor by tensor, the rows shared out over the threads. Every row goes
 * through f32: source codec -> f32 -> target codec. A tensor that stays in its codec is shared with the
 * model, not copied. */
#include "base/mem.h"
#include "base/os.h"
#include "bench/quant/encode_group.h"
#include "bench/quant/ranges.h"
#include "bench/quant/recipe.h"
#include "kernels/encoders.h"
#include "kernels/kernels.h"

enum { PIECE_WEIGHTS = 1 << 16 }; /* rows that a thread takes at a time */

struct worker {
    float *x; /* [rows per piece][k] */
    struct arena *scratch;
    uint64_t isa; /* what encoders may use */
    int rc;
    struct wstat stat;
};
struct job {
    const struct qmat *src;
    struct qmat *dst;
    const struct wstat *stat;
    const struct calib *cal;
    struct worker *worker;
    kernel_decode *decode; /* of src */
    weight_encoder *encode;
};

static int64_t rows_per_piece(const struct qmat *q)
{
    return q->k < PIECE_WEIGHTS ? PIECE_WEIGHTS / q->k : 1;
}

static void encode_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    struct job *j = arg;
    struct worker *w = &j->worker[i_thread];
    if (w->rc)
        return;
    size_t mark = arena_mark(w->scratch);
    j->decode(w->x, j->src, r0, r1);
    w->rc = j->encode(j->dst, r0, r1, w->x, j->stat, j->cal, w->scratch);
    arena_reset(w->scratch, mark);
}

/* In row order and in one thread: sums of whole tensors must not depend on the number of threads. */
static int measure_tensor(struct wstat *s, const struct job *j)
{
    struct worker *w = &j->worker[0];
    int64_t piece = rows_per_piece(j->src);
    for (int64_t r = 0; r < j->src->n; r += piece) {
        int64_t end = r + piece < j->src->n ? r + piece : j->src->n;
        j->decode(w->x, j->src, r, end);
        int rc = j->dst->codec->measure(s, j->dst, w->x, end - r);
        if (rc)
            return rc;
    }
    return 0;
}

/* For formats whose rows cannot be encoded apart. */
static int encode_whole(struct qmat *dst, const struct qmat *src, struct worker *worker, struct pool *pool,
                        struct err *e)
{
    float *x = mem_alloc_n((size_t)src->n, (size_t)src->k * sizeof *x);
    if (!x)
        return err_nomem(e, (size_t)src->n * (size_t)src->k * sizeof *x, "a matrix on its way into another format");
    decode_matrix(x, src, pool);
    size_t mark = arena_mark(worker[0].scratch);
    int rc = dst->codec->encode_all(dst, x, pool, worker[0].scratch);
    arena_reset(worker[0].scratch, mark);
    mem_free(x);
    return rc ? err_set(e, rc, "it cannot be encoded as %s", dst->codec->name) : 0;
}

static int encode_tensor(struct qmat *dst, const struct model_tensor *t, const struct codec *codec,
                         const struct qpar *par, const struct calib *cal, struct worker *worker, struct pool *pool,
                         struct err *e)
{
    struct wstat stat = {0};
    struct job job = {
        &t->src, dst, &stat, cal, worker, kernel_decoder(t->src.codec, worker->isa), encoder_find(codec, worker->isa)};
    int rc = codec->layout(dst, t->src.n, t->src.k, par, e);
    if (rc == 0)
        rc = qmat_alloc(dst, e);
    if (rc == 0 && codec->measure && (rc = measure_tensor(&stat, &job)) != 0)
        err_set(e, rc, "its weights cannot be measured for %s", codec->name);
    if (rc)
        return rc;
    if (codec->encode_all)
        return encode_whole(dst, &t->src, worker, pool, e);
    pool_for(pool, t->src.n, rows_per_piece(&t->src), encode_rows, &job);
    for (int i = 0; i < pool_n_threads(pool) && rc == 0; i++)
        if ((rc = worker[i].rc) != 0)
            err_set(e, rc, "its rows cannot be encoded as %s", codec->name);
    return rc;
}

static void workers_free(struct worker *w, int n)
{
    for (int i = 0; w && i < n; i++) {
        mem_free(w[i].x);
        arena_free(w[i].scratch);
    }
    mem_free(w);
}

static int workers_new(struct worker **out, const struct model *m, int n, uint64_t isa, struct err *e)
{
    int64_t most = 0;
    for (int i = 0; i < m->d.n_tensors; i++) {
        int64_t x = rows_per_piece(&m->d.tensor[i].src) * m->d.tensor[i].src.k;
        most = x > most ? x : most;
    }
    struct worker *w = mem_alloc_n((size_t)n, sizeof *w);
    for (int i = 0; w && i < n; i++) {
        w[i].x = mem_alloc_n((size_t)most, sizeof *w[i].x);
        w[i].scratch = arena_new();
        w[i].isa = isa;
        if (!w[i].x || !w[i].scratch) {
            workers_free(w, n);
            w = NULL;
        }
    }
    *out = w;
    return w ? 0 : err_nomem(e, (size_t)n * (size_t)most * sizeof *w->x, "rows on their way into another format");
}

/* Tensor i as its row of the plan says; the head of a tied model as well, where it is stored apart. */
static int encode_one(struct weights *w, int i, const struct use_assign *a, const struct calibration *cal,
                      struct worker *worker, struct pool *pool, struct err *e)
{
    const struct model_tensor *t = &w->model->d.tensor[i];
    const struct calib *stat = cal ? cal->tensor[i] : NULL;
    bool same = a->codec == t->src.codec;
    if (same && !a->head)
        return 0;
    if (interrupt_seen())
        return err_set(e, ERR_CANCELLED, "interrupted");
    if (!t->src.plane[PLANE_CODE].p)
        return err_set(e, ERR_USAGE, "there are no weights to encode, only a shape");
    bool head = t->use == USE_TOKEN_EMBD || t->use == USE_OUTPUT; /* their inputs are rarely watched */
    if (a->codec->needs_importance && !head && (!stat || !stat->importance))
        return err_set(e, ERR_UNSUPPORTED, "%s needs importances, and %s has none for this matrix", a->codec->name,
                       cal ? "what was given" : "there is no importance matrix: it");
    int rc = same ? 0 : encode_tensor(&w->mat[i], t, a->codec, &a->par, stat, worker, pool, e);
    if (rc == 0 && a->head) {
        w->has_head = true;
        rc = encode_tensor(&w->head, t, a->head, &a->head_par, stat, worker, pool, e);
    }
    return rc;
}

/* The grid of its activations that is fixed beforehand, of a layer that there is: a table of embeddings is none. */
static int settle_range(struct weights *w, int i, const struct use_assign *a, const struct calibration *cal,
                        struct err *e)
{
    const struct model_desc *d = &w->model->d;
    if (!a->range || (d->tensor[i].use == USE_TOKEN_EMBD && !d->tied))
        return 0;
    const struct calib_input *in = cal && !(a->range->needs & ~cal->have) ? &cal->input[cal->input_of[i]] : NULL;
    const float *column = (const float *)(const void *)w->mat[i].plane[PLANE_COLUMN].p;
    w->fixed[i].column = column;
    if (!in)
        return err_set(e, ERR_MISSING, "the grid of its activations needs a calibration text");
    if (!in->n_edges && !in->values.n)
        return err_set(e, ERR_DATA, "the calibration text never reached this matrix");
    int rc = a->range->fit(&w->fixed[i], in, column, w->arena, e);
    w->fixed[i].column = column;
    return rc;
}

static bool in_part(const struct model_desc *d, const struct model_tensor *t, int part)
{
    if (part == PART_EMBEDDING)
        return t->use == USE_TOKEN_EMBD;
    if (part == PART_HEAD)
        return t->layer < 0 && (t->use != USE_TOKEN_EMBD || d->tied);
    return part == PART_ALL || t->layer == part;
}

int weights_encode_open(struct weights **out, const struct model *m, struct use_assign *a,
                        const struct calibration *cal, struct pool *pool, struct err *e)
{
    struct weights *w;
    int rc = weights_new(&w, m, e);
    if (rc)
        return rc;
    w->owned = true;
    rc = plan_algorithms(m, a, cal, pool, e);
    if (rc) {
        weights_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

int weights_encode_part(struct weights *w, const struct use_assign *a, const struct calibration *cal, int part,
                        uint64_t isa, struct pool *pool, struct err *e)
{
    const struct model_desc *d = &w->model->d;
    struct worker *worker;
    bool *done = mem_alloc_n((size_t)d->n_tensors, sizeof *done); /* with an earlier one of their group */
    int rc = done ? workers_new(&worker, w->model, pool_n_threads(pool), isa, e)
                  : err_nomem(e, (size_t)d->n_tensors * sizeof *done, "a set of weights");
    if (rc) {
        mem_free(done);
        return rc;
    }
    for (int i = 0; i < d->n_tensors && rc == 0; i++) {
        if (!in_part(d, &d->tensor[i], part))
            continue;
        w->act[i] = a[i].act;
        if (!done[i])
            rc = a[i].algorithm ? encode_group(w, i, a, cal, done, pool, e)
                                : encode_one(w, i, &a[i], cal, worker, pool, e);
        if (rc == 0)
            rc = settle_range(w, i, &a[i], cal, e);
        if (rc)
            err_context(e, "%s", d->tensor[i].name);
    }
    workers_free(worker, pool_n_threads(pool));
    mem_free(done);
    return rc;
}

void weights_release_part(struct weights *w, int part)
{
    const struct model_desc *d = &w->model->d;
    for (int i = 0; i < d->n_tensors; i++)
        if (in_part(d, &d->tensor[i], part))
            weights_release(w, i);
}

int weights_encode(struct weights **out, const struct model *m, struct use_assign *a, const struct calibration *cal,
                   uint64_t isa, struct pool *pool, struct err *e)
{
    struct weights *w;
    int rc = weights_encode_open(&w, m, a, cal, pool, e);
    if (rc)
        return rc;
    rc = weights_encode_part(w, a, cal, PART_ALL, isa, pool, e);
    weights_count(w);
    if (rc) {
        weights_free(w);
        return rc;
    }
    *out = w;
    return 0;
}
