/* Speed of a group of formats, cells interleaved: the model's own weights, or synthesized weights of a real shape. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "bench/measure.h"
#include "bench/sweep.h"

enum { USUAL_PROMPT = 512, USUAL_GEN = 64, SPEED_BATCH = 512 };

struct speed_cell {
    const struct plan_cell *cell;
    const struct weights *weights;
};

int32_t *sweep_prompt(const struct sweep_input *in, const struct model *m, const struct workload *w)
{
    int32_t *t = mem_alloc_n((size_t)w->n_prompt, sizeof *t);
    struct rng r;
    rng_seed(&r, in->req->seed);
    for (int i = 0; t && i < w->n_prompt; i++)
        t[i] = (int32_t)rng_below(&r, (uint64_t)m->d.n_vocab);
    return t;
}

struct progress {
    const struct sweep_input *in;
    char what[96];
    int n;
};

static void on_progress(void *arg, int i_cell, int rep)
{
    struct progress *p = arg;
    char what[160];
    snprintf(what, sizeof what, "%s, repetition %d", p->what, rep + 1);
    sweep_tell(p->in, what, i_cell + 1, p->n);
}

/* What was found becomes the sweep's, and the store's. */
static int keep_speed(struct sweep *s, const struct sweep_input *in, const struct model *m, const struct speed_cell *sc,
                      struct record *found, struct err *e)
{
    found->speed.cache_resident = sc->cell->resident;
    if (m->gguf && sc->weights->again)
        snprintf(found->reason, sizeof found->reason, "speed of seeded weights of its shape, cycling through %.0f MiB",
                 (double)sc->weights->held_bytes / 1024 / 1024);
    return sweep_keep(s, in->store, found, e);
}

struct workload sweep_workload(const struct request *req)
{
    return (struct workload){.n_prompt = req->want.n_prompt > 0 ? req->want.n_prompt : USUAL_PROMPT,
                             .n_gen = req->want.n_gen > 0 ? req->want.n_gen : USUAL_GEN};
}

void sweep_begin_speed(struct record *r, const struct sweep_input *in, const struct model *m, const struct plan_cell *c,
                       int n_batch)
{
    const struct workload w = sweep_workload(in->req);
    record_init(r);
    sweep_describe(r, in, m, c);
    r->workload.n_prompt = w.n_prompt;
    r->workload.n_gen = w.n_gen;
    r->workload.n_ctx = w.n_prompt + w.n_gen;
    r->workload.n_batch = n_batch;
}

double sweep_session_bytes(const struct sweep_input *in)
{
    const struct workload w = sweep_workload(in->req);
    struct engine_opts o = {.mode = ENGINE_PACKED,
                            .n_ctx = w.n_prompt + w.n_gen,
                            .n_batch = SPEED_BATCH,
                            .isa = in->req->isa,
                            .pool = in->pool};
    struct memory_need need = {0};
    engine_memory(&in->model->d, &o, &need, NULL);
    return (double)(need.kv_bytes + need.scratch_bytes);
}

/* With --resume: 1 when the store holds that cell's speed, as measured on this machine before; it becomes the sweep's.
 */
static int take_stored(struct sweep *s, const struct sweep_input *in, const struct record *wanted, struct err *e)
{
    if (!in->req->resume || !in->store)
        return 0;
    struct record *r = sweep_add(s, e);
    if (!r)
        return ERR_NOMEM;
    int have = store_find(in->store, wanted->cell_id, in->device->env_sha256, r, e);
    s->n -= have != 1;
    return have;
}

struct speed_set {
    struct measure_cell *cell;
    struct record *rec;
    int *of; /* which of those asked for */
    int n;
};

/* Those of sc[n] that are to be measured. */
static int begin_cells(struct speed_set *set, struct sweep *s, const struct sweep_input *in, const struct model *m,
                       const struct speed_cell *sc, int n, const struct workload *w, struct err *e)
{
    for (int i = 0; i < n; i++) {
        struct record *r = &set->rec[set->n];
        sweep_begin_speed(r, in, m, sc[i].cell, SPEED_BATCH);
        r->speed_from = m->gguf ? FROM_MEASURED : FROM_SHAPE_MEASURED;
        record_cell_id(r);
        int have = take_stored(s, in, r, e);
        if (have < 0)
            return have;
        if (have)
            continue;
        set->of[set->n] = i;
        set->cell[set->n++] = (struct measure_cell){.runner = runner_find("own"),
                                                    .weights = sc[i].weights,
                                                    .threads = in->req->threads,
                                                    .find_threads = in->req->find_threads,
                                                    .n_ctx = w->n_prompt + w->n_gen,
                                                    .n_batch = SPEED_BATCH,
                                                    .isa = in->req->isa,
                                                    .pool = in->pool};
    }
    return 0;
}

/* A cell whose tensors are those of an earlier one has its speed, if that is among the records from `first` on. */
static int add_twins(struct sweep *s, const struct sweep_input *in, const struct plan *p, int first, struct err *e)
{
    const int n = s->n;
    int rc = 0;
    for (int c = 0; c < p->n_cells && rc == 0; c++)
        for (int i = first; i < n && p->cell[c].same_as >= 0 && rc == 0; i++) {
            const char *name = p->cell[p->cell[c].same_as].recipe->name;
            if (strcmp(s->rec[i].format.name, name) != 0)
                continue;
            struct record r;
            sweep_begin_speed(&r, in, p->model, &p->cell[c], SPEED_BATCH);
            r.speed_from = s->rec[i].speed_from;
            record_cell_id(&r);
            if ((rc = take_stored(s, in, &r, e)) != 0) {
                rc = rc < 0 ? rc : 0;
                continue;
            }
            struct record twin = s->rec[i];
            twin.format = r.format;
            memcpy(twin.cell_id, r.cell_id, sizeof r.cell_id);
            snprintf(twin.reason, sizeof twin.reason, "every tensor is the same as in %s", name);
            rc = sweep_keep(s, in->store, &twin, e);
        }
    return rc;
}

static int measure_group(struct sweep *s, const struct sweep_input *in, const struct plan *p,
                         const struct speed_cell *sc, int n_asked, uint64_t deadline_ns, struct err *e)
{
    const struct model *m = p->model;
    const int first = s->n;
    struct speed_set set = {.cell = mem_alloc_n((size_t)n_asked, sizeof *set.cell),
                            .rec = mem_alloc_n((size_t)n_asked, sizeof *set.rec),
                            .of = mem_alloc_n((size_t)n_asked, sizeof *set.of)};
    struct workload w = sweep_workload(in->req);
    int32_t *tokens = sweep_prompt(in, m, &w);
    int rc = set.cell && set.rec && set.of && tokens
                 ? begin_cells(&set, s, in, m, sc, n_asked, &w, e)
                 : err_nomem(e, (unsigned long long)n_asked * sizeof *set.rec, "the speed cells");
    struct progress told = {.in = in, .n = set.n};
    snprintf(told.what, sizeof told.what, "speed of %.60s", m->d.name);
    w.tokens = tokens;
    struct measure_opts o;
    measure_defaults(&o);
    o.budget_s = clock_left_s(deadline_ns);
    o.seed = in->req->seed;
    o.keep_workload = in->req->keep_workload;
    o.on_progress = on_progress;
    o.arg = &told;
    if (rc == 0 && set.n > 0)
        rc = measure_cells(set.cell, set.rec, set.n, &w, &o, e);
    if (rc == ERR_CANCELLED) {
        s->interrupted = true;
        rc = 0;
    }
    for (int i = 0; rc == 0 && i < set.n; i++)
        rc = keep_speed(s, in, m, &sc[set.of[i]], &set.rec[i], e);
    if (rc == 0)
        rc = add_twins(s, in, p, first, e);
    mem_free(tokens);
    mem_free(set.of);
    mem_free(set.rec);
    mem_free(set.cell);
    return rc;
}

int sweep_speed(struct sweep *s, const struct sweep_input *in, const struct plan *p, struct weights *const *w, int c0,
                int c1, uint64_t deadline_ns, struct err *e)
{
    struct speed_cell *sc = mem_alloc_n((size_t)(c1 - c0), sizeof *sc);
    if (!sc)
        return err_nomem(e, (unsigned long long)(c1 - c0) * sizeof *sc, "the speed cells");
    int n = 0;
    for (int c = c0; c < c1; c++)
        if (p->cell[c].packed && w[c])
            sc[n++] = (struct speed_cell){&p->cell[c], w[c]};
    int rc = n ? measure_group(s, in, p, sc, n, deadline_ns, e) : 0;
    mem_free(sc);
    return rc;
}

/* Weights read that far apart come from memory: four times the largest cache reported, within what is sane. */
static int64_t far_bytes(const struct sweep_input *in)
{
    static const int64_t least = (int64_t)128 << 20, most = (int64_t)512 << 20;
    int64_t cache = 0;
    for (int i = 0; i < in->device->cpu.n_caches; i++)
        cache = in->device->cpu.cache[i].bytes > cache ? in->device->cpu.cache[i].bytes : cache;
    return 4 * cache < least ? least : 4 * cache > most ? most : 4 * cache;
}

int sweep_synthesize(struct weights **w, const struct model *m, const struct plan_cell *c, const struct sweep_input *in,
                     struct err *e)
{
    int n = m->d.n_tensors;
    const struct codec **codec = mem_alloc_n((size_t)n, sizeof *codec);
    const struct act **act = mem_alloc_n((size_t)n, sizeof *act);
    struct qpar *par = mem_alloc_n((size_t)n, sizeof *par);
    int rc = codec && act && par ? 0 : err_nomem(e, (unsigned long long)n * sizeof *act, "a shape");
    for (int i = 0; rc == 0 && i < n; i++) {
        codec[i] = c->assign[i].codec;
        act[i] = c->assign[i].act;
        par[i] = c->assign[i].par;
    }
    if (rc == 0)
        rc = weights_synthesize(w, m, codec, par, act, &(struct synthesis){in->req->seed, far_bytes(in), in->pool}, e);
    mem_free(par);
    mem_free(codec);
    mem_free(act);
    return rc;
}

/* As many formats at a time as fit in half of the memory: those are interleaved with each other. */
static int shape_group(struct sweep *s, const struct sweep_input *in, const struct plan *p, int *c,
                       uint64_t deadline_ns, struct err *e)
{
    enum { MOST = 64 };
    struct speed_cell sc[MOST];
    struct weights *w[MOST] = {0};
    double room = sweep_room(in), taken = 0;
    int n = 0, rc = 0;
    for (; *c < p->n_cells && n < MOST && rc == 0; (*c)++) {
        const struct plan_cell *cell = &p->cell[*c];
        if (!cell->packed || cell->same_as >= 0)
            continue;
        if (n > 0 && taken + (double)cell->summary.bytes > room)
            break;
        rc = sweep_synthesize(&w[n], p->model, cell, in, e);
        if (rc < 0)
            break;
        taken += (double)w[n]->held_bytes;
        sc[n] = (struct speed_cell){cell, w[n]};
        n++;
    }
    if (rc == 0 && n > 0)
        rc = measure_group(s, in, p, sc, n, deadline_ns, e);
    for (int i = 0; i < n; i++)
        weights_free(w[i]);
    return rc;
}

int sweep_cycled_speed(struct sweep *s, const struct sweep_input *in, const struct plan *p, uint64_t deadline_ns,
                       struct err *e)
{
    int rc = 0;
    for (int c = 0; rc == 0 && c < p->n_cells && !s->interrupted;)
        rc = shape_group(s, in, p, &c, deadline_ns, e);
    return rc;
}

int sweep_shape_speed(struct sweep *s, const struct sweep_input *in, const char *shape_id, uint64_t deadline_ns,
                      struct err *e)
{
    const struct shape *shape = shape_find(shape_id);
    if (!shape)
        return err_set(e, ERR_USAGE, "unknown shape %s; `whichquant list shapes` names them", shape_id);
    struct model *m = NULL;
    struct plan *p = NULL;
    int rc = model_from_shape(&m, &shape->d, e);
    if (rc == 0)
        rc = plan_formats(&p, m, in->req, NULL, e);
    if (rc == 0)
        rc = sweep_cycled_speed(s, in, p, deadline_ns, e);
    plan_free(p);
    model_close(m);
    return rc;
}
