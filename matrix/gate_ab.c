/* Two named builds: two-sided, for nobody knows beforehand which is better. */
#include "matrix/gate_ab.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/stats_compare.h"
#include "matrix/gate_cell.h"

#define SAY(c, ...) snprintf((c)->reason, sizeof(c)->reason, __VA_ARGS__)

static int take_history(struct gate_cell *c, const struct ab_metric *m, struct err *e)
{
    c->history = mem_alloc_n((size_t)(m->n[0] + m->n[1]) + 1, sizeof *c->history);
    if (!c->history)
        return err_nomem(e, 0, "the runs");
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < m->n[side]; i++) {
            struct point *p = &c->history[c->n_history++];
            *p = (struct point){.run = 2 * i + side, .time = m->run[side][i].time, .value = m->run[side][i].value};
            snprintf(p->commit, sizeof p->commit, "%c", "AB"[side]);
        }
    return 0;
}

/* 0 or why the two cannot be compared. */
static const char *why_not(const struct ab_metric *m, const struct gate_cell *c)
{
    if (!m->n[0] || !m->n[1])
        return m->n[0] ? "B printed no such figure" : "A printed no such figure";
    for (int i = 0; i < c->n_history; i++)
        if (!(c->history[i].value > 0))
            return "a value that is not positive: no ratio can be tested";
    return NULL;
}

static void compare(struct gate_cell *c, const struct ab_metric *m, const struct gate_policy *p)
{
    double a[AB_MOST_RUNS], b[AB_MOST_RUNS];
    for (int i = 0; i < m->n[0]; i++)
        a[i] = m->run[0][i].value;
    for (int i = 0; i < m->n[1]; i++)
        b[i] = m->run[1][i].value;
    c->baseline = stats_median(a, m->n[0]);
    c->current = stats_median(b, m->n[1]);
    c->noise = stats_mad(a, m->n[0]) / c->baseline;
    c->effect = -m->better * (c->current / c->baseline - 1);
    c->suspect = (c->effect > 0) - (c->effect < 0);
    c->p = stats_mann_whitney_two_sided(b, m->n[1], a, m->n[0]);
    c->ratio = stats_ratio_of_medians(b, m->n[1], a, m->n[0], p->ci_level, p->n_resamples, gate_cell_seed(c, p));
    c->tested = true;
}

static int begin_cell(struct gate_cell *c, const struct ab_metric *m, const struct gate_policy *p, struct err *e)
{
    struct series id = {.better = m->better};
    snprintf(id.key, sizeof id.key, "%s", m->name);
    snprintf(id.metric, sizeof id.metric, "%s", m->name);
    snprintf(id.unit, sizeof id.unit, "%s", m->unit);
    gate_cell_begin(c, &id, m->n[0], m->n[1]);
    c->method = GATE_RANKS;
    int rc = take_history(c, m, e);
    const char *why = rc < 0 ? NULL : why_not(m, c);
    if (why) {
        c->verdict = m->n[0] && m->n[1] ? GATE_INSUFFICIENT : GATE_FAILED;
        SAY(c, "%s", why);
    } else if (rc == 0) {
        compare(c, m, p);
    }
    return rc;
}

static void decide(struct gate_cell *c, const struct gate_policy *p, int n_tested)
{
    bool clear = c->ratio.lo > 1 || c->ratio.hi < 1, beyond = fabs(c->effect) >= p->min_effect;
    if (c->p_adjusted <= p->q && clear && beyond) {
        c->verdict = c->suspect > 0 ? GATE_REGRESSION : GATE_IMPROVEMENT;
    } else if (2 * gate_smallest_p(c->n_base, c->n_new) * n_tested > p->q) { /* two-sided: either end */
        c->verdict = GATE_INSUFFICIENT;
        SAY(c, "%d and %d runs cannot tell anything among %d metrics: more --runs", c->n_base, c->n_new, n_tested);
    } else if (c->p_adjusted <= p->q && clear) {
        SAY(c, "different, by less than %.3g %%", 100 * p->min_effect);
    }
}

static int decide_all(struct gate_report *r, struct err *e)
{
    double *p = mem_alloc_n((size_t)r->n + 1, sizeof *p);
    int n = 0, k = 0;
    if (!p)
        return err_nomem(e, (size_t)r->n * sizeof *p, "the tests");
    for (int i = 0; i < r->n; i++)
        if (r->cell[i].tested)
            p[n++] = r->cell[i].p;
    int rc = stats_benjamini_hochberg(p, p, n);
    for (int i = 0; i < r->n && rc == 0; i++)
        if (r->cell[i].tested) {
            r->cell[i].p_adjusted = p[k++];
            decide(&r->cell[i], &r->policy, n);
        }
    mem_free(p);
    return rc < 0 ? err_nomem(e, (size_t)r->n * sizeof *p, "the tests") : 0;
}

int gate_ab(struct gate_report *out, const struct ab_result *runs, const struct ab_options *o,
            const struct gate_policy *p, struct err *e)
{
    *out = (struct gate_report){.policy = *p, .kind = "ab"};
    clock_iso8601(out->generated_at);
    snprintf(out->a, sizeof out->a, "%s", o->command[0]);
    snprintf(out->b, sizeof out->b, "%s", o->command[1]);
    out->cell = mem_alloc_n((size_t)runs->n + 1, sizeof *out->cell);
    int rc = out->cell ? 0 : err_nomem(e, (size_t)runs->n * sizeof *out->cell, "the gate's cells");
    for (int i = 0; i < runs->n && rc == 0; i++) {
        rc = begin_cell(&out->cell[i], &runs->metric[i], p, e);
        out->n_runs = runs->metric[i].n[0] > out->n_runs ? runs->metric[i].n[0] : out->n_runs;
        out->n = i + 1;
    }
    if (rc == 0)
        rc = decide_all(out, e);
    if (rc < 0)
        gate_free(out);
    else
        gate_finish(out);
    return rc;
}
