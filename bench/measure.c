/* The order in which cells are measured: groups of sessions that fit in memory; in a group warm-up, then repetitions
 * A B C A B C until every cell's interval is narrow, the cap is reached or the budget is spent. */
#include "bench/measure_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"

enum { LEAST_PROMPT = 32, LEAST_GEN = 8, FEW_REPS = 3, BLOCK_PROMPT = 16, BLOCK_GEN = 4, WARM_GEN = 16 };
static const double steady = 0.01;      /* two blocks that differ by less: warm */
static const double memory_share = 0.5; /* of what is free, for the sessions of a group */
static const double spin_seconds = 0.0005;
static const double least_for_bandwidth_s = 5;

void measure_defaults(struct measure_opts *o)
{
    *o = (struct measure_opts){.min_reps = 5,
                               .max_reps = 25,
                               .warmup_cap_s = 3,
                               .target_half_width = 0.02,
                               .budget_s = NAN,
                               .seed = 42,
                               .bandwidth_gb_s = NAN};
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* ---- sessions ---- */

static void close_cell(struct live *c)
{
    if (c->session)
        c->cell->runner->close(c->session);
    c->session = NULL;
}

/* Not begun behind its deadline; cut off there it is no failure of the framework's. */
static int open_in_time(struct session **out, const struct measure_cell *cell, struct err *e)
{
    const uint64_t t0 = clock_ns();
    if (cell->deadline_ns && t0 >= cell->deadline_ns)
        return err_set(e, ERR_NOT_REACHED, "not measured: the budget ended before it was its turn");
    int rc = cell->runner->open(out, cell, e);
    if (rc == ERR_TIMEOUT && cell->deadline_ns && clock_ns() >= cell->deadline_ns)
        return err_set(e, ERR_NOT_REACHED, "not measured: the budget ended while it was loading, after %.1f s",
                       (double)(clock_ns() - t0) * 1e-9);
    return rc;
}

static int open_cell(struct live *c, struct err *e)
{
    int rc =
        c->cell->why_not ? err_set(e, ERR_UNSUPPORTED, "%s", c->cell->why_not) : open_in_time(&c->session, c->cell, e);
    if (rc < 0) {
        c->session = NULL;
        return rc;
    }
    c->cell->runner->describe(c->session, c->r);
    const struct memory_use *u = &c->r->memory;
    c->held_bytes = c->outside_bytes = 0;
    if (c->cell->runner->real)
        c->outside_bytes = c->cell->runner->own_process || u->peak_rss_bytes < 0 ? 0 : u->peak_rss_bytes;
    else
        c->held_bytes = (u->kv_bytes > 0 ? u->kv_bytes : 0) + (u->scratch_bytes > 0 ? u->scratch_bytes : 0);
    return 0;
}

/* Opens cells from i0 on while their sessions fit together; returns the end of the group. */
static int open_group(struct measure_run *m, int i0)
{
    struct probe_state now;
    probe_sample(&now);
    double room = now.available_bytes < 0 ? INFINITY : (double)now.available_bytes * memory_share, taken = 0;
    int n_open = 0;
    for (int i = i0; i < m->n; i++) {
        struct live *c = &m->live[i];
        struct err e = {0};
        int rc = open_cell(c, &e);
        bool too_much = rc == ERR_NOMEM || rc == ERR_LIMIT;
        taken += rc == 0 ? (double)(c->held_bytes + c->outside_bytes) : 0;
        if (n_open > 0 && (too_much || taken > room)) {
            close_cell(c);
            return i; /* it opens the next group */
        }
        if (rc < 0)
            fail_cell(c, rc, e.text);
        n_open += rc == 0;
    }
    return m->n;
}

/* ---- warm-up ---- */

static bool differ_little(double a, double b)
{
    return !(fabs(a / b - 1) > steady);
} /* NaN: no such phase */

/* A short block tells what things cost; longer ones follow until two in a row agree or the time for it is over. */
static int warm_up(struct measure_run *m, struct live *c, double cap_s, struct err *e)
{
    struct workload w = m->w;
    w.n_prompt = least(w.n_prompt, BLOCK_PROMPT);
    w.n_gen = least(w.n_gen, BLOCK_GEN);
    uint64_t end = clock_ns() + (uint64_t)(cap_s * 1e9);
    int rc = run_once(m, c, &w, m->visit, e);
    if (c->cell->runner->own_process)
        return rc;
    w.n_gen = least(m->w.n_gen, WARM_GEN);
    if (c->prompt_ns * m->w.n_prompt < cap_s * 1e9 / 4)
        w.n_prompt = m->w.n_prompt; /* touches all of the scratch */
    double prefill = INFINITY, decode = INFINITY;
    while (rc == 0 && !interrupt_seen() && (double)clock_ns() + visit_cost_ns(c, &w) < (double)end) {
        rc = run_once(m, c, &w, m->visit, e);
        const struct sample *s = &m->visit->sample;
        if (rc == 0 && differ_little(s->prefill_ns, prefill) && differ_little(s->decode_ns, decode))
            break;
        prefill = s->prefill_ns;
        decode = s->decode_ns;
    }
    return rc;
}

/* A failure, unless it was the end that cut it off: then what was measured before counts. */
static void fail_or_end(const struct measure_run *m, struct live *c, int rc, const struct err *e)
{
    if (rc != ERR_TIMEOUT || !past_end(m))
        fail_cell(c, rc, e->text);
    else if (c->n_reps == 0)
        fail_cell(c, ERR_NOT_REACHED, "not measured: the budget ended during its first repetition");
    else
        c->done = c->cut = true;
}

static int warm_group(struct measure_run *m, int i0, int i1)
{
    double cap = m->o->warmup_cap_s, left = clock_left_s(m->deadline_ns);
    cap = fmin(cap, 0.15 * left / (m->n - i0));
    for (int i = i0; i < i1; i++) {
        struct err e = {0};
        if (m->live[i].done || clock_left_s(m->deadline_ns) <= 0 || past_end(m))
            continue;
        int rc = interrupt_seen() ? ERR_CANCELLED : warm_up(m, &m->live[i], cap, &e);
        if (rc == ERR_CANCELLED)
            return rc;
        if (rc < 0)
            fail_or_end(m, &m->live[i], rc, &e);
    }
    return 0;
}

/* ---- the workload that fits the budget ---- */

static double round_cost_s(const struct measure_run *m, int i0, int i1, const struct workload *w)
{
    double ns = 0;
    for (int i = i0; i < i1; i++)
        ns += m->live[i].done ? 0 : visit_cost_ns(&m->live[i], w);
    return ns * 1e-9;
}

static int scaled(int n, double factor, int floor)
{
    int v = (int)(n * factor);
    v -= v > floor ? v % 8 : 0;
    return n <= floor ? n : v < floor ? floor : v;
}

/* The largest workload of which FEW_REPS rounds fit into the group's share of the time, the same for all cells; the
 * least one when there is no time left and nothing was warmed up that could tell what things cost. */
static void fit_workload(struct measure_run *m, int i0, int i1)
{
    double room = clock_left_s(m->deadline_ns) * (i1 - i0) / (m->n - i0) / FEW_REPS;
    struct workload w = m->w;
    if (room <= 0) {
        w.n_prompt = least(w.n_prompt, LEAST_PROMPT);
        w.n_gen = least(w.n_gen, LEAST_GEN);
    }
    for (double factor = 1; factor > 0.01 && round_cost_s(m, i0, i1, &w) > room; factor *= 0.9) {
        w.n_prompt = scaled(m->w.n_prompt, factor, LEAST_PROMPT);
        w.n_gen = scaled(m->w.n_gen, factor, LEAST_GEN);
    }
    m->w = w;
}

/* ---- repetitions ---- */

static bool out_of_time(const struct measure_run *m, const struct live *c)
{
    const uint64_t end_ns = c->n_reps > 0 ? m->deadline_ns : m->o->end_ns;
    return end_ns && (clock_left_s(end_ns) <= 0 || clock_left_s(end_ns) * 1e9 < visit_cost_ns(c, &m->w));
}

/* One repetition of every cell that needs more; *n_ran = how many ran. */
static int run_round(struct measure_run *m, int i0, int i1, int rep, int *n_ran)
{
    *n_ran = 0;
    for (int i = i0; i < i1; i++) {
        struct live *c = &m->live[i];
        struct err e = {0};
        if (c->done || out_of_time(m, c))
            continue;
        int rc = interrupt_seen() ? ERR_CANCELLED : visit_cell(m, c, &e);
        if (rc == ERR_CANCELLED)
            return rc;
        if (rc < 0)
            fail_or_end(m, c, rc, &e);
        else if (m->o->on_progress)
            m->o->on_progress(m->o->arg, i, rep);
        ++*n_ran;
    }
    return 0;
}

static int repeat_group(struct measure_run *m, int i0, int i1)
{
    int n_ran = 1, rc = 0, most = least(m->o->max_reps, RECORD_MAX_SAMPLES);
    for (int rep = 0; rep < most && n_ran > 0 && rc == 0; rep++) {
        rc = run_round(m, i0, i1, rep, &n_ran);
        for (int i = i0; i < i1 && rep + 1 >= m->o->min_reps; i++)
            m->live[i].done |= narrow_enough(m, &m->live[i]);
    }
    return rc;
}

/* Once something is there to be measured. Too little memory to measure bandwidth is no reason not to measure speed: the
 * share is then unknown. */
static void calibrate(struct measure_run *m, const struct live *c)
{
    double left = clock_left_s(m->deadline_ns);
    if (c->failed || m->spin_rounds)
        return;
    m->spin_rounds = spin_rounds_of(c->cell->pool, spin_seconds);
    m->own_bandwidth = isnan(m->o->bandwidth_gb_s) && left > least_for_bandwidth_s &&
                       bandwidth_open(&m->bandwidth, c->cell->pool, c->cell->isa, NULL) == 0 &&
                       bandwidth_find_cache(&m->bandwidth, fmin(0.5, 0.02 * left), NULL) == 0;
}

static void ask_more(struct measure_run *m, int i)
{
    struct live *c = &m->live[i];
    struct err e = {0};
    int rc = m->o->before_close && c->n_reps > 0 && !c->cut ? m->o->before_close(m->o->arg, i, c->session, &e) : 0;
    if (rc < 0 && rc != ERR_CANCELLED)
        fail_cell(c, rc, e.text);
}

/* The group's workload may be shortened; the next group starts from what was asked for again. */
static int run_group(struct measure_run *m, int i0, int i1, const struct workload *asked)
{
    m->w = *asked;
    for (int i = i0; i < i1; i++)
        calibrate(m, &m->live[i]);
    int rc = warm_group(m, i0, i1);
    if (rc == 0 && !past_end(m))
        rc = choose_threads(m, i0, i1);
    if (rc == 0) {
        if (!m->o->keep_workload)
            fit_workload(m, i0, i1);
        rc = repeat_group(m, i0, i1);
    }
    for (int i = i0; i < i1; i++) {
        struct live *c = &m->live[i];
        if (c->session)
            c->cell->runner->describe(c->session, c->r);
        if (rc == 0 && c->session && !c->failed)
            ask_more(m, i);
        finish_cell(m, c, asked);
        close_cell(c);
    }
    return rc;
}

/* ---- the whole ---- */

static void free_times(struct live *c)
{
    mem_free(c->gaps.x);
    mem_free(c->ttfts.x);
}

static void init_cell(struct live *c, const struct measure_cell *cell, struct record *r, const struct workload *w)
{
    *c = (struct live){.cell = cell, .r = r, .hottest_c = NAN, .slowest_ghz = NAN};
    speed_none(&r->speed);
    r->status = STATUS_OK;
    r->workload.n_prompt = w->n_prompt;
    r->workload.n_gen = w->n_gen;
    r->workload.n_depth = w->n_depth;
    r->workload.threads = cell->threads > 0 ? cell->threads : pool_n_threads(cell->pool);
    r->workload.n_batch = cell->n_batch > 0 ? cell->n_batch : r->workload.n_batch;
    r->workload.n_ctx = cell->n_ctx > 0 ? cell->n_ctx : r->workload.n_ctx;
    r->workload.streams = cell->streams;
    r->isa = cell->isa;
    if (!r->date[0])
        clock_iso8601(r->date);
}

static int check_arguments(const struct workload *w, const struct measure_opts *o, struct err *e)
{
    if (w->n_prompt < 0 || w->n_gen < 0 || w->n_depth < 0 || w->n_prompt + w->n_gen == 0)
        return err_set(e, ERR_USAGE, "nothing to measure: %d prompt tokens, %d generated tokens at depth %d",
                       w->n_prompt, w->n_gen, w->n_depth);
    if (w->n_gen > MAX_TOKEN_TIMES)
        return err_set(e, ERR_USAGE, "%d generated tokens: at most %d are timed", w->n_gen, MAX_TOKEN_TIMES);
    if (o->max_reps < 1)
        return err_set(e, ERR_USAGE, "%d repetitions: give at least 1", o->max_reps);
    return 0;
}

static int run_groups(struct measure_run *m, const struct workload *w, struct err *e)
{
    int rc = 0;
    for (int i0 = 0, i1; i0 < m->n && rc == 0; i0 = i1) {
        i1 = open_group(m, i0);
        rc = run_group(m, i0, i1, w);
        for (int i = i1; i < m->n && rc < 0; i++)
            finish_cell(m, &m->live[i], w);
    }
    return rc == ERR_CANCELLED ? err_set(e, rc, "interrupted: what was measured before is kept") : rc;
}

int measure_cells(const struct measure_cell *cell, struct record *r, int n, const struct workload *w,
                  const struct measure_opts *o, struct err *e)
{
    struct measure_run m = {.o = o, .w = *w, .n = n};
    int rc = check_arguments(w, o, e);
    if (rc < 0 || n == 0)
        return rc;
    if (isfinite(o->budget_s))
        m.deadline_ns = clock_ns() + (uint64_t)(fmax(o->budget_s, 0) * 1e9) + 1;
    m.live = mem_alloc_n((size_t)n, sizeof *m.live);
    m.visit = mem_alloc(sizeof *m.visit);
    m.again = mem_alloc(sizeof *m.again);
    rc = m.live && m.visit && m.again ? 0 : err_nomem(e, (unsigned long long)n * sizeof *m.live, "the measurement");
    if (rc == 0) {
        for (int i = 0; i < n; i++)
            init_cell(&m.live[i], &cell[i], &r[i], w);
        rc = run_groups(&m, w, e);
        bandwidth_close(&m.bandwidth);
    }
    for (int i = 0; i < n && m.live; i++)
        free_times(&m.live[i]);
    mem_free(m.live);
    mem_free(m.visit);
    mem_free(m.again);
    return rc;
}
