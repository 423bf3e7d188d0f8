/* Quality of formats of a model that does not fit in memory: layer by layer instead of chunk by chunk. The states of
 * all chunks wait between the layers; each layer is read once, run as the reference, encoded into one format after the
 * other and run. What is held is one layer of one format, the states, and two engines. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/sweep_quality.h"

struct layers_run {
    struct quality_run q;
    struct weights **w; /* [n_cand] the source's but for the part at hand; NULL: it turned out impossible */
    float **x, *x_ref;  /* [n_cand] each [n_chunks][n_ctx][d_model]: what the last layer put out */
    bool *have;         /* [n_cand][n_chunks] the store has it */
    double *seconds;    /* [n_cand] spent in layers so far */
    int n_chunks;
    int n_live; /* candidates [0, n_live): the budget does not reach the others */
    uint64_t end_ns;
};

static size_t state_floats(const struct sweep_input *in, int n_chunks)
{
    return (size_t)n_chunks * (size_t)in->req->n_ctx_eval * (size_t)in->model->d.d_model;
}

/* The most that a layer, the embedding or the head takes in the file. */
static double largest_part(const struct model_desc *d)
{
    double most = 0, part = 0;
    for (int i = 0; i < d->n_tensors; i++) {
        bool goes_on = i > 0 && d->tensor[i].layer >= 0 && d->tensor[i].layer == d->tensor[i - 1].layer;
        part = (goes_on ? part : 0) + (double)qmat_bytes(&d->tensor[i].src);
        most = fmax(most, part);
    }
    return most;
}

double sweep_layers_bytes(const struct sweep_input *in, int n_formats, int n_chunks)
{
    struct engine_opts o = {.mode = ENGINE_QUALITY,
                            .n_ctx = in->req->n_ctx_eval,
                            .n_batch = in->req->n_ctx_eval,
                            .kv = KV_BOTH(F32),
                            .isa = in->req->isa,
                            .pool = in->pool};
    struct memory_need need = {0};
    engine_memory(&in->model->d, &o, &need, NULL);
    double logits = 4.0 * in->model->d.n_vocab * (in->req->n_ctx_eval / 2.0);
    double states = 4 * (double)state_floats(in, n_chunks), engine = (double)(need.kv_bytes + need.scratch_bytes);
    enum { N_ENGINES = 3 /* the reference's, and one for each kind of cache */, N_SLICES = 2 /* of logits */ };
    return (n_formats + 1) * states + 2 * largest_part(&in->model->d) + N_ENGINES * engine +
           N_SLICES * fmin(logits, EVAL_SLICE_BYTES);
}

/* Candidates whose caches are alike take turns with one engine. */
static int engine_for(struct layers_run *r, struct engine **g, struct kv_pair kv, struct err *e)
{
    for (int j = 0; j < r->q.n_cand; j++) {
        struct kv_pair other = engine_options(r->q.cand[j].engine)->kv;
        *g = r->q.cand[j].engine;
        if (other.k == kv.k && other.v == kv.v)
            return 0;
    }
    return quality_engine(&r->q, g, r->q.ref_weights, kv, e);
}

static int add_candidate(struct layers_run *r, int c, struct err *e)
{
    const struct sweep_input *in = r->q.in;
    struct plan_cell *cell = &r->q.plan->cell[c];
    struct engine *g;
    struct err why = {0};
    if (cell->same_as >= 0 || cell->settled)
        return 0;
    struct weights **w = &r->w[r->q.n_cand];
    int rc = weights_encode_open(w, in->model, cell->assign, in->calib, in->pool, &why);
    if (rc == 0) /* widths may have been chosen only now */
        rc = recipe_summarize(&in->model->d, cell->assign, &cell->summary, &why);
    if (rc < 0)
        return sweep_refuse(r->q.plan, c, rc, &why, e);
    rc = engine_for(r, &g, recipe_kv(cell->recipe, in->req->numerics), e);
    if (rc == 0)
        quality_add(&r->q, c, g);
    return rc;
}

static int make_room(struct layers_run *r, struct err *e)
{
    struct arena *a = r->q.arena;
    size_t n = (size_t)r->q.n, states = state_floats(r->q.in, r->n_chunks);
    r->have = arena_alloc_n(a, n * (size_t)r->n_chunks, sizeof *r->have);
    r->seconds = arena_alloc_n(a, n, sizeof *r->seconds);
    r->x = arena_alloc_n(a, n, sizeof *r->x);
    r->x_ref = arena_alloc_n(a, states, sizeof(float));
    bool ok = r->have && r->seconds && r->x && r->x_ref;
    for (int j = 0; j < r->q.n_cand && ok; j++)
        ok = (r->x[j] = arena_alloc_n(a, states, sizeof(float))) != NULL;
    return ok ? 0
              : err_nomem(e, (n + 1) * states * sizeof(float), "the states between the layers: take fewer --chunks");
}

static int open_run(struct layers_run *r, struct err *e)
{
    struct quality_run *q = &r->q;
    int rc = quality_open(q, e);
    if (rc == 0 && !(r->w = arena_alloc_n(q->arena, (size_t)q->n, sizeof(struct weights *))))
        rc = err_nomem(e, (unsigned long long)q->n * sizeof *r->w, "the evaluation");
    for (int c = q->c0; c < q->c0 + q->n && rc == 0; c++)
        rc = add_candidate(r, c, e);
    if (rc || q->n_cand == 0)
        return rc;
    if ((rc = quality_eval(q, r->n_chunks, e)))
        return rc;
    r->n_chunks = eval_n_chunks(q->eval);
    r->n_live = q->n_cand;
    if ((rc = make_room(r, e)))
        return rc;
    for (int k = 0; k < q->n_cand * r->n_chunks; k++) {
        int have = quality_load(q, k / r->n_chunks, k % r->n_chunks, e);
        if (have < 0)
            return have;
        r->have[k] = have > 0;
    }
    return 0;
}

static void close_run(struct layers_run *r)
{
    for (int j = 0; r->w && j < r->q.n; j++)
        weights_free(r->w[j]);
    quality_close(&r->q);
}

/* What a part does to the states of one chunk. */
static void run_part(struct layers_run *r, struct engine *g, int part, float *x, int chunk)
{
    int n = r->q.in->req->n_ctx_eval;
    x += (int64_t)chunk * n * r->q.in->model->d.d_model;
    if (part == PART_EMBEDDING)
        engine_embed(g, eval_tokens(r->q.eval, chunk), n, x);
    else
        engine_layer(g, part, x, 0, n);
}

static int score_chunk(struct layers_run *r, int j, int chunk, struct err *e)
{
    int64_t at = (int64_t)chunk * r->q.in->req->n_ctx_eval * r->q.in->model->d.d_model;
    int rc = eval_states(r->q.eval, j, chunk, r->x_ref + at, r->x[j] + at, e);
    return rc ? rc : quality_save(&r->q, j, chunk, e);
}

/* One part of the model in one format. */
static int candidate_part(struct layers_run *r, int j, int part, struct err *e)
{
    const struct sweep_input *in = r->q.in;
    struct engine *g = r->q.cand[j].engine;
    struct plan_cell *cell = &r->q.plan->cell[r->q.cell_of[j]];
    const bool *have = r->have + (int64_t)j * r->n_chunks;
    struct err why = {0};
    uint64_t t0 = clock_ns();
    bool all = true;
    for (int i = 0; i < r->n_chunks; i++)
        all &= have[i];
    if (!r->w[j] || all)
        return 0;
    int rc = weights_encode_part(r->w[j], cell->assign, in->calib, part, in->req->isa, in->pool, &why);
    if (rc == 0)
        rc = engine_use(g, r->w[j], &why);
    if (rc < 0) {
        weights_free(r->w[j]);
        r->w[j] = NULL;
        return sweep_refuse(r->q.plan, r->q.cell_of[j], rc, &why, e);
    }
    for (int i = 0; i < r->n_chunks && rc == 0; i++) {
        if (have[i])
            continue;
        if (part == PART_HEAD)
            rc = score_chunk(r, j, i, e);
        else
            run_part(r, g, part, r->x[j], i);
    }
    weights_release_part(r->w[j], part);
    r->seconds[j] += (double)(clock_ns() - t0) * 1e-9;
    return rc;
}

/* Formats at the end go when the time that is left does not suffice for all, as the layers so far went. */
static void keep_to_budget(struct layers_run *r, int n_done)
{
    const struct model_desc *d = &r->q.in->model->d;
    double left = r->end_ns > clock_ns() ? (double)(r->end_ns - clock_ns()) * 1e-9 : 0, needed = 0;
    double parts_left = d->n_layer - n_done + 1; /* the head counts as a layer */
    if (!r->end_ns)
        return;
    for (int j = 0; j < r->n_live; j++)
        needed += r->seconds[j] / n_done * parts_left;
    while (r->n_live > 1 && needed > left)
        needed -= r->seconds[--r->n_live] / n_done * parts_left;
}

static void release_source(const struct model *m, int layer)
{
    for (int i = 0; i < m->d.n_tensors; i++)
        if (m->d.tensor[i].layer == layer)
            model_release(m, &m->d.tensor[i]);
}

static int run_parts(struct layers_run *r, struct err *e)
{
    const struct model *m = r->q.in->model;
    int rc = 0;
    char what[96];
    for (int at = 0; at <= m->d.n_layer + 1 && rc == 0; at++) {
        int part = at == 0 ? PART_EMBEDDING : at > m->d.n_layer ? PART_HEAD : at - 1;
        if (interrupt_seen())
            return err_set(e, ERR_CANCELLED, "interrupted");
        for (int i = 0; i < r->n_chunks && part != PART_HEAD; i++)
            run_part(r, r->q.ref, part, r->x_ref, i);
        for (int j = 0; j < r->n_live && rc == 0; j++)
            rc = candidate_part(r, j, part, e);
        release_source(m, part < 0 ? -1 : part);
        if (part >= 0)
            keep_to_budget(r, part + 1);
        snprintf(what, sizeof what, "quality of %d formats, %d chunks, part %d of %d", r->n_live, r->n_chunks, at + 1,
                 m->d.n_layer + 2);
        sweep_tell(r->q.in, what, at + 1, m->d.n_layer + 2);
    }
    return rc;
}

int sweep_layers(struct sweep *s, const struct sweep_input *in, struct plan *p, int c0, int c1, int n_chunks,
                 uint64_t end_ns, struct err *e)
{
    struct layers_run r = {
        .q = {.in = in, .plan = p, .c0 = c0, .n = c1 - c0, .sweep = s}, .n_chunks = n_chunks, .end_ns = end_ns};
    int rc = open_run(&r, e);
    if (rc == 0 && r.q.n_cand > 0) {
        char what[128];
        snprintf(what, sizeof what, "layer by layer: %d formats, %d chunks, about %.1f GiB of memory", r.q.n_cand,
                 r.n_chunks, sweep_layers_bytes(in, r.q.n_cand, r.n_chunks) / 1024 / 1024 / 1024);
        sweep_tell(in, what, 0, in->model->d.n_layer + 2);
        rc = run_parts(&r, e);
        if (rc == 0)
            rc = quality_records(&r.q, r.n_live, s, e);
        s->out_of_budget |= r.n_live < r.q.n_cand;
    }
    close_run(&r);
    return rc;
}
