/* Quality is compared within pairs: the same chunks of text, the same questions, in two runs. The run before is the one
 * whose figure is the baseline's median: the last one alone would let a slow decline pass in small steps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/stats.h"
#include "matrix/gate_int.h"

static const struct {
    const char *metric, *samples;
} chunked[] = {{"ppl", "chunk_nll"}, {"kld", "chunk_kld"}};

static const struct point *middle_run(const struct watched *w, double median)
{
    const struct point *best = &w->x.p[w->choice.base[w->choice.n_base - 1]];
    for (int i = w->choice.n_base - 1; i >= 0; i--) {
        const struct point *p = &w->x.p[w->choice.base[i]];
        if (fabs(p->value - median) < fabs(best->value - median))
            best = p;
    }
    return best;
}

/* 1: tested; 0: no chunks, or others than before. */
static int test_chunks(struct gate_night *g, struct gate_cell *c, const struct point *before, const struct point *now)
{
    const char *samples = NULL;
    for (size_t i = 0; i < sizeof chunked / sizeof *chunked; i++)
        samples = strcmp(chunked[i].metric, c->id.metric) == 0 ? chunked[i].samples : samples;
    int n = samples ? series_samples(g->store, now->run, samples, NULL, 0, g->e) : 0;
    if (n <= 1)
        return n < 0 ? n : 0;
    double *x = mem_alloc_n(2 * (size_t)n, sizeof *x);
    if (!x)
        return err_nomem(g->e, 2 * (size_t)n * sizeof *x, "the chunks of two runs");
    int rc = series_samples(g->store, now->run, samples, x, n, g->e);
    int n_before = rc < 0 ? rc : series_samples(g->store, before->run, samples, x + n, n, g->e);
    if (n_before == n && rc == n) {
        c->n_new = n;
        for (int i = 0; i < n; i++)
            x[i] -= x[n + i];
        gate_test_chunks(c, g->p, x, n);
    }
    mem_free(x);
    return rc < 0 ? rc : n_before < 0 ? n_before : n_before == n;
}

static int read_task(struct gate_night *g, int64_t run, struct task_result *out)
{
    struct record *r = mem_alloc(sizeof *r);
    if (!r)
        return err_nomem(g->e, sizeof *r, "a record");
    int rc = series_record(g->store, run, r, g->e);
    if (rc == ERR_MISSING) { /* a figure of another program */
        rc = 0;
        *out = (struct task_result){0};
    } else if (rc == 0) {
        *out = r->task;
    }
    mem_free(r);
    return rc;
}

static int test_answers(struct gate_night *g, struct gate_cell *c, const struct point *before, const struct point *now)
{
    struct task_result a = {0}, b = {0};
    int rc = read_task(g, before->run, &a);
    if (rc == 0)
        rc = read_task(g, now->run, &b);
    if (rc < 0 || a.n_items <= 0 || a.n_items != b.n_items || a.n_ref_correct != b.n_ref_correct ||
        strcmp(a.name, b.name) != 0)
        return rc < 0 ? rc : 0;
    c->n_new = b.n_items;
    c->tested = true;
    gate_test_answers(c, g->p, &a, &b);
    return 1;
}

int gate_test_pairs(struct gate_night *g, struct watched *w, struct gate_cell *c, const double *base)
{
    const struct point *now = &w->x.p[w->x.n - 1], *before = middle_run(w, stats_median(base, w->choice.n_base));
    c->baseline = before->value;
    c->current = now->value;
    c->n_base = w->choice.n_base;
    c->n_new = 1;
    int rc = c->method == GATE_CHUNKS    ? test_chunks(g, c, before, now)
             : c->method == GATE_ANSWERS ? test_answers(g, c, before, now)
                                         : 0;
    if (rc == 0) {
        c->method = GATE_FIGURES;
        gate_test_figures(c, g->p);
    }
    return rc < 0 ? rc : 0;
}
