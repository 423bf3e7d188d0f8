/* Quality of a group of encoded formats: one reference pass a chunk, every format on the same chunk, the result of each
 * chunk stored at once, so that a run that dies is resumed where it stopped. */
#include <math.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "bench/record_fields.h"
#include "bench/sweep_quality.h"

int quality_engine(const struct quality_run *q, struct engine **g, const struct weights *w, struct kv_pair kv,
                   struct err *e)
{
    const int n_ctx = q->in->req->n_ctx_eval;
    return sweep_engine(g, q->in, w, kv, n_ctx, n_ctx, e);
}

static void draft_record(struct quality_run *q, int j)
{
    struct record *r = &q->rec[j];
    record_init(r);
    sweep_describe(r, q->in, q->in->model, &q->plan->cell[q->cell_of[j]]);
    sha256_hex(q->in->text, q->in->text_bytes, r->workload.text_sha256);
    r->workload.n_ctx = q->in->req->n_ctx_eval;
    r->workload.n_tokens = q->sweep->n_tokens;
    r->quality_from = FROM_MEASURED;
    record_cell_id(r);
}

int quality_open(struct quality_run *q, struct err *e)
{
    q->arena = arena_new();
    q->cand = q->arena ? arena_alloc_n(q->arena, (size_t)q->n, sizeof *q->cand) : NULL;
    q->cell_of = q->cand ? arena_alloc_n(q->arena, (size_t)q->n, sizeof *q->cell_of) : NULL;
    q->active = q->cell_of ? arena_alloc_n(q->arena, (size_t)q->n, sizeof *q->active) : NULL;
    q->rec = q->active ? arena_alloc_n(q->arena, (size_t)q->n, sizeof *q->rec) : NULL;
    if (!q->rec)
        return err_nomem(e, (unsigned long long)q->n * sizeof *q->rec, "the evaluation");
    int rc = weights_source(&q->ref_weights, q->in->model, false, e);
    return rc ? rc : quality_engine(q, &q->ref, q->ref_weights, KV_BOTH(F32), e);
}

void quality_add(struct quality_run *q, int cell, struct engine *g)
{
    int j = q->n_cand++;
    q->cell_of[j] = cell;
    q->cand[j].engine = g;
    draft_record(q, j);
}

int quality_eval(struct quality_run *q, int n_chunks, struct err *e)
{
    const struct vocab *v = q->in->model->vocab;
    struct eval_text t = {.tokens = q->sweep->tokens,
                          .n_tokens = q->sweep->n_tokens,
                          .n_ctx = q->in->req->n_ctx_eval,
                          .n_chunks = n_chunks,
                          .bos = vocab_adds_bos(v) ? vocab_bos(v) : -1};
    return eval_new(&q->eval, &t, q->ref, q->cand, q->n_cand, e);
}

void quality_close(struct quality_run *q)
{
    eval_free(q->eval);
    for (int j = 0; j < q->n_cand; j++) {
        struct engine *g = q->cand[j].engine;
        for (int i = j; i < q->n_cand; i++)
            q->cand[i].engine = q->cand[i].engine == g ? NULL : q->cand[i].engine;
        engine_free(g);
    }
    engine_free(q->ref);
    weights_free(q->ref_weights);
    arena_free(q->arena);
}

int quality_load(struct quality_run *q, int j, int i, struct err *e)
{
    struct sbuf b = {0};
    int have = q->in->req->resume && q->in->store ? store_get_chunk(q->in->store, q->rec[j].cell_id, i, &b, e) : 0;
    if (have > 0 && eval_chunk_load(q->eval, j, i, b.p, b.n, e) < 0)
        have = 0; /* of another build: measure it again */
    sbuf_free(&b);
    return have;
}

int quality_save(struct quality_run *q, int j, int i, struct err *e)
{
    if (!q->in->store)
        return 0;
    struct sbuf b = {0};
    int rc = eval_chunk_save(q->eval, j, i, &b);
    if (rc == 0)
        rc = store_put_chunk(q->in->store, q->rec[j].cell_id, i, b.p, b.n, e);
    else
        rc = rc == ERR_DATA ? 0 : err_nomem(e, 8192, "a chunk's figures"); /* NaN: nothing to keep */
    sbuf_free(&b);
    return rc;
}

/* Chunks run in order: those who have done fewer still need chunk i, unless they are out of the race. */
static bool needs_chunk(const struct quality_run *q, int j, int i)
{
    const double *kld, *nll;
    return !(q->racer && q->racer[j].out) && eval_series(q->eval, j, &kld, &nll) <= i;
}

static int count_needing(const struct quality_run *q, int i)
{
    int n = 0;
    for (int j = 0; j < q->n_cand; j++)
        n += needs_chunk(q, j, i);
    return n;
}

/* With --resume a chunk may be in the store. */
static int load_chunk(struct quality_run *q, int i, struct err *e)
{
    int n_needed = 0;
    for (int j = 0; j < q->n_cand; j++) {
        int have = needs_chunk(q, j, i) ? quality_load(q, j, i, e) : 1;
        if (have < 0)
            return have;
        q->active[j] = have == 0;
        n_needed += have == 0;
    }
    return n_needed;
}

static int save_chunk(struct quality_run *q, int i, struct err *e)
{
    int rc = 0;
    for (int j = 0; j < q->n_cand && rc == 0; j++)
        rc = q->active[j] ? quality_save(q, j, i, e) : 0;
    return rc;
}

static double kld_limit(const struct request *req)
{
    bool balanced = req->want.objective == OBJECTIVE_BALANCED;
    return isfinite(req->want.max_kld) ? req->want.max_kld : balanced ? DEFAULT_MAX_KLD : NAN;
}

/* What the race knows of each: its size, what its speed was found to be, its KLD so far. */
static void fill_racers(struct quality_run *q)
{
    for (int j = 0; j < q->n_cand; j++) {
        struct racer *r = &q->racer[j];
        const struct plan_cell *c = &q->plan->cell[q->cell_of[j]];
        const double *nll;
        r->name = c->recipe->name;
        r->framework = c->recipe->framework;
        r->bytes = (double)c->summary.bytes;
        r->n_chunks = eval_series(q->eval, j, &r->kld, &nll);
        r->decode = r->prefill = INTERVAL_NONE;
        for (int i = 0; i < q->sweep->n; i++) {
            const struct record *rec = &q->sweep->rec[i];
            if (strcmp(rec->format.name, r->name) == 0 && isfinite(rec->speed.decode_tok_s.v)) {
                r->decode = rec->speed.decode_tok_s;
                r->prefill = rec->speed.prefill_tok_s;
            }
        }
    }
}

/* Takes out who cannot win. True when nothing can change any more. */
static bool race(struct quality_run *q)
{
    double limit = kld_limit(q->in->req);
    if (!q->racer)
        return false;
    fill_racers(q);
    race_look(q->racer, q->n_cand, limit);
    return race_is_over(q->racer, q->n_cand, limit);
}

static int run_chunk(struct quality_run *q, int i, struct err *e)
{
    int rc = load_chunk(q, i, e);
    if (rc > 0)
        rc = eval_chunk(q->eval, i, q->active, e);
    return rc == 0 ? save_chunk(q, i, e) : rc;
}

int quality_chunks(struct quality_run *q, struct sweep *s, int n_chunks, uint64_t enough_ns, uint64_t end_ns,
                   struct err *e)
{
    int n = eval_n_chunks(q->eval), asked = q->in->req->n_chunks;
    int least = asked > 0 ? asked : SWEEP_LEAST_CHUNKS;
    for (; q->n_done < n && q->n_done < n_chunks; q->n_done++) {
        int i = q->n_done;
        uint64_t t0 = clock_ns();
        if (interrupt_seen()) {
            s->interrupted = true;
            break;
        }
        if (i >= RACE_LEAST_CHUNKS && race(q) && i >= least)
            break;
        int n_left = count_needing(q, i);
        if (n_left == 0)
            continue;
        uint64_t next = (uint64_t)(q->longest_ns * (n_left + 1));
        bool enough = i >= least && enough_ns && t0 + next > enough_ns;
        if (enough || (i >= 1 && end_ns && t0 + next > end_ns)) {
            s->out_of_budget = true;
            break;
        }
        int rc = run_chunk(q, i, e);
        if (rc < 0)
            return rc;
        q->longest_ns = fmax(q->longest_ns, (double)(clock_ns() - t0) / (n_left + 1));
        char what[96];
        snprintf(what, sizeof what, "quality of %d formats, chunk %d of %d", n_left, i + 1, n);
        sweep_tell(q->in, what, i + 1, n);
    }
    return 0;
}

/* What the quality of a format takes besides its weights when a runtime holds it. */
static int set_memory(const struct quality_run *q, struct record *r, struct err *e)
{
    struct engine_opts o = {.mode = ENGINE_PACKED, .n_ctx = q->in->req->want.ctx, .n_batch = 512, .pool = q->in->pool};
    struct memory_need need;
    int rc = engine_memory(&q->in->model->d, &o, &need, e);
    if (rc == 0) {
        r->memory.kv_bytes = need.kv_bytes;
        r->memory.scratch_bytes = need.scratch_bytes;
    }
    return rc;
}

void quality_keep_chunks(struct record *r, const struct eval *v, int j)
{
    const double *kld, *nll;
    const int n = eval_series(v, j, &kld, &nll), most = n < RECORD_MAX_SAMPLES ? n : RECORD_MAX_SAMPLES;
    r->chunk_kld.n = r->chunk_nll.n = most;
    for (int i = 0; i < most; i++) {
        r->chunk_kld.x[i] = kld[i];
        r->chunk_nll.x[i] = nll[i];
    }
}

static int take_result(struct quality_run *q, int j, struct record *r, struct err *e)
{
    int rc = eval_result(q->eval, j, &r->quality, e);
    if (rc == 0)
        quality_keep_chunks(r, q->eval, j);
    if (rc != ERR_DATA)
        return rc;
    r->status = STATUS_FAILED; /* this format breaks this model: a row that says so */
    r->quality_from = FROM_NOWHERE;
    quality_none(&r->quality);
    snprintf(r->reason, sizeof r->reason, "%s", e->text);
    return 0;
}

/* Records keep 12 digits. */
static bool same_figures(const struct record *a, const struct record *b)
{
    for (int i = 0; i < n_record_fields; i++) {
        double x = record_figure(a, &record_fields[i]).v, y = record_figure(b, &record_fields[i]).v;
        if (isnan(x) != isnan(y) || fabs(x - y) > 1e-11 * fabs(x))
            return false;
    }
    return true;
}

/* With --resume: 1 when the newest record of that cell in the store says the same. */
static int is_stored(const struct quality_run *q, const struct record *r, struct err *e)
{
    if (!q->in->req->resume || r->status != STATUS_OK)
        return 0;
    struct record *stored = mem_alloc(sizeof *stored);
    int have = stored ? store_find(q->in->store, r->cell_id, r->env_sha256, stored, e)
                      : err_nomem(e, sizeof *stored, "a record");
    have = have > 0 ? same_figures(stored, r) : have;
    mem_free(stored);
    return have;
}

static int keep_record(struct quality_run *q, struct sweep *s, int c, const struct record *r, struct err *e)
{
    int have = q->in->store ? is_stored(q, r, e) : 1;
    q->plan->cell[c].settled = true;
    return have < 0 ? have : sweep_keep(s, have ? NULL : q->in->store, r, e);
}

/* The record of the earlier cell whose tensors cell c has, its figures under c's name. False: c has no such cell here.
 */
static bool twin_record(const struct quality_run *q, const struct sweep *s, int c, struct record *r)
{
    const struct plan_cell *cell = &q->plan->cell[c];
    if (cell->settled || cell->same_as < q->c0 || cell->same_as >= q->c0 + q->n)
        return false;
    const char *name = q->plan->cell[cell->same_as].recipe->name;
    int i = 0;
    while (i < s->n && (strcmp(s->rec[i].format.name, name) || s->rec[i].speed_from != FROM_NOWHERE))
        i++;
    if (i == s->n)
        return false;
    *r = s->rec[i];
    sweep_describe(r, q->in, q->in->model, cell);
    if (r->status == STATUS_OK)
        snprintf(r->reason, sizeof r->reason, "every tensor is the same as in %s", name);
    record_cell_id(r);
    return true;
}

static int finish_record(struct quality_run *q, int j, struct record *r, struct err *e)
{
    int rc = take_result(q, j, r, e);
    return rc ? rc : set_memory(q, r, e);
}

int quality_so_far(struct quality_run *q, struct sweep *into, struct err *e)
{
    struct record r;
    int rc = 0;
    for (int j = 0; j < q->n_cand && rc == 0; j++) {
        r = q->rec[j];
        rc = finish_record(q, j, &r, e);
        rc = rc ? rc : sweep_keep(into, NULL, &r, e);
    }
    for (int c = 0; c < q->plan->n_cells && rc == 0; c++)
        if (twin_record(q, into, c, &r))
            rc = sweep_keep(into, NULL, &r, e);
    return rc;
}

int quality_records(struct quality_run *q, int n, struct sweep *s, struct err *e)
{
    const double *kld, *nll;
    struct record twin;
    int rc = 0;
    for (int j = 0; j < n && rc == 0; j++) {
        if (q->plan->cell[q->cell_of[j]].settled || eval_series(q->eval, j, &kld, &nll) == 0)
            continue;
        rc = finish_record(q, j, &q->rec[j], e);
        if (rc == 0)
            rc = keep_record(q, s, q->cell_of[j], &q->rec[j], e);
    }
    for (int c = 0; c < q->plan->n_cells && rc == 0; c++)
        if (twin_record(q, s, c, &twin))
            rc = keep_record(q, s, c, &twin, e);
    return rc;
}

static bool is_candidate(const struct quality_run *q, int cell)
{
    int j = 0;
    while (j < q->n_cand && q->cell_of[j] != cell)
        j++;
    return j < q->n_cand;
}

int quality_more(struct quality_run *q, struct weights *const *w, struct err *e)
{
    int rc = 0;
    for (int c = q->c0; c < q->c0 + q->n && rc == 0; c++) {
        struct engine *g = NULL;
        if (!w[c] || is_candidate(q, c))
            continue;
        rc = quality_engine(q, &g, w[c], recipe_kv(q->plan->cell[c].recipe, q->in->req->numerics), e);
        if (rc == 0)
            quality_add(q, c, g);
        q->n_done = 0;
    }
    return rc ? rc : eval_add(q->eval, q->n_cand, e);
}

int quality_begin(struct quality_run *q, struct err *e)
{
    int rc = quality_open(q, e);
    if (rc == 0 && q->in->req->n_chunks <= 0) {
        q->racer = arena_alloc_n(q->arena, (size_t)q->n, sizeof *q->racer);
        rc = q->racer ? 0 : err_nomem(e, (unsigned long long)q->n * sizeof *q->racer, "the evaluation");
    }
    return rc ? rc : quality_eval(q, q->in->req->n_chunks, e);
}

int quality_finish(struct quality_run *q, struct sweep *s, int rc, struct err *e)
{
    for (int j = 0; j < q->n_cand && q->racer; j++)
        if (q->racer[j].out)
            snprintf(q->rec[j].reason, sizeof q->rec[j].reason, "%s", q->racer[j].why);
    if (rc == 0 && q->eval)
        rc = quality_records(q, q->n_cand, s, e);
    quality_close(q);
    return rc;
}
