/* Perplexity and KL divergence of candidates against a reference, chunk by chunk. In a chunk the reference
 * and the candidates advance through the tokens together; then the scored positions are gone through in
 * slices: the reference's logits once, each candidate's logits, one row per task. Only a slice of logits is
 * ever held. */
#include "bench/engine/eval.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/kld.h"
#include "kernels/kernels.h"
#include "bench/engine/logits_file.h"

struct eval {
    struct eval_text text;
    struct engine *ref;
    struct eval_cand *cand;
    int n_cand, n_vocab, n_batch, n_scored, slice_rows;
    int n_done; /* chunks run, in any order */
    struct logits_file base;
    struct file_out out;
    bool has_base_file, writing;
    int32_t *chunk;             /* [n_ctx] tokens with BOS in place */
    int32_t *base_tokens;       /* of the base file, when it brought the text */
    float *ref_logits, *logits; /* [slice_rows][n_vocab] */
    uint8_t *rows_out;          /* [slice_rows] encoded rows */
    float *sort;                /* [n_chunks * n_scored] */
    struct row_norm *ref_norm;  /* [slice_rows] */
    struct token_score *score;  /* [slice_rows] */
    const struct row_ops *rows;
    struct arena *arena;
};

/* ---- life ---- */

static int check_engine(struct eval *v, const struct engine *g, struct err *e)
{
    const struct engine_opts *o = engine_options(g);
    int n_vocab = engine_model(g)->n_vocab;
    if (v->n_vocab == 0)
        v->n_vocab = n_vocab;
    if (n_vocab != v->n_vocab)
        return err_set(e, ERR_USAGE, "the models have vocabularies of %d and %d tokens: they cannot be compared",
                       v->n_vocab, n_vocab);
    if (o->n_ctx < v->text.n_ctx)
        return err_set(e, ERR_USAGE, "an engine of %d positions cannot run chunks of %d", o->n_ctx, v->text.n_ctx);
    v->n_batch = o->n_batch < v->n_batch ? o->n_batch : v->n_batch;
    return 0;
}

static int alloc_acc(struct eval *v, struct eval_cand *c, struct err *e)
{
    size_t n = (size_t)v->text.n_chunks, n_tokens = n * (size_t)v->n_scored;
    struct eval_acc *a = arena_alloc(v->arena, sizeof *a);
    if (a) {
        a->kld_values = arena_alloc_n(v->arena, n_tokens, sizeof(float));
        a->dp_values = arena_alloc_n(v->arena, n_tokens, sizeof(float));
        a->chunk_kld = arena_alloc_n(v->arena, n, sizeof(double));
        a->chunk_nll = arena_alloc_n(v->arena, n, sizeof(double));
        a->last = arena_alloc_n(v->arena, (size_t)v->n_scored, sizeof *a->last);
        a->last_chunk = -1;
        a->has_base = v->ref || v->has_base_file;
    }
    if (!a || !a->last || !a->kld_values || !a->dp_values || !a->chunk_kld || !a->chunk_nll)
        return err_nomem(e, n_tokens * 8, "the scores of a text");
    c->acc = a;
    return 0;
}

static int take_candidate(struct eval *v, struct eval_cand *c, struct err *e)
{
    int rc = c->engine ? check_engine(v, c->engine, e) : 0;
    return rc ? rc : alloc_acc(v, c, e);
}

/* Everything that depends on the text's size. */
static int prepare(struct eval *v, struct err *e)
{
    struct eval_text *t = &v->text;
    int64_t n_chunks = t->n_tokens / (t->n_ctx > 0 ? t->n_ctx : 1);
    if (t->n_ctx < 4 || n_chunks < 1 || n_chunks > 1 << 30)
        return err_set(e, ERR_USAGE, "a text of %lld tokens holds no chunk of %d", (long long)t->n_tokens, t->n_ctx);
    if (t->n_chunks <= 0 || t->n_chunks > n_chunks)
        t->n_chunks = (int)n_chunks;
    v->n_scored = t->n_ctx - 1 - t->n_ctx / 2;
    v->n_batch = t->n_ctx;
    v->rows = kernel_find(OP_ROWS, NULL, NULL, engine_options(v->ref ? v->ref : v->cand[0].engine)->isa)->rows;
    int rc = v->ref ? check_engine(v, v->ref, e) : 0;
    for (int j = 0; j < v->n_cand && rc == 0; j++)
        rc = take_candidate(v, &v->cand[j], e);
    if (rc)
        return rc;
    int64_t rows = EVAL_SLICE_BYTES / ((int64_t)v->n_vocab * 4);
    rows = rows < 16 ? 16 : rows;
    int64_t n_slices = (v->n_scored + rows - 1) / rows;
    v->slice_rows = (int)((v->n_scored + n_slices - 1) / n_slices);
    size_t logits = (size_t)v->slice_rows * (size_t)v->n_vocab;
    v->chunk = arena_alloc_n(v->arena, (size_t)t->n_ctx, sizeof *v->chunk);
    v->logits = arena_alloc_n(v->arena, logits, sizeof(float));
    v->ref_logits = v->ref || v->has_base_file ? arena_alloc_n(v->arena, logits, sizeof(float)) : v->logits;
    v->ref_norm = arena_alloc_n(v->arena, (size_t)v->slice_rows, sizeof *v->ref_norm);
    v->score = arena_alloc_n(v->arena, (size_t)v->slice_rows, sizeof *v->score);
    v->sort = arena_alloc_n(v->arena, (size_t)t->n_chunks * (size_t)v->n_scored, sizeof(float));
    if (!v->chunk || !v->logits || !v->ref_logits || !v->ref_norm || !v->score || !v->sort)
        return err_nomem(e, logits * sizeof(float), "logits");
    return 0;
}

int eval_new(struct eval **out, const struct eval_text *text, struct engine *ref, struct eval_cand *cand, int n_cand,
             struct err *e)
{
    struct eval *v = mem_alloc(sizeof *v);
    if (!v || !(v->arena = arena_new())) {
        mem_free(v);
        return err_nomem(e, sizeof *v, "an evaluation");
    }
    v->text = *text;
    v->ref = ref;
    v->cand = cand;
    v->n_cand = n_cand;
    v->out.fd = -1;
    int rc = text->tokens ? prepare(v, e) : 0;
    if (rc) {
        eval_free(v);
        return rc;
    }
    *out = v;
    return 0;
}

int eval_add(struct eval *v, int n_cand, struct err *e)
{
    while (v->n_cand < n_cand) {
        int rc = take_candidate(v, &v->cand[v->n_cand], e);
        if (rc)
            return rc;
        v->n_cand++;
    }
    return 0;
}

void eval_free(struct eval *v)
{
    if (!v)
        return;
    if (v->writing)
        file_out_abort(&v->out);
    logits_file_close(&v->base);
    mem_free(v->base_tokens);
    arena_free(v->arena);
    mem_free(v);
}

static int take_base_tokens(struct eval *v, struct err *e)
{
    int64_t n = (int64_t)v->base.n_chunks * v->base.n_ctx;
    v->base_tokens = mem_alloc_n((size_t)n, sizeof *v->base_tokens);
    if (!v->base_tokens)
        return err_nomem(e, (unsigned long long)n * 4, "the tokens of a file of log-probabilities");
    for (int64_t i = 0; i < n; i++)
        v->base_tokens[i] = logits_file_token(&v->base, i);
    v->text.tokens = v->base_tokens;
    v->text.n_tokens = n;
    v->text.n_ctx = v->base.n_ctx;
    return 0;
}

int eval_use_base_file(struct eval *v, const char *path, struct err *e)
{
    if (v->ref || v->n_done || v->has_base_file)
        return err_set(e, ERR_USAGE,
                       "a file of log-probabilities takes the place of the reference, before the first chunk");
    int rc = logits_file_open(&v->base, path, e);
    if (rc)
        return rc;
    const struct logits_file *f = &v->base;
    if (!v->text.tokens) {
        if ((rc = take_base_tokens(v, e)))
            return rc;
    } else if (f->n_ctx != v->text.n_ctx) {
        return err_set(e, ERR_USAGE, "%s was made with a context of %d, not %d", path, f->n_ctx, v->text.n_ctx);
    }
    if (v->text.n_chunks <= 0 || v->text.n_chunks > f->n_chunks)
        v->text.n_chunks = f->n_chunks;
    for (int64_t i = 0; i < (int64_t)v->text.n_chunks * f->n_ctx && i < v->text.n_tokens; i++)
        if (logits_file_token(f, i) != v->text.tokens[i])
            return err_set(e, ERR_USAGE, "%s was made from another text or tokenizer: token %lld differs", path,
                           (long long)i);
    v->has_base_file = true;
    arena_reset(v->arena, 0); /* sized before there was a reference */
    rc = prepare(v, e);
    if (rc == 0 && f->n_vocab != v->n_vocab)
        rc = err_set(e, ERR_USAGE, "%s has a vocabulary of %d tokens, the model one of %d", path, f->n_vocab,
                     v->n_vocab);
    return rc;
}

int eval_write_base_file(struct eval *v, const char *path, struct err *e)
{
    if (v->n_done || !v->text.tokens || v->n_cand < 1)
        return err_set(e, ERR_USAGE, "a file of log-probabilities is begun before the first chunk");
    v->rows_out = arena_alloc_n(v->arena, (size_t)v->slice_rows, logits_row_bytes(v->n_vocab));
    if (!v->rows_out)
        return err_nomem(e, logits_row_bytes(v->n_vocab), "rows of log-probabilities");
    int rc = logits_file_begin(&v->out, path, v->text.n_ctx, v->n_vocab, v->text.n_chunks, v->text.tokens, e);
    v->writing = rc == 0;
    return rc;
}

int eval_n_chunks(const struct eval *v)
{
    return v->text.n_chunks;
}

const int32_t *eval_tokens(struct eval *v, int i)
{
    memcpy(v->chunk, v->text.tokens + (int64_t)i * v->text.n_ctx, (size_t)v->text.n_ctx * sizeof *v->chunk);
    if (v->text.bos >= 0)
        v->chunk[0] = v->text.bos;
    return v->chunk;
}

/* ---- scoring ---- */

struct slice {
    struct eval *v;
    const struct eval_acc *acc;
    const int32_t *target; /* the token that row i should predict */
    int chunk, row0;       /* rows of the chunk, counted from its first scored position */
    bool write, foreign;   /* foreign: the candidate's rows come from an eval_source */
};

static void prepare_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct slice *s = arg;
    struct eval *v = s->v;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++) {
        float *row = v->ref_logits + i * v->n_vocab;
        if (v->has_base_file)
            logits_file_row(&v->base, s->chunk, s->row0 + (int)i, row);
        else
            v->ref_norm[i] = v->rows->normalize(row, v->n_vocab);
    }
}

static void score_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct slice *s = arg;
    struct eval *v = s->v;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++) {
        const float *c = v->logits + i * v->n_vocab, *r = v->ref_logits + i * v->n_vocab;
        const int32_t t = s->target[i];
        struct row_norm cn;
        struct token_score *score = &v->score[i];
        if (s->acc->has_base && !v->has_base_file) {
            *score = row_score(v->rows, r, &v->ref_norm[i], c, &cn, v->n_vocab, t);
            if (s->foreign)
                score->logit_diff = row_distance(r, c, v->n_vocab);
        } else {
            cn = v->rows->normalize(c, v->n_vocab);
            *score = v->has_base_file ? row_score_base(r, c, &cn, v->n_vocab, t)
                                      : (struct token_score){.nll = cn.log_sum - (double)(c[t] - cn.max)};
        }
        if (!isfinite(cn.log_sum) || !isfinite(cn.max))
            score->nll = NAN;
        if (s->write)
            logits_row_encode(v->rows_out + (size_t)i * logits_row_bytes(v->n_vocab), c, v->n_vocab, cn.max,
                              cn.log_sum);
    }
}

static struct pool *pool_of(const struct eval *v)
{
    return engine_options(v->ref ? v->ref : v->cand[0].engine)->pool;
}

/* The reference's rows [row0, row0 + n) of the chunk: their logits are there, or the base file has them. */
static int take_reference(struct slice *s, int n, struct err *e)
{
    struct eval *v = s->v;
    if (v->ref || v->has_base_file)
        pool_for(pool_of(v), n, 1, prepare_rows, s);
    for (int i = 0; v->ref && i < n; i++)
        if (!isfinite(v->ref_norm[i].log_sum) || !isfinite(v->ref_norm[i].max))
            return err_set(e, ERR_DATA,
                           "the reference gives NaN or infinite logits in chunk %d: nothing can be compared "
                           "with it",
                           s->chunk);
    return 0;
}

/* The same rows of candidate j, whose logits are there. */
static int score_candidate(struct slice *s, int j, int n, struct err *e)
{
    struct eval *v = s->v;
    struct eval_acc *acc = v->cand[j].acc;
    s->acc = acc;
    s->write = v->writing && j == 0;
    s->foreign = v->cand[j].source != NULL;
    pool_for(pool_of(v), n, 1, score_rows, s);
    for (int i = 0; i < n; i++) {
        acc->broken |= isnan(v->score[i].nll);
        acc_add(acc, &v->score[i]);
        acc->last[s->row0 + i] = v->score[i];
    }
    int rc = s->write ? file_out_write(&v->out, v->rows_out, (size_t)n * logits_row_bytes(v->n_vocab)) : 0;
    if (rc)
        *e = v->out.err;
    return rc;
}

static struct slice slice_at(struct eval *v, int chunk, int row0)
{
    return (struct slice){.v = v,
                          .chunk = chunk,
                          .row0 = row0,
                          .target = v->text.tokens + (int64_t)chunk * v->text.n_ctx + v->text.n_ctx / 2 + row0 + 1};
}

/* Rows of a chunk that somebody else makes, all at once; a vocabulary may be padded there. */
static int source_rows(struct eval *v, const struct eval_source *source, int row0, int n, struct err *e)
{
    const float *rows;
    int n_vocab, first = v->text.n_ctx / 2,
                 rc = source->logits(source->arg, v->chunk, v->text.n_ctx, &rows, &n_vocab, e);
    if (rc == 0 && n_vocab < v->n_vocab)
        rc = err_set(e, ERR_USAGE, "vocabularies of %d and %d tokens cannot be compared", v->n_vocab, n_vocab);
    for (int i = 0; i < n && rc == 0; i++)
        memcpy(v->logits + (size_t)i * (size_t)v->n_vocab, rows + (size_t)(first + row0 + i) * (size_t)n_vocab,
               (size_t)v->n_vocab * sizeof *rows);
    return rc;
}

/* Rows [row0, row0 + n) of the chunk, which stand at i0... in the engines' last batch. */
static int score_slice(struct eval *v, int chunk, int row0, int i0, int n, const bool *active, struct err *e)
{
    struct slice s = slice_at(v, chunk, row0);
    int rc = v->ref ? engine_logits(v->ref, i0, n, v->ref_logits, e) : 0;
    if (rc == 0)
        rc = take_reference(&s, n, e);
    for (int j = 0; j < v->n_cand && rc == 0; j++) {
        if ((active && !active[j]) || v->cand[j].acc->broken)
            continue;
        const struct eval_cand *c = &v->cand[j];
        rc = c->source ? source_rows(v, c->source, row0, n, e) : engine_logits(c->engine, i0, n, v->logits, e);
        if (rc == 0)
            rc = score_candidate(&s, j, n, e);
    }
    return rc;
}

int eval_states(struct eval *v, int j, int i, const float *x_ref, const float *x, struct err *e)
{
    int64_t first = v->text.n_ctx / 2, d = engine_model(v->ref)->d_model;
    struct eval_acc *acc = v->cand[j].acc;
    int rc = 0;
    for (int row = 0; row < v->n_scored && rc == 0 && !acc->broken; row += v->slice_rows) {
        int n = v->n_scored - row < v->slice_rows ? v->n_scored - row : v->slice_rows;
        struct slice s = slice_at(v, i, row);
        engine_head(v->ref, x_ref + (first + row) * d, n, v->ref_logits);
        rc = take_reference(&s, n, e);
        if (rc)
            break;
        engine_head(v->cand[j].engine, x + (first + row) * d, n, v->logits);
        rc = score_candidate(&s, j, n, e);
    }
    if (rc == 0) {
        acc_end_chunk(acc);
        acc->last_chunk = i;
    }
    return rc;
}

/* An interrupt ends the chunk as long as none of its positions is scored. */
static int forward(const struct eval *v, struct engine *g, int t0, int n, struct err *e)
{
    if (t0 <= v->text.n_ctx / 2 && interrupt_seen())
        return err_set(e, ERR_CANCELLED, "interrupted after %d of %d chunks", v->n_done, v->text.n_chunks);
    return engine_forward(g, v->chunk + t0, n, e);
}

static int advance(struct eval *v, int t0, int n, const bool *active, struct err *e)
{
    int rc = v->ref ? forward(v, v->ref, t0, n, e) : 0;
    for (int j = 0; j < v->n_cand && rc == 0; j++)
        if (v->cand[j].engine && (!active || active[j]))
            rc = forward(v, v->cand[j].engine, t0, n, e);
    return rc;
}

static void reset_engines(struct eval *v)
{
    if (v->ref)
        engine_reset(v->ref);
    for (int j = 0; j < v->n_cand; j++)
        if (v->cand[j].engine)
            engine_reset(v->cand[j].engine);
}

int eval_chunk(struct eval *v, int i, const bool *active, struct err *e)
{
    const int n_ctx = v->text.n_ctx, first = n_ctx / 2;
    if (!v->text.tokens || i < 0 || i >= v->text.n_chunks)
        return err_set(e, ERR_USAGE, "there is no chunk %d", i);
    if (v->writing && i != v->n_done)
        return err_set(e, ERR_USAGE, "a file of log-probabilities is written chunk after chunk");
    for (int j = 0; j < v->n_cand; j++)
        if ((!active || active[j]) && v->cand[j].acc->n_chunks >= v->text.n_chunks)
            return err_set(e, ERR_USAGE, "every chunk of this text was run already");
    eval_tokens(v, i);
    reset_engines(v);
    for (int t0 = 0; t0 < n_ctx; t0 += v->n_batch) {
        int n = n_ctx - t0 < v->n_batch ? n_ctx - t0 : v->n_batch;
        int lo = t0 > first ? t0 : first, hi = t0 + n < n_ctx - 1 ? t0 + n : n_ctx - 1;
        int rc = advance(v, t0, n, active, e);
        for (int p = lo; p < hi && rc == 0; p += v->slice_rows)
            rc = score_slice(v, i, p - first, p - t0, hi - p < v->slice_rows ? hi - p : v->slice_rows, active, e);
        if (rc)
            return rc;
    }
    for (int j = 0; j < v->n_cand; j++)
        if (!active || active[j]) {
            acc_end_chunk(v->cand[j].acc);
            v->cand[j].acc->last_chunk = i;
        }
    v->n_done++;
    if (v->writing && v->n_done == v->text.n_chunks) {
        v->writing = false;
        return file_out_commit(&v->out, e);
    }
    return 0;
}

int eval_result(struct eval *v, int j, struct eval_quality *q, struct err *e)
{
    if (j < 0 || j >= v->n_cand || !v->cand[j].acc)
        return err_set(e, ERR_USAGE, "there is no candidate %d", j);
    acc_result(v->cand[j].acc, q, v->sort);
    v->cand[j].q = *q;
    if (v->cand[j].acc->broken)
        return err_set(e, ERR_DATA, "in this format the model gives NaN or infinite logits");
    return 0;
}

int eval_series(const struct eval *v, int j, const double **kld, const double **nll)
{
    if (j < 0 || j >= v->n_cand || !v->cand[j].acc)
        return 0;
    *kld = v->cand[j].acc->chunk_kld;
    *nll = v->cand[j].acc->chunk_nll;
    return v->cand[j].acc->n_chunks;
}

/* ---- a chunk's figures in the store ---- */

int eval_chunk_save(const struct eval *v, int j, int i, struct sbuf *out)
{
    const struct eval_acc *a = j >= 0 && j < v->n_cand ? v->cand[j].acc : NULL;
    if (!a || a->last_chunk != i)
        return ERR_USAGE;
    return a->broken ? ERR_DATA : acc_save(a, v->n_scored, out);
}

int eval_chunk_load(struct eval *v, int j, int i, const void *p, size_t n, struct err *e)
{
    struct eval_acc *a = j >= 0 && j < v->n_cand ? v->cand[j].acc : NULL;
    if (!a || a->n_chunks >= v->text.n_chunks || a->broken)
        return err_set(e, ERR_USAGE, "candidate %d takes no more chunks", j);
    if (!acc_load(a, v->n_scored, p, n))
        return err_set(e, ERR_FORMAT, "the stored figures of chunk %d are of another evaluation", i);
    return 0;
}
