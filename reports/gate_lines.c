/* Sentences of the gate that several writers need, and the table of writers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "matrix/gate_cell.h"
#include "reports/report_files.h"
#include "reports/report_gate.h"

static const struct gate_writer writers[] = {
#define G(name, file, function) {name, file, function},
#include "reports/gate_writers.def"
#undef G
};
enum { N_WRITERS = sizeof writers / sizeof *writers };

const struct gate_writer *gate_writer_find(const char *name)
{
    for (int i = 0; i < N_WRITERS; i++)
        if (strcmp(writers[i].name, name) == 0)
            return &writers[i];
    return NULL;
}

int report_gate_write_dir(const char *dir, const struct gate_report *r, struct err *e)
{
    struct report_files f = {0};
    int rc = 0;
    for (int i = 0; i < N_WRITERS && rc == 0; i++)
        if (*writers[i].file)
            rc = writers[i].write(report_files_add(&f, writers[i].file), r, e);
    if (rc == 0)
        rc = report_files_write(&f, dir, e);
    report_files_free(&f);
    return rc;
}

static void add_word(struct gate_line *l, const char *word)
{
    size_t n = strlen(l->s);
    if (*word)
        snprintf(l->s + n, sizeof l->s - n, "%s%s", n ? " " : "", word);
}

struct gate_line gate_subject(const struct gate_cell *c)
{
    struct gate_line l = {""};
    const char *const word[] = {c->id.model, c->id.format, c->id.framework, c->id.workload};
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        add_word(&l, word[i]);
    return l;
}

struct gate_line gate_move(const struct gate_cell *c)
{
    struct gate_line l = {"-"};
    double v = 100 * (c->ratio.v - 1);
    if (isfinite(c->delta.lo) && strcmp(c->id.metric, "kld") == 0)
        snprintf(l.s, sizeof l.s, "%+.5f nats [%+.5f, %+.5f]", c->delta.v, c->delta.lo, c->delta.hi);
    else if (isfinite(c->ratio.lo))
        snprintf(l.s, sizeof l.s, "%+.1f %% [%+.1f, %+.1f]", v, 100 * (c->ratio.lo - 1), 100 * (c->ratio.hi - 1));
    else if (isfinite(v))
        snprintf(l.s, sizeof l.s, "%+.1f %%", v);
    return l;
}

struct gate_line gate_values(const struct gate_cell *c)
{
    struct gate_line l = {""};
    const char *unit = strcmp(c->id.unit, "1") == 0 ? "" : c->id.unit;
    if (isfinite(c->baseline))
        snprintf(l.s, sizeof l.s, "%.4g -> %.4g%s%s", c->baseline, c->current, *unit ? " " : "", unit);
    else
        snprintf(l.s, sizeof l.s, "%.4g%s%s", c->current, *unit ? " " : "", unit);
    return l;
}

struct gate_line gate_time(int64_t seconds)
{
    struct gate_line l = {""};
    if (seconds)
        clock_format(l.s, seconds);
    return l;
}

struct gate_line gate_suspects(const struct gate_cell *c)
{
    struct gate_line l = {""};
    if (c->first_bad.time)
        snprintf(l.s, sizeof l.s, "%.10s", gate_time(c->first_bad.time).s);
    if (*c->first_bad.commit) {
        size_t n = strlen(l.s);
        snprintf(l.s + n, sizeof l.s - n, " %.12s..%.12s", c->last_good.commit, c->first_bad.commit);
    }
    return l;
}

struct gate_line gate_headline(const struct gate_report *r)
{
    struct gate_line l;
    const char *what = strcmp(r->kind, "ab") == 0 ? "metrics" : "cells";
    int worse = r->count[GATE_REGRESSION], aside = 0;
    if (r->n == 0) {
        snprintf(l.s, sizeof l.s, "NOTHING TO DECIDE: the store has no runs%s", r->policy.since ? " since then" : "");
        return l;
    }
    for (int i = 0; i < r->n; i++)
        aside += r->cell[i].verdict == GATE_REGRESSION && !gate_cell_fails(&r->cell[i], &r->policy);
    size_t n = (size_t)snprintf(l.s, sizeof l.s, "%s: %d of %d %s regressed", r->failed ? "FAIL" : "PASS", worse, r->n,
                                what);
    if (aside)
        n += (size_t)snprintf(l.s + n, sizeof l.s - n, " (%d set aside)", aside);
    for (int order = 1; order < N_GATE_VERDICTS; order++)
        for (int v = 0; v < N_GATE_VERDICTS && n < sizeof l.s; v++)
            if (gate_verdict_order(v) == order && r->count[v])
                n += (size_t)snprintf(l.s + n, sizeof l.s - n, ", %d %s", r->count[v], gate_verdict_title(v));
    return l;
}

struct gate_line gate_policy_text(const struct gate_report *r)
{
    const struct gate_policy *p = &r->policy;
    struct gate_line l;
    if (strcmp(r->kind, "ab") == 0)
        snprintf(l.s, sizeof l.s,
                 "A and B in turn, %d runs each; two-sided Mann-Whitney test, %.0f %% interval of the ratio of medians "
                 "clear of 1, effect of at least %.3g %%, false discovery rate %.3g %% over %d metrics",
                 r->n_runs, 100 * p->ci_level, 100 * p->min_effect, 100 * p->q, r->n_tested);
    else
        snprintf(
            l.s, sizeof l.s,
            "baseline: up to %d runs; suspicious cells run again; exact Mann-Whitney test, %.0f %% interval of the "
            "ratio of medians clear of 1, effect of at least %.3g %%, false discovery rate %.3g %% over %d tests; "
            "quality in pairs, limit %.3g nats",
            p->window, 100 * p->ci_level, 100 * p->min_effect, 100 * p->q, r->n_tested, p->max_ln_ppl);
    return l;
}
