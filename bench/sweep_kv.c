/* KV cache formats: what each costs by itself, at context lengths where it shows. */
#include <math.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "bench/engine/kv.h"
#include "bench/quant/recipe.h"
#include "bench/sweep.h"

enum { USUAL_CTX = 2048, PIECE = 512, TOKENS_ASKED = 16384 };
static const double time_share = 0.5; /* of the budget, for each length; the first chunk is always done */

struct kv_run {
    const struct sweep_input *in;
    const struct sweep *sweep;
    int n_ctx;
    struct weights *weights;
    struct engine *ref;
    struct eval_cand *cand; /* [n] */
    struct kv_pair *kv;     /* [n] */
    int n;
};

static int add_record(struct sweep *s, const struct sweep_input *in, int n_ctx, const char *kv_name_,
                      const struct kv_pair *kv, const struct eval_quality *q, const char *why, struct err *e)
{
    static const struct recipe none = {.name = "", .framework = "weights-only"};
    struct plan_cell cell = {.recipe = &none, .same_as = -1};
    struct record *r = sweep_add(s, e);
    if (!r)
        return ERR_NOMEM;
    sweep_describe(r, in, in->model, &cell);
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "weights-only");
    snprintf(r->workload.kv_type, sizeof r->workload.kv_type, "%s", kv_name_);
    sha256_hex(in->text, in->text_bytes, r->workload.text_sha256);
    r->workload.n_ctx = n_ctx;
    r->workload.n_tokens = s->n_tokens;
    r->format.bits_per_weight = NAN;
    r->format.bytes = r->memory.weights_bytes = -1;
    if (q) {
        r->quality = *q;
        r->quality_from = FROM_MEASURED;
        r->memory.kv_bytes = (int64_t)(kv_bytes_per_token(*kv, &in->model->d) * in->req->want.ctx);
    } else {
        r->status = STATUS_UNSUPPORTED;
        snprintf(r->reason, sizeof r->reason, "%s", why);
    }
    record_cell_id(r);
    return in->store ? store_put(in->store, r, e) : 0;
}

static int make_engine(const struct kv_run *k, struct engine **g, struct kv_pair kv, struct err *e)
{
    return sweep_engine(g, k->in, k->weights, kv, k->n_ctx, k->n_ctx < PIECE ? k->n_ctx : PIECE, e);
}

/* Why no cache can be measured at that length, or NULL. */
static const char *refused(const struct kv_run *k, char why[160])
{
    const struct model_desc *d = &k->in->model->d;
    if (d->n_ctx_train > 0 && k->n_ctx > d->n_ctx_train) {
        snprintf(why, 160, "the model was trained for contexts of %d: a KLD at %d would say nothing", d->n_ctx_train,
                 k->n_ctx);
        return why;
    }
    if (k->sweep->n_tokens < k->n_ctx) {
        snprintf(why, 160, "the text has %lld tokens: too short for a chunk of %d", (long long)k->sweep->n_tokens,
                 k->n_ctx);
        return why;
    }
    return NULL;
}

static int run_chunks(struct kv_run *k, struct sweep *s, struct eval *v, struct err *e)
{
    const struct request *req = k->in->req;
    const double budget_ns = req->budget_s * time_share * 1e9;
    uint64_t t0 = clock_ns();
    int n = eval_n_chunks(v), rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        uint64_t spent = clock_ns() - t0;
        bool late = req->n_chunks == 0 && i > 0 && (double)(spent + spent / (uint64_t)i) > budget_ns;
        if (late)
            break;
        char what[96];
        snprintf(what, sizeof what, "%d KV cache formats at %d tokens, chunk %d of %d", k->n, k->n_ctx, i + 1, n);
        sweep_tell(k->in, what, i, n);
        rc = eval_chunk(v, i, NULL, e);
    }
    s->interrupted |= rc == ERR_CANCELLED;
    return rc == ERR_CANCELLED ? 0 : rc;
}

static int evaluate(struct kv_run *k, struct sweep *s, struct err *e)
{
    const struct request *req = k->in->req;
    const struct vocab *vocab = k->in->model->vocab;
    struct eval_text t = {.tokens = s->tokens,
                          .n_tokens = s->n_tokens,
                          .n_ctx = k->n_ctx,
                          .n_chunks = req->n_chunks > 0 ? req->n_chunks : (TOKENS_ASKED + k->n_ctx - 1) / k->n_ctx,
                          .bos = vocab_adds_bos(vocab) ? vocab_bos(vocab) : -1};
    struct eval *v = NULL;
    int rc = weights_source(&k->weights, k->in->model, false, e);
    if (rc == 0)
        rc = make_engine(k, &k->ref, KV_BOTH(F32), e);
    for (int i = 0; i < k->n && rc == 0; i++)
        rc = make_engine(k, &k->cand[i].engine, k->kv[i], e);
    if (rc == 0)
        rc = eval_new(&v, &t, k->ref, k->cand, k->n, e);
    if (rc == 0)
        rc = run_chunks(k, s, v, e);
    for (int i = 0; i < k->n && rc == 0; i++) {
        struct eval_quality q;
        char name[48];
        struct err why = {0};
        int broken = eval_result(v, i, &q, &why);
        if (!broken && q.n_chunks == 0)
            continue; /* interrupted */
        rc = add_record(s, k->in, k->n_ctx, kv_name(k->kv[i], name), &k->kv[i], broken ? NULL : &q, why.text, e);
    }
    eval_free(v);
    return rc;
}

/* Those that the model can have; the others become records with the reason. */
static int choose(struct kv_run *k, struct sweep *s, struct err *e)
{
    const struct sweep_input *in = k->in;
    char all[160];
    const char *why_all = refused(k, all);
    int rc = 0;
    for (int i = 0; i < in->req->n_kv && rc == 0; i++) {
        struct err why = {0};
        rc = kv_parse(&k->kv[k->n], in->req->kv[i], e);
        if (rc == 0 &&
            (why_all || kv_check(k->kv[k->n], &in->model->d, &why) || kv_check_peaks(k->kv[k->n], in->kv_peaks, &why)))
            rc = add_record(s, in, k->n_ctx, in->req->kv[i], NULL, NULL, why_all ? why_all : why.text, e);
        else
            k->n++;
    }
    return rc;
}

static int run_length(struct sweep *s, const struct sweep_input *in, int n_ctx, struct err *e)
{
    const size_t most = (size_t)in->req->n_kv;
    struct kv_run k = {.in = in, .sweep = s, .n_ctx = n_ctx};
    k.cand = mem_alloc_n(most, sizeof *k.cand);
    k.kv = mem_alloc_n(most, sizeof *k.kv);
    int rc = k.cand && k.kv ? choose(&k, s, e) : err_nomem(e, most * sizeof *k.cand, "the KV cache formats");
    if (rc == 0 && k.n > 0)
        rc = evaluate(&k, s, e);
    for (int i = 0; k.cand && i < k.n; i++)
        engine_free(k.cand[i].engine);
    engine_free(k.ref);
    weights_free(k.weights);
    mem_free(k.cand);
    mem_free(k.kv);
    return rc;
}

int sweep_kv(struct sweep *s, const struct sweep_input *in, struct err *e)
{
    const struct request *req = in->req;
    const int trained = in->model->d.n_ctx_train;
    int rc = 0;
    if (req->n_kv > 0 && req->n_kv_ctx == 0)
        rc = run_length(s, in, trained > 0 && trained < USUAL_CTX ? trained : USUAL_CTX, e);
    for (int i = 0; req->n_kv > 0 && i < req->n_kv_ctx && rc == 0 && !s->interrupted; i++)
        rc = run_length(s, in, req->kv_ctx[i], e);
    return rc;
}
