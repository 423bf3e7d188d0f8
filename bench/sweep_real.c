/* Formats of the model in real frameworks: written as files for a while and measured beside the own engine in one
 * interleaved set, so that the ratio of the two is taken under the same conditions. A framework that fails in whatever
 * way leaves a record with its status; the set goes on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/temp.h"
#include "bench/factor.h"
#include "bench/place.h"
#include "bench/runners/artifact.h"
#include "bench/sweep_logits.h"

/* Of the time for a set: what encoding and writing may take before no further format is begun, and what is left of it
 * for repetitions where logits are to follow. */
static const double write_share = 0.4, repeat_share = 0.6;
enum { REAL_BATCH = 512, FEWEST_REPS = 3, MOST_REPS = 10 };

struct seat { /* a framework in one place */
    const struct runner *runner;
    const struct runner_info *info; /* NULL: the own engine */
    int place;
};
struct real_set {
    const struct sweep_input *in;
    const struct sweep_set *set;
    struct sweep *sweep;
    struct plan *plan;
    struct seat *seat; /* [n_seats] */
    int n_seats;
    struct weights **weights;  /* [n_cells] of the plan */
    char (*path)[TEMP_PATH];   /* [n_cells] */
    struct measure_cell *cell; /* [n] each seat, then the own engine where it has kernels, format by format */
    struct record *rec;        /* [n] */
    int *format;               /* [n] cell of the plan */
    int n;
    struct sweep_logits logits;
    uint64_t t0, end_ns;
};

static double left_s(const struct real_set *r)
{
    uint64_t now = clock_ns();
    return r->end_ns > now ? (double)(r->end_ns - now) * 1e-9 : 0;
}

static void close_set(struct real_set *r)
{
    for (int i = 0; r->plan && i < r->plan->n_cells; i++) {
        if (r->path)
            artifact_remove(r->path[i]);
        if (r->weights)
            weights_free(r->weights[i]);
    }
    sweep_logits_close(&r->logits);
    mem_free(r->seat);
    mem_free(r->weights);
    mem_free(r->path);
    mem_free(r->cell);
    mem_free(r->rec);
    mem_free(r->format);
    plan_free(r->plan);
}

static int take_seats(struct real_set *r, struct err *e)
{
    int n = 0;
    for (int k = 0; k < r->set->n; k++)
        n += place_count(r->in->req, r->set->at[k]->runner);
    r->seat = mem_alloc_n((size_t)n, sizeof *r->seat);
    if (!r->seat)
        return err_nomem(e, (size_t)n * sizeof *r->seat, "the framework cells");
    for (int k = 0; k < r->set->n; k++)
        for (int i = 0; i < place_count(r->in->req, r->set->at[k]->runner); i++)
            r->seat[r->n_seats++] = (struct seat){r->set->at[k]->runner, &r->set->at[k]->info, i};
    return 0;
}

static int open_set(struct real_set *r, struct err *e)
{
    struct request req = *r->in->req;
    req.formats = r->set->formats;
    req.n_formats = r->set->n_formats;
    int rc = plan_formats(&r->plan, r->in->model, &req, r->in->calib, e);
    if (rc == 0)
        rc = take_seats(r, e);
    if (rc < 0)
        return rc;
    size_t formats = (size_t)r->plan->n_cells, cells = formats * (size_t)(r->n_seats + 1);
    r->weights = mem_alloc_n(formats, sizeof *r->weights);
    r->path = mem_alloc_n(formats, sizeof *r->path);
    r->cell = mem_alloc_n(cells, sizeof *r->cell);
    r->rec = mem_alloc_n(cells, sizeof *r->rec);
    r->format = mem_alloc_n(cells, sizeof *r->format);
    return r->weights && r->path && r->cell && r->rec && r->format
               ? 0
               : err_nomem(e, cells * sizeof *r->rec, "the framework cells");
}

/* ---- cells ---- */

/* cell: gets where it computes. The own engine stands beside frameworks, wherever they compute. */
static void begin_record(struct record *rec, struct measure_cell *cell, const struct real_set *r, int i,
                         const struct seat *s)
{
    sweep_begin_speed(rec, r->in, r->in->model, &r->plan->cell[i], REAL_BATCH);
    snprintf(rec->framework.name, sizeof rec->framework.name, "%s", s->runner->name);
    if (s->info) {
        snprintf(rec->framework.version, sizeof rec->framework.version, "%s", s->info->version);
        snprintf(rec->framework.library_sha256, sizeof rec->framework.library_sha256, "%s", s->info->library_sha256);
        cell->runner = s->runner;
        place_set(r->in->req, s->place, cell, rec);
    }
    record_cell_id(rec);
}

static void add_cell(struct real_set *r, int i, const struct seat *s)
{
    const struct sweep_input *in = r->in;
    const struct runner *runner = s->runner;
    const struct workload w = sweep_workload(in->req);
    const int longest = w.n_prompt + w.n_gen;
    const bool chunks = runner->logits && in->req->n_ctx_eval > longest;
    r->format[r->n] = i;
    r->cell[r->n] = (struct measure_cell){.runner = runner,
                                          .weights = runner->real ? NULL : r->weights[i],
                                          .model_path = r->path[i],
                                          .threads = in->req->threads,
                                          .n_ctx = chunks ? in->req->n_ctx_eval : longest,
                                          .n_batch = REAL_BATCH,
                                          .deadline_ns = r->end_ns,
                                          .isa = in->req->isa,
                                          .pool = in->pool};
    begin_record(&r->rec[r->n], &r->cell[r->n], r, i, s);
    r->rec[r->n++].speed_from = FROM_MEASURED;
}

static int keep(struct real_set *r, const struct record *rec, struct err *e)
{
    return sweep_keep(r->sweep, rec->status != STATUS_NOT_REACHED ? r->in->store : NULL, rec, e);
}

static const char no_time[] = "not measured: the budget ended before it was its turn";

/* A format that cannot be written for those seats, or is not, is a row of each that says why. */
static int refuse(struct real_set *r, int i, int seat0, int seat1, int code, const char *why, struct err *e)
{
    struct record *rec = mem_alloc(sizeof *rec);
    struct measure_cell unused;
    int rc = rec ? 0 : err_nomem(e, sizeof *rec, "a record");
    for (int k = seat0; k < seat1 && rc == 0; k++) {
        begin_record(rec, &unused, r, i, &r->seat[k]);
        rec->status = record_status_of(code);
        snprintf(rec->reason, sizeof rec->reason, "%s", why);
        rc = keep(r, rec, e);
    }
    mem_free(rec);
    return rc;
}

/* With --resume: 1 when the store holds the format in every framework of the set, as measured on this machine before.
 */
static int take_stored(struct real_set *r, int i, struct err *e)
{
    const int n0 = r->sweep->n;
    int have = r->in->req->resume && r->in->store;
    struct measure_cell unused;
    for (int k = 0; k < r->n_seats && have > 0; k++) {
        struct record *rec = sweep_add(r->sweep, e);
        if (!rec)
            return ERR_NOMEM;
        begin_record(rec, &unused, r, i, &r->seat[k]);
        char cell_id[sizeof rec->cell_id];
        memcpy(cell_id, rec->cell_id, sizeof cell_id);
        have = store_find(r->in->store, cell_id, r->in->device->env_sha256, rec, e);
    }
    if (have != 1)
        r->sweep->n = n0;
    return have;
}

static int write_format(struct real_set *r, int i, struct err *e)
{
    const struct plan_cell *c = &r->plan->cell[i];
    const struct sweep_input *in = r->in;
    struct err why = {0};
    char what[96];
    snprintf(what, sizeof what, "write %s for %s", c->recipe->name, r->set->at[0]->runner->name);
    sweep_tell(in, what, i, r->plan->n_cells);
    int rc = weights_encode(&r->weights[i], in->model, c->assign, in->calib, in->req->isa, in->pool, &why);
    if (rc == 0)
        rc = artifact_write(r->path[i], r->set->at[0]->runner, in->model, r->weights[i], c->recipe, &why);
    if (rc == ERR_CANCELLED)
        return err_set(e, rc, "%s", why.text);
    if (rc < 0)
        return refuse(r, i, 0, r->n_seats, rc, why.text, e);
    for (int k = 0; k < r->n_seats; k++)
        add_cell(r, i, &r->seat[k]);
    if (c->packed)
        add_cell(r, i, &(struct seat){.runner = runner_find("own")});
    return 0;
}

/* What measuring a format in the whole set will take at least, from what the own engine needed for it, or for another;
 * frameworks may be some times as slow, and load it first. Prompt and answer may be shortened a little. */
static double least_cost_s(const struct real_set *r, int i)
{
    static const double slower = 2, load_s = 1, shortened = 0.5;
    const struct workload w = sweep_workload(r->in->req);
    const double share = r->in->req->keep_workload ? 1 : shortened;
    double own_s = NAN;
    for (int k = 0; k < r->sweep->n; k++) {
        const struct record *rec = &r->sweep->rec[k];
        bool own = !strcmp(rec->framework.name, "own") && !rec->model.synthesized;
        double s = w.n_prompt / rec->speed.prefill_tok_s.v + w.n_gen / rec->speed.decode_tok_s.v;
        if (own && isfinite(s) && (isnan(own_s) || !strcmp(rec->format.name, r->plan->cell[i].recipe->name)))
            own_s = s;
    }
    return isnan(own_s) ? 0 : (FEWEST_REPS + 1) * own_s * share * (1 + slower * r->n_seats) + load_s * r->n_seats;
}

/* Where nobody named frameworks, a few formats in the first one say more than one format in all of them. */
static int spare_seats(struct real_set *r, struct err *e)
{
    enum { A_FEW = 3 };
    const int all = r->n_seats, n = r->plan->n_cells < A_FEW ? r->plan->n_cells : A_FEW;
    double cost_s = 0;
    int rc = 0;
    for (int i = 0; i < n; i++)
        cost_s += least_cost_s(r, i);
    if (r->in->req->n_frameworks > 0 || cost_s <= left_s(r))
        return 0;
    while (r->n_seats > 1 && r->seat[r->n_seats - 1].runner != r->seat[0].runner)
        r->n_seats--;
    for (int i = 0; i < r->plan->n_cells && rc == 0; i++)
        rc = refuse(r, i, r->n_seats, all, ERR_NOT_REACHED, no_time, e);
    return rc;
}

static int write_formats(struct real_set *r, struct err *e)
{
    int rc = spare_seats(r, e);
    const double most_s = left_s(r) * write_share;
    double cost_s = r->plan->n_cells > 0 ? least_cost_s(r, 0) : 0;
    for (int i = 0; i < r->plan->n_cells && rc == 0; i++) {
        if (interrupt_seen())
            return err_set(e, ERR_CANCELLED, "interrupted");
        double spent_s = (double)(clock_ns() - r->t0) * 1e-9;
        cost_s += i > 0 ? least_cost_s(r, i) : 0;
        rc = take_stored(r, i, e);
        if (rc != 0) {
            rc = rc > 0 ? 0 : rc;
            continue;
        }
        /* the next one takes as long as those before did */
        if (left_s(r) <= 0 || (r->n > 0 && (spent_s + spent_s / i > most_s || cost_s > left_s(r) - spent_s / i)))
            rc = refuse(r, i, 0, r->n_seats, ERR_NOT_REACHED, no_time, e);
        else
            rc = write_format(r, i, e);
    }
    return rc;
}

/* ---- measuring ---- */

static void on_progress(void *arg, int i_cell, int rep)
{
    const struct real_set *r = arg;
    char what[160];
    snprintf(what, sizeof what, "%s in %s, repetition %d", r->rec[i_cell].format.name, r->rec[i_cell].framework.name,
             rep + 1);
    sweep_tell(r->in, what, i_cell + 1, r->n);
}

/* The framework's logits while it has the model loaded. */
static int ask_logits(void *arg, int i_cell, struct session *session, struct err *e)
{
    struct real_set *r = arg;
    struct measure_cell *cell = &r->cell[i_cell];
    const int i = r->format[i_cell];
    if (!cell->runner->real || !cell->runner->logits || r->in->req->no_quality || left_s(r) <= 0)
        return 0;
    char what[160];
    snprintf(what, sizeof what, "logits of %s in %s", r->rec[i_cell].format.name, r->rec[i_cell].framework.name);
    sweep_tell(r->in, what, i_cell + 1, r->n);
    cell->deadline_ns = r->end_ns;
    return sweep_logits(&r->logits, &r->plan->cell[i], r->weights[i], cell, session, &r->rec[i_cell], r->end_ns, e);
}

static int measure_set(struct real_set *r, struct err *e)
{
    struct workload w = sweep_workload(r->in->req);
    bool logits = false;
    for (int k = 0; k < r->set->n; k++)
        logits |= r->set->at[k]->runner->logits && !r->in->req->no_quality;
    struct measure_opts o;
    measure_defaults(&o);
    o.min_reps = FEWEST_REPS;
    o.max_reps = MOST_REPS;
    o.budget_s = left_s(r) * (logits ? repeat_share : 1);
    o.end_ns = r->end_ns;
    o.seed = r->in->req->seed;
    o.keep_workload = r->in->req->keep_workload;
    o.on_progress = on_progress;
    o.before_close = ask_logits;
    o.arg = r;
    int32_t *tokens = sweep_prompt(r->in, r->in->model, &w);
    int rc = tokens ? 0 : err_nomem(e, (unsigned long long)w.n_prompt * sizeof *tokens, "the prompt");
    w.tokens = tokens;
    if (rc == 0)
        rc = measure_cells(r->cell, r->rec, r->n, &w, &o, e);
    mem_free(tokens);
    return rc;
}

/* What the caches hold there they hold here. */
static void note_residents(struct real_set *r)
{
    for (int i = 0; i < r->n; i++)
        for (int k = 0; k < r->n; k++)
            if (r->format[i] == r->format[k] && !r->cell[k].runner->real)
                r->rec[i].speed.cache_resident |= r->rec[k].speed.cache_resident;
}

/* Each framework over the own engine beside it. */
static int keep_factors(const struct real_set *r, struct err *e)
{
    struct factor f;
    int rc = 0;
    for (int i = 0; i < r->n && r->in->store; i++)
        for (int k = 0; k < r->n && rc == 0; k++)
            if (r->cell[i].runner->real && !r->cell[k].runner->real && r->format[i] == r->format[k] &&
                factor_of(&f, &r->rec[i], &r->rec[k], r->in->device))
                rc = store_put_factor(r->in->store, &f, e);
    return rc;
}

int sweep_real(struct sweep *s, const struct sweep_input *in, const struct sweep_set *set, double budget_s,
               struct err *e)
{
    struct real_set r = {.in = in, .set = set, .sweep = s, .t0 = clock_ns()};
    r.end_ns = r.t0 + (uint64_t)(fmax(budget_s, 0) * 1e9) + 1;
    r.logits = (struct sweep_logits){.in = in, .sweep = s};
    int rc = set->n > 0 && set->n_formats > 0 ? open_set(&r, e) : 0;
    if (rc == 0 && r.plan)
        rc = write_formats(&r, e);
    if (rc == 0 && r.n > 0)
        rc = measure_set(&r, e);
    if (rc == ERR_CANCELLED) {
        s->interrupted = true;
        rc = 0;
    }
    note_residents(&r);
    for (int i = 0; i < r.n && rc == 0; i++)
        if (r.rec[i].status != STATUS_OK || isfinite(r.rec[i].speed.decode_tok_s.v) || !s->interrupted)
            rc = keep(&r, &r.rec[i], e);
    if (rc == 0)
        rc = keep_factors(&r, e);
    close_set(&r);
    return rc;
}
