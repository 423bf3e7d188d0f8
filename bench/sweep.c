/* The sweep's outer loop: cells in groups that fit in memory; each group is encoded, evaluated, measured, released. */
#include "bench/sweep.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "bench/budget.h"
#include "bench/measure.h"
#include "bench/sweep_quality.h"

/* Of the usable memory, what a group of encoded formats may take: the rest is for KV, scratch and other programs. */
static const double group_share = 0.5;
enum { MOST_AT_ONCE = 8 }; /* formats that share a reference pass where no speeds are compared */
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
    record_begin(r, in->run_id, in->device);
    r->isa = in->req->isa;
    const struct codec *source = m->gguf ? model_source_codec(m, &quantized) : NULL;
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

static void free_group(struct weights **w, int c0, int c1)
{
    for (int i = c0; i < c1; i++) {
        weights_free(w[i]);
        w[i] = NULL;
    }
}

/* A cell whose tensors are those of an earlier one is measured there. */
static int encode_group(const struct sweep_input *in, struct plan *p, struct weights **w, int c0, int c1, struct err *e)
{
    int n = 0;
    for (int i = c0; i < c1; i++) {
        if (p->cell[i].same_as >= 0 || p->cell[i].settled)
            continue;
        char what[96];
        snprintf(what, sizeof what, "encode %s", p->cell[i].recipe->name);
        sweep_tell(in, what, i, p->n_cells);
        struct err why = {0};
        int rc = weights_encode(&w[i], in->model, p->cell[i].assign, in->calib, in->req->isa, in->pool, &why);
        if (rc == 0) /* widths may have been chosen only now */
            rc = recipe_summarize(&in->model->d, p->cell[i].assign, &p->cell[i].summary, &why);
        n += rc == 0;
        if (rc < 0 && (rc = sweep_refuse(p, i, rc, &why, e)) < 0)
            return rc;
    }
    return n;
}

/* The budget, and what a format turned out to cost: 0 until one was measured. */
struct spending {
    struct sweep_tasks *tasks; /* NULL: none were asked for */
    uint64_t end_ns;           /* 0: no end */
    double encode_s, chunk_s;  /* encode_s: and its tasks */
    int n_encoded;
};

/* When a group is to stop: its first chunks, then all of them. */
struct group_time {
    uint64_t tasks_end_ns, quality_enough_ns, quality_end_ns, enough_ns, end_ns;
    double reserve_s; /* for speeds, in between */
};

static double seconds_left(const struct spending *b)
{
    uint64_t now = clock_ns();
    return b->end_ns == 0 ? INFINITY : b->end_ns > now ? (double)(b->end_ns - now) * 1e-9 : 0;
}

static uint64_t after(double seconds)
{
    return isfinite(seconds) ? clock_ns() + (uint64_t)(seconds * 1e9) : 0;
}

/* Of two times, where 0 is none. */
static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

double sweep_room(const struct sweep_input *in)
{
    return in->req->memory_bytes > 0 ? (double)in->req->memory_bytes
                                     : (double)in->device->memory.usable_bytes * group_share;
}

static bool has_speed(const struct sweep_input *in, const struct plan_cell *c)
{
    return c->packed && !in->req->no_speed;
}

/* What a format holds while its quality and its speed are measured. */
static double bytes_held(const struct sweep_input *in, const struct plan_cell *c)
{
    struct engine_opts o = {.mode = ENGINE_QUALITY,
                            .n_ctx = in->req->n_ctx_eval,
                            .n_batch = in->req->n_ctx_eval,
                            .isa = in->req->isa,
                            .pool = in->pool};
    struct memory_need need = {0};
    engine_memory(&in->model->d, &o, &need, NULL);
    double timed = has_speed(in, c) ? sweep_session_bytes(in) : 0;
    return (double)(c->summary.bytes + need.kv_bytes + need.scratch_bytes) + timed;
}

/* End of the group that starts at c0: those whose speeds are to be compared as far as they fit in memory, of others
 * just enough that the reference pass costs little. What the budget cannot pay is not begun: c0 = nothing. */
static int group_end(const struct sweep_input *in, const struct plan *p, const struct spending *b, int c0)
{
    double room = sweep_room(in), taken = 0;
    int chunks = in->req->n_chunks > 0 ? in->req->n_chunks : SWEEP_LEAST_CHUNKS, c1 = c0;
    double left = seconds_left(b) - chunks * b->chunk_s; /* the reference's share */
    for (int n = 0; c1 < p->n_cells; c1++) {
        const struct plan_cell *c = &p->cell[c1];
        if (c->same_as >= 0 || c->settled)
            continue;
        taken += bytes_held(in, c);
        left -= b->encode_s + chunks * b->chunk_s;
        if ((n >= MOST_AT_ONCE && !has_speed(in, c)) || (n > 0 && taken > room) || left < 0)
            break;
        n++;
    }
    return c1;
}

/* Quality of what was encoded: the fewest chunks that make a row, then speeds, then what is left of the text for those
 * that may still win. Returns the seconds that quality took, or a negative error. */
static double measure_encoded(struct sweep *s, const struct sweep_input *in, struct plan *p, struct weights **w,
                              const struct group_time *t, bool timed, int c0, int c1, int *n_chunks, struct err *e)
{
    struct quality_run q = {.in = in, .plan = p, .c0 = c0, .n = c1 - c0, .sweep = s};
    bool any = false, in_two = timed && in->req->n_chunks <= 0;
    uint64_t t0 = clock_ns(), spent = 0;
    int rc = in->req->no_quality ? 0 : quality_begin(&q, w, &any, e);
    if (rc == 0 && any)
        rc = quality_chunks(&q, s, in_two ? SWEEP_LEAST_CHUNKS : INT_MAX, t->quality_enough_ns, t->quality_end_ns, e);
    spent = clock_ns() - t0;
    if (rc == 0 && timed && !s->interrupted)
        rc = sweep_speed(s, in, p, w, c0, c1, sooner(after(t->reserve_s), t->end_ns), e);
    t0 = clock_ns();
    if (rc == 0 && any && in_two && !s->interrupted)
        rc = quality_chunks(&q, s, INT_MAX, t->enough_ns, t->end_ns, e);
    if (any)
        rc = quality_finish(&q, s, rc, e);
    *n_chunks = q.n_done;
    return rc < 0 ? rc : (double)(spent + clock_ns() - t0) * 1e-9;
}

static int run_group(struct sweep *s, const struct sweep_input *in, struct plan *p, struct weights **w,
                     struct spending *b, bool speeds, int c0, int c1, struct err *e)
{
    static const double speed_share = 0.35, tasks_share = 0.3; /* of a group's time */
    bool timed = false;
    for (int c = c0; c < c1; c++)
        timed |= speeds && has_speed(in, &p->cell[c]);
    double left = seconds_left(b), part = (double)(c1 - c0) / (p->n_cells - c0);
    double reserve = timed ? (isfinite(left) ? left : in->req->budget_s) * part * speed_share : 0;
    if (in->req->no_quality)
        reserve = left * part;
    struct group_time t = {.tasks_end_ns = after(left * part * tasks_share),
                           .quality_enough_ns = after(left * part - reserve),
                           .quality_end_ns = after(fmax(left - reserve, 0)),
                           .enough_ns = after(left * part),
                           .end_ns = after(left),
                           .reserve_s = reserve};
    uint64_t t0 = clock_ns();
    int n = encode_group(in, p, w, c0, c1, e), n_chunks = 0;
    int rc = n > 0 && b->tasks ? sweep_tasks_group(s, b->tasks, p, w, c0, c1, t.tasks_end_ns, e) : 0;
    double encode_s = (double)(clock_ns() - t0) * 1e-9;
    if (n < 0 || rc < 0)
        return n < 0 ? n : rc;
    double quality_s = measure_encoded(s, in, p, w, &t, timed && n > 0, c0, c1, &n_chunks, e);
    if (quality_s < 0)
        return (int)quality_s;
    if (n > 0) {
        b->encode_s = (b->encode_s * b->n_encoded + encode_s) / (b->n_encoded + n);
        b->n_encoded += n;
    }
    if (n > 0 && n_chunks > 0)
        b->chunk_s = quality_s / (n_chunks * (n + 1));
    return 0;
}

/* speeds: of the model itself; false: those of other shapes stand in. */
static int run_groups(struct sweep *s, const struct sweep_input *in, struct plan *p, uint64_t end_ns, bool speeds,
                      struct err *e)
{
    struct weights **w = arena_alloc_n(s->arena, (size_t)p->n_cells, sizeof(struct weights *));
    if (!w)
        return err_nomem(e, (unsigned long long)p->n_cells * sizeof *w, "the sweep");
    struct spending b = {.end_ns = end_ns};
    int rc = in->req->n_tasks > 0 ? sweep_tasks_open(&b.tasks, in, after(seconds_left(&b) / 4), e) : 0;
    for (int c0 = 0, c1; c0 < p->n_cells && rc == 0 && !s->interrupted; c0 = c1) {
        c1 = group_end(in, p, &b, c0);
        if (c1 == c0)
            break;
        rc = run_group(s, in, p, w, &b, speeds, c0, c1, e);
        free_group(w, c0, c1);
    }
    sweep_tasks_close(b.tasks);
    return rc;
}

/* Is there a format that memory does not hold whole? */
static bool needs_layers(const struct sweep_input *in, const struct plan *p)
{
    for (int i = 0; i < p->n_cells; i++)
        if (bytes_held(in, &p->cell[i]) > sweep_room(in))
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
        struct record *r = sweep_add(s);
        if (!r)
            return err_nomem(e, sizeof *r, "a record");
        sweep_describe(r, in, in->model, &p->cell[i]);
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

static int shape_speeds(struct sweep *s, const struct sweep_input *in, struct spending b, struct err *e)
{
    static const double first_share = 0.3; /* the smaller one's */
    int rc = 0;
    for (int i = 0; i < N_STAND_INS && rc == 0 && !s->interrupted; i++) {
        double share = i + 1 == N_STAND_INS ? 1 : first_share;
        rc = sweep_shape_speed(s, in, stand_in_shapes[i], after(seconds_left(&b) * share), e);
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
    bool stand_ins = !in->req->no_speed && sweep_residents(p, cache_bytes(in, e));
    bool all_chunks = in->req->n_chunks > 0 && in->req->budget_is_default;
    struct spending b = {.end_ns = after(budget)};
    int rc = plan_order(p, e);
    bool by_layer = needs_layers(in, p), cycled = by_layer && !stand_ins && !in->req->no_speed;
    uint64_t quality_end = all_chunks ? 0 : after(stand_ins || cycled ? budget * (1 - shape_share) : budget);
    if (rc == 0 && !(in->req->no_quality && (by_layer || stand_ins)))
        rc = by_layer ? run_layers(s, in, p, quality_end, e) : run_groups(s, in, p, quality_end, !stand_ins, e);
    if (rc == ERR_CANCELLED) {
        s->interrupted = true;
        rc = 0;
    }
    if (rc == 0 && !in->req->no_quality)
        rc = add_unmeasured(s, in, p, e);
    if (rc == 0)
        rc = add_refused(s, in, p, e);
    if (all_chunks)
        b.end_ns = after(budget * shape_share);
    if (rc == 0 && cycled)
        rc = sweep_cycled_speed(s, in, p, b.end_ns, e);
    return rc == 0 && stand_ins ? shape_speeds(s, in, b, e) : rc;
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
