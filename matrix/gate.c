/* The gate over a store: which cells are suspicious, measuring those again, the tests, the verdicts, the changes. */
#include "matrix/gate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "matrix/gate_int.h"

#define SAY(c, ...) snprintf((c)->reason, sizeof(c)->reason, __VA_ARGS__)

/* ---- before any test: what can be tested ---- */

static void put_hash(char out[65], uint64_t h)
{
    *out = 0;
    if (h)
        snprintf(out, 65, "%016" PRIx64, h);
}

/* The move is none of the code's when runs of this very build are in the baseline and were still as before. */
static bool build_is_known(const struct watched *w, const struct gate_cell *c)
{
    double value[MOST_FRESH];
    int n = 0;
    for (int i = w->choice.n_base - 1; i >= 0 && n < MOST_FRESH; i--) {
        const struct point *p = &w->x.p[w->choice.base[i]];
        if (point_same_build(p, &w->x.p[w->x.n - 1]))
            value[n++] = p->value;
    }
    return n && fabs(stats_median(value, n) - c->baseline) < fabs(stats_median(value, n) - c->current);
}

static bool all_positive(const double *x, int n)
{
    bool positive = true;
    for (int i = 0; i < n; i++)
        positive &= x[i] > 0;
    return positive;
}

static int say_failed(struct gate_night *g, const struct watched *w, struct gate_cell *c)
{
    struct record *r = mem_alloc(sizeof *r);
    if (!r)
        return err_nomem(g->e, sizeof *r, "a record");
    int rc = series_record(g->store, w->x.failed_run, r, g->e);
    if (rc == 0)
        SAY(c, "%s: %.160s", record_status_name(r->status), *r->reason ? r->reason : "no reason is given");
    mem_free(r);
    return rc;
}

/* 1: there is nothing to test, and c says why. */
static int settle_early(struct gate_night *g, const struct watched *w, struct gate_cell *c)
{
    const struct point *last = &w->x.p[w->x.n - 1];
    int64_t since = g->p->since;
    int needed = gate_runs_needed(c->method, g->p);
    if (w->x.failed_time > last->time && w->x.failed_time >= since) {
        c->verdict = GATE_FAILED;
        int rc = say_failed(g, w, c);
        return rc < 0 ? rc : 1;
    }
    if (w->choice.n_fresh == 0) {
        c->verdict = GATE_FAILED;
        SAY(c, "missing: other cells ran, this one did not");
        return 1;
    }
    if (w->choice.n_base >= needed)
        return 0;
    c->verdict = w->after_another ? GATE_ENVIRONMENT_CHANGED : GATE_INSUFFICIENT;
    if (w->after_another)
        SAY(c, "the machine's fingerprint changed: a new series, %d of %d runs so far", w->choice.n_base, needed);
    else
        SAY(c, "%d of %d runs that are needed before the newest", w->choice.n_base, needed);
    return 1;
}

static int begin_cell(struct gate_night *g, const struct watched *w, struct gate_cell *c)
{
    const struct point *last = &w->x.p[w->x.n - 1];
    gate_cell_begin(c, &w->x, w->choice.n_base, w->choice.n_fresh);
    c->current = last->value;
    put_hash(c->artifact_sha256, last->artifact);
    put_hash(c->engine_sha256, last->engine);
    int most = g->p->window + w->choice.n_fresh, n = w->x.n < most ? w->x.n : most;
    c->history = mem_alloc_n((size_t)n + 1, sizeof *c->history);
    if (!c->history)
        return err_nomem(g->e, (size_t)n * sizeof *c->history, "the runs of a cell");
    memcpy(c->history, w->x.p + w->x.n - n, (size_t)n * sizeof *c->history);
    c->n_history = n;
    return settle_early(g, w, c);
}

/* ---- suspicions ---- */

static void base_values(const struct watched *w, double *out)
{
    for (int i = 0; i < w->choice.n_base; i++)
        out[i] = w->x.p[w->choice.base[i]].value;
}

static int screen(struct gate_night *g, struct watched *w, struct gate_cell *c, const double *base)
{
    int n = w->choice.n_base;
    for (int i = w->choice.fresh; i < w->x.n; i++)
        w->fresh[w->n_fresh++] = w->x.p[i].value;
    if (!all_positive(base, n) || !all_positive(w->fresh, w->n_fresh)) {
        c->verdict = GATE_INSUFFICIENT;
        SAY(c, "a value that is not positive: no ratio can be tested");
        return 0;
    }
    gate_screen(c, g->p, base, n, stats_median(w->fresh, w->n_fresh));
    c->tested = c->method == GATE_RANKS;
    c->p = c->tested ? 1 : NAN;
    return 0;
}

/* One more run of each of them, in random order. */
static int rerun_once(struct gate_night *g, struct gate_cell *cell, const struct gate_hooks *h, const int *at, int n)
{
    const struct series **s = mem_alloc_n((size_t)n, sizeof *s);
    double *value = mem_alloc_n((size_t)n, sizeof *value);
    int rc = s && value ? 0 : err_nomem(g->e, (size_t)n * sizeof *value, "runs again");
    for (int i = 0; i < n && rc == 0; i++) {
        s[i] = &g->w[at[i]].x;
        value[i] = NAN;
    }
    if (rc == 0)
        rc = h->rerun(h->arg, s, n, value, g->e);
    for (int i = 0; i < n && rc >= 0; i++) {
        struct watched *w = &g->w[at[i]];
        if (value[i] > 0 && isfinite(value[i]) && w->n_fresh < MOST_FRESH) {
            w->fresh[w->n_fresh++] = value[i];
            cell[at[i]].n_reruns++;
        }
    }
    mem_free(s);
    mem_free(value);
    return rc;
}

static int rerun_suspects(struct gate_night *g, struct gate_cell *cell, const struct gate_hooks *h)
{
    int *at = mem_alloc_n((size_t)g->n + 1, sizeof *at), n = 0, rc = 0;
    struct rng r;
    rng_seed_text(&r, g->p->seed, "runs again");
    if (!at)
        return err_nomem(g->e, (size_t)g->n * sizeof *at, "runs again");
    for (int i = 0; i < g->n; i++)
        if (cell[i].verdict == GATE_NONE && cell[i].suspect && g->w[i].n_fresh < 1 + g->p->n_reruns &&
            (cell[i].method == GATE_RANKS || cell[i].method == GATE_THRESHOLD))
            at[n++] = i;
    for (int k = 0; h && h->rerun && n > 0 && k < g->p->n_reruns && rc == 0; k++) {
        rng_shuffle(&r, at, n);
        rc = rerun_once(g, cell, h, at, n);
    }
    mem_free(at);
    return rc == ERR_CANCELLED ? 0 : rc; /* what was run again counts */
}

static void test_suspect(struct gate_night *g, struct watched *w, struct gate_cell *c, double *base)
{
    int n = w->choice.n_base;
    base_values(w, base);
    if (c->method == GATE_RANKS)
        gate_test_ranks(c, g->p, base, n, w->fresh, w->n_fresh);
    else
        gate_test_threshold(c, g->p, n, w->fresh, w->n_fresh);
}

/* ---- all of it ---- */

/* Cells of the series that count tonight; series that do not are dropped from g. */
static int begin_cells(struct gate_night *g, struct gate_cell *cell, double *base)
{
    int n = 0, rc = 0;
    for (int i = 0; i < g->n && rc >= 0; i++) {
        struct watched w = g->w[i];
        if (w.superseded || w.silent)
            continue;
        g->w[i] = g->w[n]; /* nothing is lost: both are freed in the end */
        g->w[n] = w;
        rc = begin_cell(g, &g->w[n], &cell[n]);
        base_values(&w, base);
        bool pairs = cell[n].method != GATE_RANKS && cell[n].method != GATE_THRESHOLD;
        if (rc == 0)
            rc = pairs ? gate_test_pairs(g, &g->w[n], &cell[n], base) : screen(g, &g->w[n], &cell[n], base);
        n++;
    }
    return rc < 0 ? rc : n;
}

static int decide_all(struct gate_night *g, struct gate_report *r, const struct gate_hooks *h, double *base)
{
    int n = begin_cells(g, r->cell, base), n_series = g->n;
    r->n = n < 0 ? n_series : n;
    if (n < 0)
        return n;
    g->n = n;
    int rc = rerun_suspects(g, r->cell, h);
    g->n = n_series;
    for (int i = 0; i < n && rc == 0; i++) {
        struct gate_cell *c = &r->cell[i];
        if (c->verdict == GATE_NONE && c->suspect && (c->method == GATE_RANKS || c->method == GATE_THRESHOLD))
            test_suspect(g, &g->w[i], c, base);
        c->same_build = c->verdict == GATE_NONE && c->suspect && build_is_known(&g->w[i], c);
    }
    if (rc == 0)
        rc = gate_decide(r->cell, n, g->p, g->e);
    for (int i = 0; i < n && rc == 0; i++)
        rc = gate_register(g, &g->w[i], &r->cell[i]);
    return rc;
}

static void say_baseline(struct gate_report *r, const struct gate_night *g)
{
    for (int i = 0; i < r->n; i++) {
        const struct gate_choice *b = &g->w[i].choice;
        r->n_runs = b->n_base > r->n_runs ? b->n_base : r->n_runs;
        for (int k = 0; k < b->n_base; k++) {
            int64_t t = g->w[i].x.p[b->base[k]].time;
            r->from = r->from && r->from < t ? r->from : t;
            r->to = r->to > t ? r->to : t;
        }
    }
}

int gate_run(struct gate_report *out, struct store *s, const struct gate_policy *p, const struct gate_hooks *h,
             struct err *e)
{
    struct gate_night g = {.store = s, .p = p, .e = e};
    *out = (struct gate_report){.policy = *p, .kind = "history"};
    clock_iso8601(out->generated_at);
    int rc = gate_read(&g);
    double *base = mem_alloc_n((size_t)p->window + 1, sizeof *base);
    out->cell = mem_alloc_n((size_t)g.n + 1, sizeof *out->cell);
    if (rc == 0 && (!base || !out->cell))
        rc = err_nomem(g.e, (size_t)g.n * sizeof *out->cell, "the gate's cells");
    if (rc == 0)
        rc = decide_all(&g, out, h, base);
    if (rc == 0)
        say_baseline(out, &g);
    mem_free(base);
    gate_night_free(&g);
    if (rc < 0) {
        gate_free(out);
        return rc;
    }
    gate_finish(out);
    return 0;
}

void gate_free(struct gate_report *r)
{
    for (int i = 0; r->cell && i < r->n; i++)
        mem_free(r->cell[i].history);
    mem_free(r->cell);
    *r = (struct gate_report){0};
}
