/* The sweep's outer loop: cells in groups that fit in memory; each group is encoded, evaluated, measured, released. */
#include "bench/sweep.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/budget.h"
#include "bench/measure.h"
#include "bench/sweep_quality.h"

/* Of the usable memory, what a group of encoded formats may take: the rest is for KV, scratch and other programs. */
static const double group_share = 0.5;
/* Of the budget, what the shapes that stand in for a cache-resident model get. */
static const double shape_share = 0.35;

int sweep_engine(struct engine **out, const struct sweep_input *in, const struct weights *w, struct kv_pair kv,
                 int n_ctx, int n_batch, struct err *e)
{
    struct engine_opts o = {.mode = ENGINE_QUALITY,
                            .n_ctx = n_ctx,
                            .n_batch = n_batch,
                            .kv = kv,
                            .kv_peaks = in->kv_peaks,
                            .isa = in->req->isa,
                            .pool = in->pool};
    return engine_new(out, w, &o, e);
}

struct record *sweep_add(struct sweep *s, struct err *e)
{
    if (s->n == s->cap) {
        int cap = s->cap ? s->cap * 2 : 32;
        struct record *rec = mem_resize(s->rec, (size_t)cap * sizeof *rec);
        if (!rec) {
            err_nomem(e, (unsigned long long)cap * sizeof *rec, "records");
            return NULL;
        }
        s->rec = rec;
        s->cap = cap;
    }
    struct record *r = &s->rec[s->n++];
    record_init(r);
    return r;
}

int sweep_keep(struct sweep *s, struct store *store, const struct record *rec, struct err *e)
{
    struct record *r = sweep_add(s, e);
    if (!r)
        return ERR_NOMEM;
    *r = *rec;
    return store ? store_put(store, r, e) : 0;
}

void sweep_describe(struct record *r, const struct sweep_input *in, const struct model *m, const struct plan_cell *c)
{
    bool quantized = false;
    record_begin(r, in->run_id, in->device);
    r->isa = in->req->isa;
    const struct codec *source = m->gguf ? model_source_codec(&m->d, &quantized) : NULL;
    snprintf(r->model.name, sizeof r->model.name, "%s", m->d.name);
    snprintf(r->model.arch, sizeof r->model.arch, "%s", m->d.arch->name);
    snprintf(r->model.sha256, sizeof r->model.sha256, "%s", m->sha256);
    snprintf(r->model.source_format, sizeof r->model.source_format, "%s", source ? source->name : "");
    snprintf(r->model.license, sizeof r->model.license, "%s", m->d.license);
    r->model.n_params = m->d.n_params;
    r->model.n_vocab = m->d.n_vocab;
    r->model.source_quantized = quantized;
    r->model.dithered = m->dithered;
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
    snprintf(r->framework.library_sha256, sizeof r->framework.library_sha256, "%s", program_sha256());
    snprintf(r->framework.version, sizeof r->framework.version, "%s", WHICHQUANT_VERSION);
    snprintf(r->framework.backend, sizeof r->framework.backend, "cpu");
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "%s", recipe_numerics(c->recipe, in->req->numerics));
    r->memory.weights_bytes = c->summary.bytes;
    r->workload.threads = in->req->threads;
    r->workload.seed = in->req->seed;
}

void sweep_tell(const struct sweep_input *in, const char *what, int done, int total)
{
    struct sweep_event ev = {.what = what, .done = done, .total = total};
    if (in->on_event)
        in->on_event(in->arg, &ev);
}

int sweep_refuse(struct plan *p, int c, int rc, const struct err *why, struct err *e)
{
    if (rc == ERR_NOMEM || rc == ERR_CANCELLED)
        return err_set(e, rc, "%s", why->text);
    for (int i = c; i < p->n_cells; i++)
        if (i == c || p->cell[i].same_as == c) {
            plan_refuse(p, p->cell[i].recipe, why->text);
            p->cell[i].settled = true;
        }
    return 0;
}

double sweep_room(const struct sweep_input *in)
{
    return in->req->memory_bytes > 0 ? (double)in->req->memory_bytes
                                     : (double)in->device->memory.usable_bytes * group_share;
}

/* Is there a format that memory does not hold whole? */
static bool needs_layers(const struct sweep_input *in, const struct plan *p)
{
    for (int i = 0; i < p->n_cells; i++)
        if (sweep_bytes_held(in, &p->cell[i]) > sweep_room(in))
            return true;
    return false;
}

/* As many formats at a time as their states leave room for. */
static int run_layers(struct sweep *s, const struct sweep_input *in, struct plan *p, uint64_t end_ns, struct err *e)
{
    int n_chunks = in->req->n_chunks > 0 ? in->req->n_chunks : SWEEP_LEAST_CHUNKS, rc = 0;
    if (in->req->n_tasks > 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "tasks are asked of models that fit in memory whole: leave out --tasks, or give --memory more");
    while (n_chunks > 1 && sweep_layers_bytes(in, 1, n_chunks) > sweep_room(in))
        n_chunks--;
    for (int c0 = 0, c1; c0 < p->n_cells && rc == 0 && !s->interrupted && !s->out_of_budget; c0 = c1) {
        for (c1 = c0 + 1; c1 < p->n_cells && sweep_layers_bytes(in, c1 + 1 - c0, n_chunks) <= sweep_room(in);)
            c1++;
        rc = sweep_layers(s, in, p, c0, c1, n_chunks, end_ns, e);
    }
    return rc;
}

/* A format that the budget did not reach is a row that says so; it is not kept, so that it hides no measurement. */
static int add_unmeasured(struct sweep *s, const struct sweep_input *in, const struct plan *p, struct err *e)
{
    for (int i = 0; i < p->n_cells; i++) {
        if (p->cell[i].settled)
            continue;
        struct record *r = sweep_add(s, e);
        if (!r)
            return ERR_NOMEM;
        sweep_describe(r, in, in->model, &p->cell[i]);
        r->status = STATUS_NOT_REACHED;
        if (s->interrupted)
            snprintf(r->reason, sizeof r->reason, "not measured: interrupted");
        else
            snprintf(r->reason, sizeof r->reason, "not measured: the budget did not reach it");
        record_cell_id(r);
        s->out_of_budget |= !s->interrupted;
    }
    return 0;
}

/* A format that cannot be made of this model is a row that says why. */
static int add_refused(struct sweep *s, const struct sweep_input *in, const struct plan *p, struct err *e)
{
    for (int i = 0; i < p->n_refused; i++) {
        struct record *r = sweep_add(s, e);
        if (!r)
            return ERR_NOMEM;
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

static int shape_speeds(struct sweep *s, const struct sweep_input *in, uint64_t end_ns, struct err *e)
{
    static const double first_share = 0.3; /* the smaller one's */
    int rc = 0;
    for (int i = 0; i < N_STAND_INS && rc == 0 && !s->interrupted; i++) {
        double share = i + 1 == N_STAND_INS ? 1 : first_share;
        rc = sweep_shape_speed(s, in, stand_in_shapes[i], clock_end_ns(clock_left_s(end_ns) * share), e);
    }
    return rc;
}

/* Weights that fit in this give no memory speed. The cache is found by doing, but on a busy machine the measured curve
 * may bend anywhere: it is held between half-believable bounds, and by the report where that can be believed. Where
 * every format is beyond those bounds, nothing is measured. */
static double cache_bytes(const struct sweep_input *in, const struct plan *p, struct err *e)
{
    static const double least = 32e6, likely = 48e6, most = 64e6;
    struct bandwidth b;
    double reported = 0, believable = 0, smallest = INFINITY;
    for (int i = 0; i < in->device->cpu.n_caches; i++) {
        double bytes = in->device->cpu.cache[i].type != 'i' ? (double)in->device->cpu.cache[i].bytes : 0;
        reported = fmax(reported, bytes);
        if (!in->device->cpu.cache[i].doubtful)
            believable = fmax(believable, bytes);
    }
    for (int i = 0; i < p->n_cells; i++)
        smallest = fmin(smallest, (double)p->cell[i].summary.bytes);
    const double lo = reported > 0 ? fmin(reported, likely) : least, hi = believable >= lo ? believable : most;
    if (smallest >= hi)
        return hi;
    bool found = calibrate_bandwidth(in->pool, in->req->isa, 0.5, &b, e) == 0 && b.cache_bytes > 0;
    return fmin(fmax(found ? (double)b.cache_bytes : least, lo), hi);
}

bool sweep_residents(struct plan *p, double cache)
{
    int n_timed = 0, n_resident = 0;
    for (int i = 0; i < p->n_cells; i++) {
        struct plan_cell *c = &p->cell[i];
        c->resident = (double)c->summary.bytes < cache;
        n_timed += c->packed;
        n_resident += c->packed && c->resident;
    }
    return n_timed > 0 && n_resident == n_timed;
}

/* t0: when the budget began; planning, reading the text and hashing the model are part of it. */
static int run_plan(struct sweep *s, const struct sweep_input *in, struct plan *p, uint64_t t0, struct err *e)
{
    double budget = budget_rest_s(in->req->budget_s, (double)(clock_ns() - t0) * 1e-9);
    bool stand_ins = !in->req->no_speed && sweep_residents(p, cache_bytes(in, p, e));
    bool all_chunks = in->req->n_chunks > 0 && in->req->budget_is_default;
    uint64_t end_ns = clock_end_ns(budget);
    int rc = plan_order(p, in->first, in->n_first, e);
    bool by_layer = needs_layers(in, p), cycled = by_layer && !stand_ins && !in->req->no_speed;
    uint64_t quality_end = all_chunks ? 0 : clock_end_ns(stand_ins || cycled ? budget * (1 - shape_share) : budget);
    if (rc == 0 && !(in->req->no_quality && (by_layer || stand_ins)))
        rc = by_layer ? run_layers(s, in, p, quality_end, e) : sweep_groups(s, in, p, quality_end, !stand_ins, e);
    if (rc == ERR_CANCELLED) {
        s->interrupted = true;
        rc = 0;
    }
    if (rc == 0 && !in->req->no_quality)
        rc = add_unmeasured(s, in, p, e);
    if (rc == 0)
        rc = add_refused(s, in, p, e);
    if (all_chunks)
        end_ns = clock_end_ns(budget * shape_share);
    if (rc == 0 && cycled)
        rc = sweep_cycled_speed(s, in, p, end_ns, e);
    return rc == 0 && stand_ins ? shape_speeds(s, in, end_ns, e) : rc;
}

int sweep_run(struct sweep **out, const struct sweep_input *in, struct err *e)
{
    *out = NULL;
    uint64_t t0 = clock_ns();
    struct arena *a = arena_new();
    struct sweep *s = a ? arena_alloc(a, sizeof *s) : NULL;
    struct plan *p = NULL;
    if (!s) {
        arena_free(a);
        return err_nomem(e, sizeof *s, "the sweep");
    }
    s->arena = a;
    int rc = plan_formats(&p, in->model, in->req, in->calib, e);
    if (rc == 0)
        rc = eval_encode(in->model->vocab, in->text, in->text_bytes, in->text_name, in->req->n_ctx_eval, &s->tokens,
                         &s->n_tokens, e);
    if (rc == 0)
        rc = model_hash(in->model, e);
    if (rc == 0)
        rc = run_plan(s, in, p, t0, e);
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
