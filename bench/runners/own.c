/* The own engine as a runner: packed kernels only, in this process. Its speed is evidence about kernels and memory;
 * nobody serves from it. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "bench/engine/engine.h"
#include "bench/engine/kv_peaks.h"
#include "bench/runners/runner.h"

enum { DEFAULT_CTX = 1024, DEFAULT_BATCH = 512 };

struct session {
    struct engine *engine;
    const struct measure_cell *cell;
    struct memory_need need;
    int n_batch, n_ctx, n_vocab;
    int32_t *tokens; /* [n_ctx]: what is fed where the workload brings nothing */
    float *logits;   /* [n_vocab] */
};

static int own_detect(const struct runner *self, struct runner_info *info, struct err *e)
{
    (void)self;
    (void)e;
    *info = (struct runner_info){.found = true};
    snprintf(info->name, sizeof info->name, "own");
    snprintf(info->version, sizeof info->version, "%s", WHICHQUANT_VERSION);
    return 0;
}

static void own_close(struct session *s)
{
    engine_free(s->engine);
    mem_free(s->tokens);
    mem_free(s->logits);
    mem_free(s);
}

/* Tokens as llama-bench takes them: any, as long as they are always the same. */
static int make_buffers(struct session *s, struct err *e)
{
    s->tokens = mem_alloc_n((size_t)s->n_ctx, sizeof *s->tokens);
    s->logits = mem_alloc_n((size_t)s->n_vocab, sizeof *s->logits);
    if (!s->tokens || !s->logits)
        return err_nomem(e, (unsigned long long)s->n_vocab * sizeof *s->logits, "logits");
    struct rng r;
    rng_seed(&r, 1);
    for (int i = 0; i < s->n_ctx; i++)
        s->tokens[i] = (int32_t)rng_below(&r, (uint64_t)s->n_vocab);
    return 0;
}

static int make_engine(struct session *s, const struct measure_cell *cell, struct err *e)
{
    struct engine_opts o = {.mode = ENGINE_PACKED,
                            .n_ctx = s->n_ctx,
                            .n_batch = s->n_batch,
                            .kv = cell->kv,
                            .isa = cell->isa,
                            .pool = cell->pool};
    const struct model_desc *d = &cell->weights->model->d;
    struct kv_peaks *peaks = NULL;
    int rc = engine_memory(d, &o, &s->need, e);
    if (rc == 0 && kv_needs_peaks(cell->kv))
        rc = kv_peaks_even(&peaks, d, e);
    o.kv_peaks = peaks;
    if (rc == 0)
        rc = engine_new(&s->engine, cell->weights, &o, e);
    kv_peaks_free(peaks);
    if (rc == 0 && !engine_is_packed(s->engine))
        rc = err_set(e, ERR_UNSUPPORTED,
                     "reference only: this CPU has no packed kernel for every tensor of the format, "
                     "so no speed is reported");
    return rc;
}

static int own_open(struct session **out, const struct measure_cell *cell, struct err *e)
{
    if (!cell->weights)
        return err_set(e, ERR_USAGE, "the own engine runs weights in memory, and none were given");
    struct session *s = mem_alloc(sizeof *s);
    if (!s)
        return err_nomem(e, sizeof *s, "a session");
    s->cell = cell;
    s->n_ctx = cell->n_ctx > 0 ? cell->n_ctx : DEFAULT_CTX;
    s->n_batch = cell->n_batch > 0 ? cell->n_batch : DEFAULT_BATCH;
    s->n_batch = s->n_batch < s->n_ctx ? s->n_batch : s->n_ctx;
    s->n_vocab = cell->weights->model->d.n_vocab;
    int rc = make_buffers(s, e);
    if (rc == 0)
        rc = make_engine(s, cell, e);
    if (rc < 0) {
        own_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

static bool late(const struct workload *w)
{
    return w->deadline_ns && clock_ns() > w->deadline_ns;
}

static int too_late(const struct workload *w, struct err *e)
{
    return err_set(e, ERR_TIMEOUT, "%d prompt and %d generated tokens took longer than the time given", w->n_prompt,
                   w->n_gen);
}

/* n tokens in batches; only the last one's logits are asked for, as a runtime does with a prompt. */
static int feed(struct session *s, const struct workload *w, const int32_t *tokens, int n, bool logits, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i += s->n_batch) {
        int now = n - i < s->n_batch ? n - i : s->n_batch;
        if (late(w))
            return too_late(w, e);
        rc = engine_forward(s->engine, tokens + i, now, e);
        if (rc == 0 && logits && i + now == n)
            rc = engine_logits(s->engine, now - 1, 1, s->logits, e);
    }
    return rc;
}

static int prefill(struct session *s, const struct workload *w, const int32_t *tokens, struct sample *out,
                   struct err *e)
{
    uint64_t t0 = clock_ns();
    int rc = feed(s, w, tokens, w->n_prompt, true, e);
    out->prefill_ns = out->ttft_ns = (double)(clock_ns() - t0);
    return rc;
}

static int decode(struct session *s, const struct workload *w, struct sample *out, struct err *e)
{
    uint64_t t0 = clock_ns(), before = t0;
    for (int i = 0; i < w->n_gen; i++) {
        if (late(w))
            return too_late(w, e);
        int rc = feed(s, w, &s->tokens[i], 1, true, e);
        if (rc < 0)
            return rc;
        uint64_t now = clock_ns();
        if (i < MAX_TOKEN_TIMES)
            out->token_ns[out->n_token_ns++] = (double)(now - before);
        before = now;
    }
    out->decode_ns = (double)(before - t0);
    return 0;
}

static int own_measure(struct session *s, const struct workload *w, struct sample *out, struct err *e)
{
    int longest = w->n_prompt > w->n_gen ? w->n_prompt : w->n_gen;
    if (longest > s->n_ctx - w->n_depth)
        return err_set(e, ERR_LIMIT, "%d tokens at depth %d do not fit in a context of %d", longest, w->n_depth,
                       s->n_ctx);
    const int32_t *tokens = w->tokens ? w->tokens : s->tokens;
    out->prefill_ns = out->decode_ns = out->ttft_ns = NAN;
    out->n_token_ns = 0;
    engine_reset(s->engine);
    int rc = feed(s, w, tokens, w->n_depth, false, e);
    if (rc == 0 && w->n_prompt > 0)
        rc = prefill(s, w, tokens + w->n_depth, out, e);
    if (rc == 0 && w->n_gen > 0) {
        engine_rewind(s->engine, w->n_depth);
        rc = decode(s, w, out, e);
    }
    return rc;
}

static void own_use_threads(struct session *s, int prefill_threads, int decode_threads)
{
    engine_use_threads(s->engine, prefill_threads, decode_threads);
}

static void own_describe(const struct session *s, struct record *r)
{
    snprintf(r->framework.name, sizeof r->framework.name, "own");
    snprintf(r->framework.library_sha256, sizeof r->framework.library_sha256, "%s", program_sha256());
    snprintf(r->framework.version, sizeof r->framework.version, "%s", WHICHQUANT_VERSION);
    snprintf(r->framework.backend, sizeof r->framework.backend, "cpu");
    snprintf(r->kernels, sizeof r->kernels, "%s", engine_kernels(s->engine));
    kv_name(s->cell->kv, r->workload.kv_type);
    r->workload.n_batch = s->n_batch;
    r->workload.n_ctx = s->n_ctx;
    r->memory.weights_bytes = s->cell->weights->bytes;
    r->memory.kv_bytes = s->need.kv_bytes;
    r->memory.scratch_bytes = s->need.scratch_bytes;
    r->speed.bytes_per_token = (double)engine_bytes_per_token(s->engine, r->workload.n_depth + r->workload.n_gen / 2);
}

const struct runner runner_own = {
    .name = "own",
    .doc = "the program's own engine with packed kernels: evidence, never the recommendation",
    .detect = own_detect,
    .open = own_open,
    .measure = own_measure,
    .use_threads = own_use_threads,
    .describe = own_describe,
    .close = own_close,
};
