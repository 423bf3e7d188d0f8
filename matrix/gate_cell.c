/* One cell of the gate: is it suspicious, what do its tests say, and, over all cells of a night, what is confirmed.
 *
 * A cell that the screen lets pass enters with p = 1. The screened run is one of those that are tested: that keeps p
 * valid, for of all ways to hand out the ranks the screen only drops some. */
#include "matrix/gate_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rng.h"
#include "bench/record_fields.h"
#include "bench/stats_compare.h"

const struct gate_policy gate_defaults = {.min_effect = 0.02,
                                          .q = 0.05,
                                          .screen_floor = 0.015,
                                          .screen_sigmas = 2.5,
                                          .ci_level = 0.99,
                                          .max_ln_ppl = 0.005,
                                          .window = 30,
                                          .min_runs = 8,
                                          .n_reruns = 3,
                                          .n_resamples = 2000,
                                          .fail_on = GATE_SPEED | GATE_QUALITY | GATE_MEMORY};

static const struct {
    const char *name, *title, *counted;
    int order;
} verdicts[N_GATE_VERDICTS] = {
#define V(constant, name, title, order, counted) [constant] = {name, title, counted, order},
#include "matrix/gate_verdicts.def"
#undef V
};
static const struct {
    const char *name;
    int needs;
} methods[N_GATE_METHODS] = {
#define METHOD(constant, name, needs) [constant] = {name, needs},
#include "matrix/gate_methods.def"
#undef METHOD
};
static const struct {
    const char *metric, *group, *unit;
    unsigned kind;
    enum gate_method method;
} kinds[] = {
#define METRIC(metric, group, unit, kind, method) {metric, group, unit, kind, method},
#include "matrix/gate_methods.def"
#undef METRIC
};

const char *gate_verdict_name(enum gate_verdict v)
{
    return verdicts[v].name;
}
const char *gate_verdict_title(enum gate_verdict v)
{
    return verdicts[v].title;
}
const char *gate_verdict_counted(enum gate_verdict v)
{
    return verdicts[v].counted;
}
int gate_verdict_order(enum gate_verdict v)
{
    return verdicts[v].order;
}
const char *gate_method_name(enum gate_method m)
{
    return methods[m].name;
}
int gate_runs_needed(enum gate_method m, const struct gate_policy *p)
{
    return methods[m].needs < 0 ? p->min_runs : methods[m].needs;
}

static bool fits(const char *row, const char *word)
{
    return !*row || strcmp(row, word) == 0;
}

void gate_cell_kind(struct gate_cell *c)
{
    const struct record_field *f = record_figure_find(c->id.metric);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (fits(kinds[i].metric, c->id.metric) && fits(kinds[i].group, f ? f->group : "-") &&
            fits(kinds[i].unit, c->id.unit)) {
            c->kind = kinds[i].kind;
            c->method = kinds[i].method;
            return;
        }
}

void gate_cell_begin(struct gate_cell *c, const struct series *id, int n_base, int n_new)
{
    *c = (struct gate_cell){.id = *id,
                            .baseline = NAN,
                            .current = NAN,
                            .ratio = INTERVAL_NONE,
                            .delta = INTERVAL_NONE,
                            .effect = NAN,
                            .p = NAN,
                            .p_adjusted = NAN,
                            .noise = NAN,
                            .n_base = n_base,
                            .n_new = n_new};
    c->id.p = NULL;
    c->id.n = 0;
    gate_cell_kind(c);
}

/* ---- tests ---- */

static double worse_by(const struct gate_cell *c, double value)
{
    return -c->id.better * (value / c->baseline - 1);
}

/* As a factor either way, to be laid beside noise: a rate falls by no more than all of it, and noise may be wider. */
static double worse_as_factor(const struct gate_cell *c, double value)
{
    double ratio = value / c->baseline;
    return -c->id.better * (ratio < 1 ? 1 - 1 / ratio : ratio - 1);
}

int gate_screen(struct gate_cell *c, const struct gate_policy *p, const double *base, int n_base, double value)
{
    c->baseline = stats_median(base, n_base);
    c->current = value;
    c->noise = stats_mad(base, n_base) / c->baseline;
    c->effect = worse_by(c, value);
    c->ratio = (struct interval){value / c->baseline, NAN, NAN};
    double limit = fmax(p->screen_floor, p->screen_sigmas * c->noise);
    double moved = worse_as_factor(c, value);
    c->suspect = moved > limit ? 1 : moved < -limit ? -1 : 0;
    return c->suspect;
}

uint64_t gate_cell_seed(const struct gate_cell *c, const struct gate_policy *p)
{
    struct rng r;
    rng_seed_text(&r, p->seed, c->id.key);
    return rng_u64(&r);
}

void gate_test_ranks(struct gate_cell *c, const struct gate_policy *p, const double *base, int n_base,
                     const double *fresh, int n_fresh)
{
    c->current = stats_median(fresh, n_fresh);
    c->effect = worse_by(c, c->current);
    c->n_base = n_base;
    c->n_new = n_fresh;
    bool larger = c->suspect * -c->id.better > 0; /* the direction that is tested */
    c->p = larger ? stats_mann_whitney(fresh, n_fresh, base, n_base) : stats_mann_whitney(base, n_base, fresh, n_fresh);
    c->ratio = stats_ratio_of_medians(fresh, n_fresh, base, n_base, p->ci_level, p->n_resamples, gate_cell_seed(c, p));
}

void gate_test_threshold(struct gate_cell *c, const struct gate_policy *p, int n_base, const double *fresh, int n_fresh)
{
    double limit = fmax(p->min_effect, p->screen_sigmas * c->noise);
    bool all = true;
    c->current = stats_median(fresh, n_fresh);
    c->effect = worse_by(c, c->current);
    c->ratio = (struct interval){c->current / c->baseline, NAN, NAN};
    c->n_base = n_base;
    c->n_new = n_fresh;
    for (int i = 0; i < n_fresh; i++)
        all &= c->suspect * worse_as_factor(c, fresh[i]) >= limit;
    c->suspect = all ? c->suspect : 0;
}

static bool is_ppl(const struct gate_cell *c)
{
    return strcmp(c->id.metric, "ppl") == 0;
}
static bool is_kld(const struct gate_cell *c)
{
    return strcmp(c->id.metric, "kld") == 0;
}

void gate_test_chunks(struct gate_cell *c, const struct gate_policy *p, double *d, int n)
{
    c->delta = stats_mean_at_level(d, n, p->ci_level, p->n_resamples, gate_cell_seed(c, p));
    c->suspect = (c->delta.v > p->max_ln_ppl) - (c->delta.v < -p->max_ln_ppl);
    for (int i = 0; i < n && c->suspect < 0; i++) /* the direction that is tested */
        d[i] = -d[i];
    c->p = stats_wilcoxon(d, n);
    if (is_ppl(c)) /* a chunk's figure is its mean -ln of a token's probability */
        c->ratio = (struct interval){exp(c->delta.v), exp(c->delta.lo), exp(c->delta.hi)};
    else
        c->ratio = (struct interval){c->current / c->baseline, NAN, NAN};
    c->effect = c->ratio.v - 1;
}

/* Answers are kept as counts against the reference's. Two runs can differ in an item only where one of them differs
 * from the reference: that bounds how many do, and more of them make any difference less surprising, so p is at most
 * this. */
void gate_test_answers(struct gate_cell *c, const struct gate_policy *p, const struct task_result *base,
                       const struct task_result *now)
{
    int lost = base->n_correct - now->n_correct;
    int most = base->n_lost + base->n_gained + now->n_lost + now->n_gained;
    most = most < abs(lost) ? abs(lost) : most - (most - abs(lost)) % 2;
    c->p = stats_mcnemar((most + lost) / 2, (most - lost) / 2);
    c->ratio = (struct interval){c->current / c->baseline, NAN, NAN};
    c->effect = worse_by(c, c->current);
    c->suspect = (c->effect >= p->min_effect) - (c->effect <= -p->min_effect);
    snprintf(c->reason, sizeof c->reason, "%d of %d right, %d before; at most %d answers differ", now->n_correct,
             now->n_items, base->n_correct, most);
}

void gate_test_figures(struct gate_cell *c, const struct gate_policy *p)
{
    double limit = p->min_effect, moved = worse_by(c, c->current);
    c->ratio = (struct interval){c->current / c->baseline, NAN, NAN};
    c->effect = moved;
    if (is_ppl(c) || is_kld(c)) {
        moved = is_ppl(c) ? log(c->current / c->baseline) : c->current - c->baseline;
        c->delta = (struct interval){moved, NAN, NAN};
        limit = p->max_ln_ppl;
    }
    c->suspect = (moved > limit) - (moved < -limit);
    snprintf(c->reason, sizeof c->reason, "two figures compared: no parts of the runs are kept");
}

/* ---- verdicts ---- */

static enum gate_verdict confirmed(const struct gate_cell *c)
{
    return c->same_build ? GATE_ENVIRONMENT_DRIFT : c->suspect > 0 ? GATE_REGRESSION : GATE_IMPROVEMENT;
}

#define SAY(c, ...) snprintf((c)->reason, sizeof(c)->reason, __VA_ARGS__)

static const char *word(const struct gate_cell *c)
{
    return c->suspect > 0 ? "worse" : "better";
}

double gate_smallest_p(int n_base, int n_new)
{
    double p = 1;
    for (int i = 1; i <= n_new; i++)
        p *= (double)i / (n_base + i);
    return p;
}

static enum gate_verdict decide_ranks(struct gate_cell *c, const struct gate_policy *p, int n_tested)
{
    double by = 100 * fabs(c->effect);
    if (!c->suspect)
        return GATE_NONE;
    /* as one run had to, at first */
    if (c->suspect * worse_as_factor(c, c->current) < fmax(p->min_effect, p->screen_sigmas * c->noise)) {
        if (c->n_new > 1)
            SAY(c, "suspicious at first, not so in %d fresh runs", c->n_new);
        return GATE_NONE;
    }
    if (c->n_new < 2) {
        SAY(c, "%.1f %% %s in one run, which was not run again: %d more would tell", by, word(c), p->n_reruns);
        return GATE_INSUFFICIENT;
    }
    bool larger = c->suspect * -c->id.better > 0;
    if (c->p_adjusted <= p->q && (larger ? c->ratio.lo > 1 : c->ratio.hi < 1))
        return confirmed(c);
    if (gate_smallest_p(c->n_base, c->n_new) * n_tested > p->q) {
        SAY(c, "%.1f %% %s, but %d fresh runs against %d cannot stand out among %d tests", by, word(c), c->n_new,
            c->n_base, n_tested);
        return GATE_INSUFFICIENT;
    }
    SAY(c, "%.1f %% %s in the median of %d runs, which disagree too much to be sure", by, word(c), c->n_new);
    return GATE_NOISY;
}

static enum gate_verdict decide_limit(struct gate_cell *c, const struct gate_policy *p, int n_tested)
{
    (void)p, (void)n_tested;
    return c->suspect ? confirmed(c) : GATE_NONE;
}

static enum gate_verdict decide_chunks(struct gate_cell *c, const struct gate_policy *p, int n_tested)
{
    (void)n_tested;
    if (!c->suspect)
        return GATE_NONE;
    bool beyond = c->suspect > 0 ? c->delta.lo > p->max_ln_ppl : c->delta.hi < -p->max_ln_ppl;
    if (beyond && c->p <= p->q)
        return confirmed(c);
    SAY(c, "%.4f nats %s in the mean of %d chunks, which disagree too much to be sure", fabs(c->delta.v), word(c),
        c->n_new);
    return GATE_NOISY;
}

static enum gate_verdict decide_answers(struct gate_cell *c, const struct gate_policy *p, int n_tested)
{
    (void)n_tested;
    return c->suspect && c->p_adjusted <= p->q ? confirmed(c) : GATE_NONE;
}

/* Worse and better are two families of hypotheses: many improvements make no regression likelier. */
static int adjust(struct gate_cell *cell, int n, int suspect, int n_tested, double *p, struct err *e)
{
    int k = 0;
    for (int i = 0; i < n; i++)
        if (cell[i].tested)
            p[k++] = cell[i].suspect == suspect && isfinite(cell[i].p) && cell[i].n_new > 1 ? cell[i].p : 1;
    if (stats_benjamini_hochberg(p, p, n_tested) < 0)
        return err_nomem(e, (unsigned long long)n * sizeof *p, "the gate's tests");
    k = 0;
    for (int i = 0; i < n; i++) {
        if (cell[i].tested && cell[i].suspect == suspect)
            cell[i].p_adjusted = p[k];
        k += cell[i].tested;
    }
    return 0;
}

int gate_decide(struct gate_cell *cell, int n, const struct gate_policy *p, struct err *e)
{
    static enum gate_verdict (*const decide[N_GATE_METHODS])(struct gate_cell *, const struct gate_policy *, int) = {
        [GATE_RANKS] = decide_ranks,     [GATE_THRESHOLD] = decide_limit, [GATE_CHUNKS] = decide_chunks,
        [GATE_ANSWERS] = decide_answers, [GATE_FIGURES] = decide_limit,
    };
    double *adjusted = mem_alloc_n((size_t)n + 1, sizeof *adjusted);
    int n_tested = 0, rc = 0;
    if (!adjusted)
        return err_nomem(e, (unsigned long long)n * sizeof *adjusted, "the gate's tests");
    for (int i = 0; i < n; i++)
        n_tested += cell[i].tested;
    for (int suspect = -1; suspect <= 1 && rc == 0; suspect++)
        rc = adjust(cell, n, suspect, n_tested, adjusted, e);
    for (int i = 0; i < n && rc == 0; i++)
        if (cell[i].verdict == GATE_NONE)
            cell[i].verdict = decide[cell[i].method](&cell[i], p, n_tested);
    mem_free(adjusted);
    return rc;
}

/* ---- the whole report ---- */

struct place {
    int order, at;
};
static int by_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->order != y->order ? (x->order > y->order) - (x->order < y->order) : x->at - y->at;
}

/* Without memory they stay as they are: an order, no error. */
static void sort_cells(struct gate_cell *cell, int n)
{
    struct place *place = mem_alloc_n((size_t)n, sizeof *place);
    struct gate_cell *was = mem_alloc_n((size_t)n, sizeof *was);
    if (place && was) {
        memcpy(was, cell, (size_t)n * sizeof *cell);
        for (int i = 0; i < n; i++)
            place[i] = (struct place){gate_verdict_order(cell[i].verdict), i};
        qsort(place, (size_t)n, sizeof *place, by_order);
        for (int i = 0; i < n; i++)
            cell[i] = was[place[i].at];
    }
    mem_free(place);
    mem_free(was);
}

bool gate_cell_fails(const struct gate_cell *c, const struct gate_policy *p)
{
    return (c->verdict == GATE_REGRESSION && c->state == CHANGE_NEW && (c->kind & p->fail_on)) ||
           (c->verdict == GATE_FAILED && (p->fail_on & GATE_MISSING));
}

void gate_finish(struct gate_report *r)
{
    memset(r->count, 0, sizeof r->count);
    r->n_tested = 0;
    r->failed = false;
    for (int i = 0; i < r->n; i++) {
        const struct gate_cell *c = &r->cell[i];
        r->count[c->verdict]++;
        r->n_tested += c->tested;
        r->failed |= gate_cell_fails(c, &r->policy);
    }
    sort_cells(r->cell, r->n);
}
