/* Verification of a mix on text that its sensitivities were not measured on (mix_verify.h). */
#include "bench/quant/mix_verify.h"
#include "base/os.h"

enum { LEAST_CHUNKS = 4 }; /* however little time is left */

int mix_halve(struct mix_halves *out, const int32_t *tokens, int64_t n, int n_ctx, struct err *e)
{
    const int64_t chunks = n / n_ctx, first = chunks / 2;
    if (first < 1)
        return err_set(e, ERR_USAGE,
                       "the text has %lld tokens: half measures sensitivities and half verifies, which takes at least "
                       "%d; give a longer one",
                       (long long)n, 2 * n_ctx);
    *out = (struct mix_halves){.tokens = tokens,
                               .n_tokens = first * n_ctx,
                               .held_out = tokens + first * n_ctx,
                               .n_held_out = (chunks - first) * n_ctx};
    return 0;
}

static int make_engine(struct engine **g, const struct weights *w, const struct mix_setup *s, struct kv_pair kv,
                       struct err *e)
{
    struct engine_opts o = {
        .mode = ENGINE_QUALITY, .n_ctx = s->n_ctx, .n_batch = s->n_ctx, .kv = kv, .isa = s->isa, .pool = s->pool};
    return engine_new(g, w, &o, e);
}

static int run_chunks(struct eval *v, const struct mix_setup *s, struct err *e)
{
    const int n = eval_n_chunks(v);
    int rc = 0;
    for (int i = 0; i < n && rc == 0 && !(i >= LEAST_CHUNKS && s->end_ns && clock_ns() > s->end_ns); i++) {
        rc = interrupt_seen() ? err_set(e, ERR_CANCELLED, "interrupted") : eval_chunk(v, i, NULL, e);
        if (rc == 0 && s->tell)
            s->tell(s->arg, i + 1, n, "verification on other text");
    }
    return rc;
}

int mix_verify(struct eval_quality *q, const struct weights *w, const struct mix_setup *s, const int32_t *tokens,
               int64_t n_tokens, int n_chunks, struct err *e)
{
    struct weights *source = NULL;
    struct engine *ref = NULL;
    struct eval_cand cand = {0};
    struct eval *v = NULL;
    struct eval_text t = {
        .tokens = tokens, .n_tokens = n_tokens, .n_ctx = s->n_ctx, .n_chunks = n_chunks, .bos = s->bos};
    int rc = weights_source(&source, w->model, false, e);
    if (rc == 0)
        rc = make_engine(&ref, source, s, KV_BOTH(F32), e);
    if (rc == 0)
        rc = make_engine(&cand.engine, w, s, numerics_kv("llama.cpp"), e);
    if (rc == 0)
        rc = eval_new(&v, &t, ref, &cand, 1, e);
    if (rc == 0)
        rc = run_chunks(v, s, e);
    if (rc == 0)
        rc = eval_result(v, 0, q, e);
    eval_free(v);
    engine_free(cand.engine);
    engine_free(ref);
    weights_free(source);
    return rc;
}
