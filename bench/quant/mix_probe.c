/* One tensor changed at a time (mix_probe.h). */
#include "bench/quant/mix_probe.h"
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/engine.h"
#include "bench/engine/kld.h"
#include "kernels/kernels.h"

enum {
    MOST_ROWS = 256,        /* of logits that are compared in a chunk */
    REF_BYTES = 128 << 20,  /* fewer of them where vocabularies are large */
    SLICE_ROWS = 32,        /* of the changed model's logits at once */
    MOST_INPUTS = 128,      /* kept of each tensor */
    INPUT_BYTES = 256 << 20 /* fewer of them where models are wide */
};

struct inputs {
    float *x; /* [n][k] */
    int n;
    const struct inputs *same; /* those of the tensor that is multiplied with the same; NULL: its own */
};
struct mix_probe {
    const struct model *model;
    struct mix_setup setup;
    struct weights *weights;
    struct use_assign *assign; /* all as in the source */
    struct engine *engine;
    int n_rows, n_inputs;
    int32_t *tokens;   /* [n_ctx] */
    int *position;     /* [n_rows] that are compared */
    float *x, *work;   /* [n_layer + 1][n_ctx][d_model] what goes into each layer, and out of the last; one of them */
    float *picked;     /* [n_rows][d_model] */
    float *ref, *cand; /* logits [n_rows][n_vocab], [SLICE_ROWS][n_vocab] */
    struct row_norm *ref_norm;
    double *kld;                     /* [n_rows] */
    struct inputs *inputs;           /* [n_tensors] */
    bool watching, lacks;            /* lacks: no memory for the inputs of a tensor */
    const struct model_tensor *seen; /* the last one that showed its input, where */
    const float *seen_at;
    const struct row_ops *rows;
    struct arena *arena;
};

static int64_t states(const struct mix_probe *p)
{
    return (int64_t)p->setup.n_ctx * p->model->d.d_model;
}

/* ---- sizes ---- */

static int count_rows(const struct model *m, const struct mix_setup *s)
{
    int64_t most = REF_BYTES / ((int64_t)m->d.n_vocab * 4), half = s->n_ctx - 1 - s->n_ctx / 2;
    most = most < MOST_ROWS ? most : MOST_ROWS;
    most = most < SLICE_ROWS ? SLICE_ROWS : most;
    return (int)(half < most ? half : most);
}

static int count_inputs(const struct model *m)
{
    int64_t k = 0, n;
    for (int i = 0; i < m->d.n_tensors; i++)
        k += m->d.tensor[i].matrix ? m->d.tensor[i].src.k : 0;
    n = k ? INPUT_BYTES / (4 * k) : 0;
    return (int)(n < 16 ? 16 : n < MOST_INPUTS ? n : MOST_INPUTS);
}

static struct engine_opts engine_options_of(struct mix_probe *p, const struct mix_setup *s)
{
    return (struct engine_opts){.mode = ENGINE_QUALITY,
                                .n_ctx = s->n_ctx,
                                .n_batch = s->n_ctx,
                                .kv = KV_BOTH(F32),
                                .isa = s->isa,
                                .pool = s->pool,
                                .on_input_arg = p};
}

int mix_probe_bytes(const struct model *m, const struct mix_setup *s, int64_t *bytes, struct err *e)
{
    struct engine_opts o = engine_options_of(NULL, s);
    struct memory_need need;
    int rc = engine_memory(&m->d, &o, &need, e);
    if (rc)
        return rc;
    int64_t largest = 0, k = 0;
    for (int i = 0; i < m->d.n_tensors; i++) {
        const struct qmat *src = &m->d.tensor[i].src;
        largest = src->n * src->k > largest ? src->n * src->k : largest;
        k += m->d.tensor[i].matrix ? src->k : 0;
    }
    *bytes = need.kv_bytes + need.scratch_bytes + 4 * (m->d.n_layer + 2LL) * s->n_ctx * m->d.d_model +
             4LL * (count_rows(m, s) + SLICE_ROWS) * m->d.n_vocab + 4 * k * count_inputs(m) + 2 * largest;
    return 0;
}

/* ---- what goes into the tensors ---- */

static void see_input(void *arg, const struct model_tensor *t, const float *x, int n)
{
    struct mix_probe *p = arg;
    const int i = (int)(t - p->model->d.tensor);
    struct inputs *in = &p->inputs[i];
    const int64_t k = t->src.k;
    if (!p->watching)
        return;
    const struct inputs *before = p->seen ? &p->inputs[p->seen - p->model->d.tensor] : NULL;
    const bool same = before && p->seen_at == x && p->seen->layer == t->layer && p->seen->src.k == k;
    p->seen = t;
    p->seen_at = x;
    in->same = same ? (before->same ? before->same : before) : NULL;
    if (same)
        return;
    if (!in->x)
        in->x = arena_alloc_n(p->arena, (size_t)p->n_inputs, (size_t)k * sizeof *in->x);
    if (!in->x) {
        p->lacks = true;
        return;
    }
    in->n = n < p->n_inputs ? n : p->n_inputs;
    for (int j = 0; j < in->n; j++)
        memcpy(in->x + j * k, x + (int64_t)j * n / in->n * k, (size_t)k * sizeof *x);
}

const float *mix_probe_inputs(const struct mix_probe *p, int i, int *n)
{
    const struct inputs *in = p->inputs[i].same ? p->inputs[i].same : &p->inputs[i];
    *n = in->n;
    return in->x;
}

/* ---- life ---- */

static int take_memory(struct mix_probe *p, struct err *e)
{
    const struct model_desc *d = &p->model->d;
    const size_t n_states = (size_t)states(p), n_vocab = (size_t)d->n_vocab, n_rows = (size_t)p->n_rows;
    struct arena *a = p->arena;
    p->tokens = arena_alloc_n(a, (size_t)p->setup.n_ctx, sizeof *p->tokens);
    p->position = arena_alloc_n(a, n_rows, sizeof *p->position);
    p->x = arena_alloc_n(a, (size_t)d->n_layer + 1, n_states * sizeof *p->x);
    p->work = arena_alloc_n(a, n_states, sizeof *p->work);
    p->picked = arena_alloc_n(a, n_rows, (size_t)d->d_model * sizeof *p->picked);
    p->ref = arena_alloc_n(a, n_rows, n_vocab * sizeof *p->ref);
    p->cand = arena_alloc_n(a, SLICE_ROWS, n_vocab * sizeof *p->cand);
    p->ref_norm = arena_alloc_n(a, n_rows, sizeof *p->ref_norm);
    p->kld = arena_alloc_n(a, n_rows, sizeof *p->kld);
    p->inputs = arena_alloc_n(a, (size_t)d->n_tensors, sizeof *p->inputs);
    p->assign = arena_alloc_n(a, (size_t)d->n_tensors, sizeof *p->assign);
    if (!p->tokens || !p->position || !p->x || !p->work || !p->picked || !p->ref || !p->cand || !p->ref_norm ||
        !p->kld || !p->inputs || !p->assign)
        return err_nomem(e, (n_rows + SLICE_ROWS) * n_vocab * sizeof(float), "the states of a model");
    for (int i = 0; i < d->n_tensors; i++)
        p->assign[i].codec = p->assign[i].wanted = d->tensor[i].src.codec;
    const int first = p->setup.n_ctx / 2, half = p->setup.n_ctx - 1 - first;
    for (int r = 0; r < p->n_rows; r++)
        p->position[r] = first + (int)((int64_t)r * half / p->n_rows);
    return 0;
}

int mix_probe_new(struct mix_probe **out, const struct model *m, const struct mix_setup *s, struct err *e)
{
    struct arena *a = arena_new();
    struct mix_probe *p = a ? arena_alloc(a, sizeof *p) : NULL;
    *out = NULL;
    if (!p) {
        arena_free(a);
        return err_nomem(e, sizeof *p, "the states of a model");
    }
    *p = (struct mix_probe){
        .model = m, .setup = *s, .arena = a, .n_rows = count_rows(m, s), .n_inputs = count_inputs(m)};
    p->rows = kernel_find(OP_ROWS, NULL, NULL, s->isa)->rows;
    struct engine_opts o = engine_options_of(p, s);
    o.on_input = see_input;
    int rc = take_memory(p, e);
    if (rc == 0)
        rc = weights_encode_open(&p->weights, m, p->assign, NULL, s->pool, e);
    if (rc == 0)
        rc = engine_new(&p->engine, p->weights, &o, e);
    if (rc) {
        mix_probe_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void mix_probe_free(struct mix_probe *p)
{
    if (!p)
        return;
    engine_free(p->engine);
    weights_free(p->weights);
    arena_free(p->arena);
}

int mix_probe_n_chunks(const struct mix_probe *p)
{
    int64_t n = p->setup.n_tokens / p->setup.n_ctx;
    return p->setup.n_chunks > 0 && p->setup.n_chunks < n ? p->setup.n_chunks : n < INT32_MAX ? (int)n : INT32_MAX;
}

/* ---- running ---- */

/* The states x[n_ctx][d_model] at the positions that are compared. */
static void pick_rows(struct mix_probe *p, const float *x)
{
    const int64_t d = p->model->d.d_model;
    for (int r = 0; r < p->n_rows; r++)
        memcpy(p->picked + r * d, x + p->position[r] * d, (size_t)d * sizeof *x);
}

static void normalize_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    struct mix_probe *p = arg;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++)
        p->ref_norm[i] = p->rows->normalize(p->ref + i * p->model->d.n_vocab, p->model->d.n_vocab);
}

/* Chunks evenly over the text. */
static void take_tokens(struct mix_probe *p, int i)
{
    const struct mix_setup *s = &p->setup;
    const int64_t n_all = s->n_tokens / s->n_ctx, at = (int64_t)i * n_all / mix_probe_n_chunks(p);
    memcpy(p->tokens, s->tokens + at * s->n_ctx, (size_t)s->n_ctx * sizeof *p->tokens);
    if (s->bos >= 0)
        p->tokens[0] = s->bos;
}

int mix_probe_chunk(struct mix_probe *p, int i, struct err *e)
{
    const struct model_desc *d = &p->model->d;
    const int64_t n = states(p);
    take_tokens(p, i);
    p->watching = true;
    p->seen = NULL;
    engine_embed(p->engine, p->tokens, p->setup.n_ctx, p->x);
    for (int l = 0; l < d->n_layer; l++) {
        if (interrupt_seen())
            return err_set(e, ERR_CANCELLED, "interrupted");
        float *x = p->x + (l + 1) * n;
        memcpy(x, x - n, (size_t)n * sizeof *x);
        engine_layer(p->engine, l, x, 0, p->setup.n_ctx);
    }
    pick_rows(p, p->x + d->n_layer * n);
    engine_head(p->engine, p->picked, p->n_rows, p->ref);
    p->watching = false;
    pool_for(p->setup.pool, p->n_rows, 1, normalize_rows, p);
    for (int r = 0; r < p->n_rows; r++)
        if (!isfinite(p->ref_norm[r].log_sum) || !isfinite(p->ref_norm[r].max))
            return err_set(e, ERR_DATA,
                           "the model gives NaN or infinite logits in chunk %d: nothing can be compared "
                           "with it",
                           i);
    return p->lacks ? err_nomem(e, (size_t)p->n_inputs * (size_t)d->d_ff * sizeof(float), "inputs of a model") : 0;
}

struct compare_job {
    struct mix_probe *p;
    int row0;
};

static void compare_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct compare_job *j = arg;
    struct mix_probe *p = j->p;
    const int32_t n = p->model->d.n_vocab;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++) {
        struct row_norm cn;
        const int64_t r = j->row0 + i;
        p->kld[r] = p->rows->compare(p->ref + r * n, &p->ref_norm[r], p->cand + i * n, &cn, n);
        if (!isfinite(cn.log_sum) || !isfinite(cn.max))
            p->kld[r] = NAN;
    }
}

/* From the first layer that sees the change: its tensor's, or all where it is the embedding, or none of the head. */
static void run_changed(struct mix_probe *p, const struct model_tensor *t)
{
    const struct model_desc *d = &p->model->d;
    const int64_t n = states(p);
    const int from = t->use == USE_TOKEN_EMBD ? 0 : t->layer < 0 ? d->n_layer : t->layer;
    memcpy(p->work, p->x + from * n, (size_t)n * sizeof *p->work);
    if (t->use == USE_TOKEN_EMBD)
        engine_embed(p->engine, p->tokens, p->setup.n_ctx, p->work);
    for (int l = from; l < d->n_layer && !interrupt_seen(); l++)
        engine_layer(p->engine, l, p->work, 0, p->setup.n_ctx);
    pick_rows(p, p->work);
    for (int r = 0; r < p->n_rows; r += SLICE_ROWS) {
        const int m = p->n_rows - r < SLICE_ROWS ? p->n_rows - r : SLICE_ROWS;
        struct compare_job j = {p, r};
        engine_head(p->engine, p->picked + (int64_t)r * d->d_model, m, p->cand);
        pool_for(p->setup.pool, m, 1, compare_rows, &j);
    }
}

int mix_probe_kld(struct mix_probe *p, int i, const struct codec *c, double *kld, struct err *e)
{
    const struct model_tensor *t = &p->model->d.tensor[i];
    const int part = t->layer >= 0 ? t->layer : t->use == USE_TOKEN_EMBD ? PART_EMBEDDING : PART_HEAD;
    *kld = 0;
    if (c == t->src.codec)
        return 0;
    p->assign[i].codec = p->assign[i].wanted = c;
    int rc = weights_encode_part(p->weights, p->assign, p->setup.cal, part, p->setup.isa, p->setup.pool, e);
    if (rc == 0)
        rc = engine_use(p->engine, p->weights, e);
    if (rc == 0)
        run_changed(p, t);
    p->assign[i].codec = p->assign[i].wanted = t->src.codec;
    weights_release(p->weights, i);
    if (rc == 0)
        rc = engine_use(p->engine, p->weights, e);
    if (rc == 0 && interrupt_seen())
        rc = err_set(e, ERR_CANCELLED, "interrupted");
    for (int r = 0; r < p->n_rows && rc == 0; r++)
        *kld += p->kld[r] / p->n_rows;
    return rc;
}
