/* A framework's logits of some chunks against the reference, with the equivalent kernels on the same chunks. */
#include "bench/sweep_logits.h"

#include <math.h>
#include <string.h>
#include "base/hash.h"
#include "bench/budget.h"
#include "bench/sweep_quality.h"

enum { MOST_CHUNKS = 4, OWN = 0, FRAMEWORK = 1 };

static int make_reference(struct sweep_logits *l, struct err *e)
{
    const int n_ctx = l->in->req->n_ctx_eval;
    int rc = l->ref_weights ? 0 : weights_source(&l->ref_weights, l->in->model, false, e);
    if (rc == 0 && !l->ref)
        rc = sweep_engine(&l->ref, l->in, l->ref_weights, KV_BOTH(F32), n_ctx, n_ctx, e);
    return rc;
}

/* What the sweep found of the format's chunk i with the equivalent kernels; false: it has to be run again. */
static bool load_own(const struct sweep_logits *l, struct eval *v, const struct recipe *recipe, int i)
{
    struct sbuf b = {0};
    bool have = false;
    for (int k = 0; k < l->sweep->n && l->in->store && !have; k++) {
        const struct record *r = &l->sweep->rec[k];
        if (strcmp(r->framework.name, "own") || strcmp(r->format.name, recipe->name) || r->quality.n_chunks <= i ||
            isnan(r->quality.kld))
            continue;
        b.n = 0;
        have = store_get_chunk(l->in->store, r->cell_id, i, &b, NULL) > 0 &&
               eval_chunk_load(v, OWN, i, b.p, b.n, NULL) == 0;
    }
    sbuf_free(&b);
    return have;
}

/* Of that format, where it was timed. */
static double own_prefill_tok_s(const struct sweep *s, const struct recipe *recipe)
{
    for (int i = s->n - 1; i >= 0; i--)
        if (!s->rec[i].model.synthesized && !strcmp(s->rec[i].framework.name, "own") &&
            !strcmp(s->rec[i].format.name, recipe->name) && isfinite(s->rec[i].speed.prefill_tok_s.v))
            return s->rec[i].speed.prefill_tok_s.v;
    return NAN;
}

/* Returns how many chunks were done, or the error of the first; ERR_NOT_REACHED where end_ns leaves time for none. */
static int run_chunks(const struct sweep_logits *l, struct eval *v, const struct recipe *recipe, uint64_t end_ns,
                      struct err *e)
{
    double *longest_s = &l->sweep->longest_logits_s;
    const double own = own_prefill_tok_s(l->sweep, recipe);
    int n = eval_n_chunks(v), i;
    for (i = 0; i < n && !interrupt_seen(); i++) {
        uint64_t t0 = clock_ns();
        if (t0 + (uint64_t)(budget_chunk_s(l->in->req->n_ctx_eval, own, *longest_s) * 1e9) > end_ns)
            return i > 0 ? i : err_set(e, ERR_NOT_REACHED, "the budget ended before them");
        bool active[] = {[OWN] = !load_own(l, v, recipe, i), [FRAMEWORK] = true};
        int rc = eval_chunk(v, i, active, e);
        if (rc < 0)
            return i > 0 && (rc == ERR_TIMEOUT || rc == ERR_CANCELLED) ? i : rc;
        *longest_s = fmax(*longest_s, (double)(clock_ns() - t0) * 1e-9);
    }
    return i;
}

static int judge(const struct sweep_logits *l, struct eval *v, struct record *r, struct err *e)
{
    struct eval_quality own, its;
    int rc = eval_result(v, OWN, &own, e);
    if (rc == 0 && eval_result(v, FRAMEWORK, &its, e) < 0)
        return err_set(e, ERR_DATA, "%s makes NaN or infinite logits", r->framework.name);
    if (rc < 0)
        return rc;
    r->quality = its;
    quality_keep_chunks(r, v, FRAMEWORK);
    r->kld_predicted = own.kld;
    r->quality_from = FROM_MEASURED;
    r->workload.n_tokens = l->sweep->n_tokens;
    sha256_hex(l->in->text, l->in->text_bytes, r->workload.text_sha256);
    return 0;
}

/* Nothing wrong with the framework: it only did not do this. */
static bool is_remark(int code)
{
    return code == ERR_UNSUPPORTED || code == ERR_MISSING || code == ERR_TIMEOUT || code == ERR_LIMIT ||
           code == ERR_CANCELLED || code == ERR_NOT_REACHED;
}

int sweep_logits(struct sweep_logits *l, const struct plan_cell *c, const struct weights *w,
                 const struct measure_cell *cell, struct session *session, struct record *r, uint64_t end_ns,
                 struct err *e)
{
    const struct request *req = l->in->req;
    const struct vocab *vocab = l->in->model->vocab;
    const int n_ctx = req->n_ctx_eval, most = req->n_chunks > 0 ? req->n_chunks : MOST_CHUNKS;
    struct eval_text t = {.tokens = l->sweep->tokens,
                          .n_tokens = l->sweep->n_tokens,
                          .n_ctx = n_ctx,
                          .n_chunks = most < MOST_CHUNKS ? most : MOST_CHUNKS,
                          .bos = vocab_adds_bos(vocab) ? vocab_bos(vocab) : -1};
    struct framework *f = NULL;
    struct eval *v = NULL;
    struct eval_cand cand[2] = {0};
    struct err why = {0};
    int rc = make_reference(l, e);
    if (rc == 0)
        rc = sweep_engine(&cand[OWN].engine, l->in, w, numerics_kv(recipe_numerics(c->recipe, req->numerics)), n_ctx,
                          n_ctx, e);
    if (rc == 0)
        rc = framework_of_session(&f, cell, session, e);
    cand[FRAMEWORK].source = f ? framework_source(f) : NULL;
    if (rc == 0)
        rc = eval_new(&v, &t, l->ref, cand, 2, e);
    if (rc == 0) {
        int n = run_chunks(l, v, c->recipe, end_ns, &why);
        rc = n > 0 ? judge(l, v, r, e) : 0;
        if (n < 0 && is_remark(n))
            snprintf(r->reason, sizeof r->reason, "no logits: %s", why.text);
        else if (n < 0)
            rc = err_set(e, n, "%s", why.text);
    }
    eval_free(v);
    framework_close(f);
    engine_free(cand[OWN].engine);
    return rc;
}

void sweep_logits_close(struct sweep_logits *l)
{
    engine_free(l->ref);
    weights_free(l->ref_weights);
}
