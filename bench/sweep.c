/* The sweep's outer loop: cells in groups that fit in memory; each group is encoded, evaluated, measured, released. */
#include "bench/sweep.h"

#include <math.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "bench/measure.h"

/* Of the usable memory, what a group of encoded formats may take: the rest is for KV, scratch and other programs. */
static const double group_share = 0.5;

struct record *sweep_add(struct sweep *s)
{
    if (s->n == s->cap) {
        int cap = s->cap ? s->cap * 2 : 32;
        struct record *rec = mem_resize(s->rec, (size_t)cap * sizeof *rec);
        if (!rec)
            return NULL;
        s->rec = rec;
        s->cap = cap;
    }
    struct record *r = &s->rec[s->n++];
    record_init(r);
    return r;
}

void sweep_describe(struct record *r, const struct sweep_input *in, const struct model *m, const struct plan_cell *c)
{
    bool quantized = false;
    clock_iso8601(r->date);
    snprintf(r->run_id, sizeof r->run_id, "%s", in->run_id);
    r->isa = in->req->isa;
    const struct codec *source = m->gguf ? model_source_codec(m, &quantized) : NULL;
    snprintf(r->hw_sha256, sizeof r->hw_sha256, "%s", in->device->hw_sha256);
    snprintf(r->env_sha256, sizeof r->env_sha256, "%s", in->device->env_sha256);
    snprintf(r->device, sizeof r->device, "%s", in->device->cpu.brand);
    snprintf(r->model.name, sizeof r->model.name, "%s", m->d.name);
    snprintf(r->model.arch, sizeof r->model.arch, "%s", m->d.arch->name);
    snprintf(r->model.sha256, sizeof r->model.sha256, "%s", m->sha256);
    snprintf(r->model.source_format, sizeof r->model.source_format, "%s", source ? source->name : "");
    snprintf(r->model.license, sizeof r->model.license, "%s", m->d.license);
    r->model.n_params = m->d.n_params;
    r->model.source_quantized = quantized && !in->req->dither;
    r->model.dithered = quantized && in->req->dither;
    r->model.synthesized = m->gguf == NULL;
    snprintf(r->format.name, sizeof r->format.name, "%s", c->recipe->name);
    snprintf(r->format.histogram, sizeof r->format.histogram, "%s", c->summary.histogram);
    if (in->calib)
        snprintf(r->format.calibration, sizeof r->format.calibration, "%s", in->calib->sha256);
    r->format.bits_per_weight = c->summary.bits_per_weight;
    r->format.bytes = c->summary.bytes;
    r->format.n_substituted = c->summary.n_substituted;
    r->format.share_substituted = m->d.n_params ? (double)c->summary.weights_substituted / (double)m->d.n_params : 0;
    size_t used = 0;
    for (int i = 0; c->assign && i < m->d.n_tensors && used + 80 < sizeof r->format.substitutions; i++)
        if (c->assign[i].wanted != c->assign[i].codec)
            used += (size_t)snprintf(r->format.substitutions + used, sizeof r->format.substitutions - used, "%s%s:%s",
                                     used ? " " : "", m->d.tensor[i].name, c->assign[i].codec->name);
    snprintf(r->framework.name, sizeof r->framework.name, "own");
    snprintf(r->framework.version, sizeof r->framework.version, "%s", WHICHQUANT_VERSION);
    snprintf(r->framework.backend, sizeof r->framework.backend, "cpu");
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "%s", recipe_numerics(c->recipe, in->req->numerics));
    r->memory.weights_bytes = c->summary.bytes;
    r->workload.threads = in->req->threads;
    r->workload.seed = in->req->seed;
}

static void emit(const struct sweep_input *in, const char *what, int done, int total)
{
    struct sweep_event ev = {.what = what, .done = done, .total = total};
    if (in->on_event)
        in->on_event(in->arg, &ev);
}

static void free_group(struct weights **w, int c0, int c1)
{
    for (int i = c0; i < c1; i++) {
        weights_free(w[i]);
        w[i] = NULL;
    }
}

static int encode_group(const struct sweep_input *in, struct plan *p, struct weights **w, int c0, int c1, struct err *e)
{
    for (int i = c0; i < c1; i++) {
        if (p->cell[i].same_as >= c0)
            continue; /* the same tensors: measured once */
        char what[96];
        snprintf(what, sizeof what, "encode %s", p->cell[i].recipe->name);
        emit(in, what, i, p->n_cells);
        struct err why = {0};
        int rc = weights_encode(&w[i], in->model, p->cell[i].assign, in->calib, in->pool, &why);
        if (rc == ERR_NOMEM || rc == ERR_CANCELLED)
            return err_set(e, rc, "%s", why.text);
        for (int j = i; rc < 0 && j < c1; j++)
            if (j == i || p->cell[j].same_as == i)
                plan_refuse(p, p->cell[j].recipe, why.text);
    }
    return 0;
}

/* End of the group that starts at c0: as many cells as fit, at least one. */
static int group_end(const struct sweep_input *in, const struct plan *p, int c0)
{
    double room = (double)in->device->memory.usable_bytes * group_share, taken = 0;
    int c1 = c0;
    while (c1 < p->n_cells) {
        taken += p->cell[c1].same_as >= c0 ? 0 : (double)p->cell[c1].summary.bytes;
        if (c1 > c0 && taken > room)
            break;
        c1++;
    }
    return c1;
}

static uint64_t deadline_at(uint64_t t0, double budget_s, double share)
{
    return isfinite(budget_s) ? t0 + (uint64_t)(budget_s * share * 1e9) : 0;
}

static int run_groups(struct sweep *s, const struct sweep_input *in, struct plan *p, bool cache_resident, uint64_t *t0,
                      struct err *e)
{
    struct weights **w = arena_alloc_n(s->arena, (size_t)p->n_cells, sizeof(struct weights *));
    if (!w)
        return err_nomem(e, (unsigned long long)p->n_cells * sizeof *w, "the sweep");
    int rc = 0;
    double budget = in->req->budget_s, quality_share = 0.65;
    bool all_chunks = in->req->n_chunks > 0 && in->req->budget_is_default;
    for (int c0 = 0, c1; c0 < p->n_cells && rc == 0 && !s->interrupted; c0 = c1) {
        c1 = group_end(in, p, c0);
        double done = (double)c0 / p->n_cells, part = (double)(c1 - c0) / p->n_cells;
        rc = encode_group(in, p, w, c0, c1, e);
        if (rc == 0)
            rc = sweep_quality(s, in, p, w, c0, c1,
                               all_chunks ? 0 : deadline_at(*t0, budget, done + part * quality_share), e);
        if (all_chunks) /* the rest goes on as if quality had taken its share */
            *t0 = clock_ns() - (uint64_t)(budget * (done + part * quality_share) * 1e9);
        if (rc == 0 && !cache_resident && !s->interrupted)
            rc = sweep_speed(s, in, p, w, c0, c1, cache_resident, deadline_at(*t0, budget, done + part), e);
        free_group(w, c0, c1);
    }
    return rc;
}

/* A format that cannot be made of this model is a row that says why. */
static int add_refused(struct sweep *s, const struct sweep_input *in, const struct plan *p, struct err *e)
{
    for (int i = 0; i < p->n_refused; i++) {
        struct record *r = sweep_add(s);
        if (!r)
            return err_nomem(e, sizeof *r, "a record");
        sweep_describe(r, in, in->model, &p->refused[i]);
        r->format.bits_per_weight = NAN;
        r->format.bytes = r->memory.weights_bytes = -1;
        r->status = STATUS_UNSUPPORTED;
        snprintf(r->reason, sizeof r->reason, "%s", p->refused[i].why_not);
        record_cell_id(r);
        int rc = in->store ? store_put(in->store, r, e) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The real shapes whose speed stands in for a model that the caches hold. */
static const char *const stand_in_shapes[] = {"qwen3-0.6b", "llama-3.2-1b"};
enum { N_STAND_INS = 2 };

static int shape_speeds(struct sweep *s, const struct sweep_input *in, uint64_t t0, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < N_STAND_INS && rc == 0 && !s->interrupted; i++) {
        double share = i + 1 == N_STAND_INS ? 1.0 : 0.75;
        rc = sweep_shape_speed(s, in, stand_in_shapes[i], deadline_at(t0, in->req->budget_s, share), e);
    }
    return rc;
}

/* Weights that fit in this give no memory speed. The cache is found by doing, but on a busy machine the measured curve
 * may bend anywhere: it is held between half-believable bounds, and by the report where that can be believed. */
static double cache_bytes(const struct sweep_input *in, struct err *e)
{
    static const double least = 32e6, likely = 48e6, most = 64e6;
    struct bandwidth b;
    double found = least, reported = 0, believable = 0;
    if (calibrate_bandwidth(in->pool, in->req->isa, 0.5, &b, e) == 0 && b.cache_bytes > 0)
        found = (double)b.cache_bytes;
    for (int i = 0; i < in->device->cpu.n_caches; i++) {
        double bytes = in->device->cpu.cache[i].type != 'i' ? (double)in->device->cpu.cache[i].bytes : 0;
        reported = fmax(reported, bytes);
        if (!in->device->cpu.cache[i].doubtful)
            believable = fmax(believable, bytes);
    }
    double lo = reported > 0 ? fmin(reported, likely) : least;
    return fmin(fmax(found, lo), believable >= lo ? believable : most);
}

static int tokenize(struct sweep *s, const struct sweep_input *in, struct err *e)
{
    size_t n = in->text_bytes, n_ids = 0;
    if (n > 0 && in->text[n - 1] == '\n')
        n--;
    int rc = vocab_encode(in->model->vocab, in->text, n, true, false, &s->tokens, &n_ids, e);
    s->n_tokens = (int64_t)n_ids;
    if (rc == 0 && s->n_tokens < 2 * in->req->n_ctx_eval)
        rc = err_set(
            e, ERR_USAGE,
            "%s has %lld tokens: the evaluation needs at least two chunks of %d; give a longer text or --n-ctx %lld",
            in->text_name, (long long)s->n_tokens, in->req->n_ctx_eval, (long long)(s->n_tokens / 2));
    return rc;
}

int sweep_run(struct sweep **out, const struct sweep_input *in, struct err *e)
{
    *out = NULL;
    uint64_t t0 = clock_ns(), from = t0;
    struct arena *a = arena_new();
    struct sweep *s = a ? arena_alloc(a, sizeof *s) : NULL;
    struct plan *p = NULL;
    if (!s) {
        arena_free(a);
        return err_nomem(e, sizeof *s, "the sweep");
    }
    s->arena = a;
    int rc = plan_formats(&p, in->model, in->req, e);
    if (rc == 0)
        rc = tokenize(s, in, e);
    if (rc == 0)
        rc = model_hash(in->model, e);
    if (rc == 0) {
        double smallest = INFINITY;
        for (int i = 0; i < p->n_cells; i++)
            smallest = fmin(smallest, (double)p->cell[i].summary.bytes);
        bool resident = smallest < cache_bytes(in, e);
        rc = run_groups(s, in, p, resident, &from, e);
        if (rc == 0)
            rc = add_refused(s, in, p, e);
        if (rc == 0 && resident)
            rc = shape_speeds(s, in, from, e);
    }
    plan_free(p);
    s->seconds = (double)(clock_ns() - t0) * 1e-9;
    if (rc == ERR_CANCELLED) {
        s->interrupted = true;
        rc = 0;
    }
    if (rc < 0) {
        sweep_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void sweep_free(struct sweep *s)
{
    if (!s)
        return;
    mem_free(s->tokens);
    mem_free(s->rec);
    arena_free(s->arena);
}
