/* What of the store has to do with tonight: the series with the newest points of each, the changes that are known, and
 * which series took the place of another when an environment changed. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "matrix/gate_int.h"

static const int64_t dropped_after_s = 7 * 86400; /* a cell that was not measured for so long is no longer wanted */

/* Room for one more. */
static void *grow(void *p, int n, int *cap, size_t size, struct err *e)
{
    if (n < *cap)
        return p;
    int more = *cap ? 2 * *cap : 64;
    void *q = mem_resize(p, (size_t)more * size);
    if (q)
        *cap = more;
    else
        err_nomem(e, (unsigned long long)more * size, "the gate's series");
    return q;
}

static int take_change(void *arg, const struct change *c)
{
    struct gate_night *g = arg;
    struct change *all = grow(g->change, g->n_changes, &g->cap_changes, sizeof *all, g->e);
    if (!all)
        return ERR_NOMEM;
    g->change = all;
    all[g->n_changes++] = *c;
    return 0;
}

static int take_series(void *arg, const struct series *x)
{
    struct gate_night *g = arg;
    struct watched *all = grow(g->w, g->n, &g->cap, sizeof *all, g->e);
    if (!all)
        return ERR_NOMEM;
    g->w = all;
    struct watched *w = &all[g->n];
    *w = (struct watched){.x = *x};
    w->x.p = mem_alloc_n((size_t)x->n, sizeof *x->p);
    w->choice.base = mem_alloc_n((size_t)g->p->window, sizeof *w->choice.base);
    g->n++;
    if (!w->x.p || !w->choice.base)
        return err_nomem(g->e, (size_t)x->n * sizeof *x->p, "the points of a series");
    memcpy(w->x.p, x->p, (size_t)x->n * sizeof *x->p);
    return 0;
}

/* ---- changes of a series stand together ---- */

static int by_series(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int c = strcmp(x->series, y->series);
    return c ? c : (x->time > y->time) - (x->time < y->time);
}

static void find_changes(const struct gate_night *g, struct watched *w)
{
    int lo = 0, hi = g->n_changes;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (strcmp(g->change[mid].series, w->x.key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    w->change = g->change + lo;
    while (lo + w->n_changes < g->n_changes && strcmp(w->change[w->n_changes].series, w->x.key) == 0)
        w->n_changes++;
}

/* ---- one cell on one machine in two environments ---- */

static int by_cell(const void *a, const void *b)
{
    const struct series *x = &(*(struct watched *const *)a)->x, *y = &(*(struct watched *const *)b)->x;
    int c = strcmp(x->cell_key, y->cell_key);
    return c ? c : strcmp(x->metric, y->metric);
}

static bool same_machine(const struct series *a, const struct series *b)
{
    bool hw = *a->hw_sha256 && strcmp(a->hw_sha256, b->hw_sha256) == 0;
    return hw || (*a->device && strcmp(a->device, b->device) == 0);
}

static void mark_pair(struct watched *a, struct watched *b)
{
    if (!same_machine(&a->x, &b->x) || a->x.p[a->x.n - 1].time >= b->x.p[0].time)
        return;
    a->superseded = true;
    b->after_another = true;
}

static int mark_environments(struct gate_night *g)
{
    struct watched **at = mem_alloc_n((size_t)g->n + 1, sizeof *at);
    if (!at)
        return err_nomem(g->e, (size_t)g->n * sizeof *at, "the gate's series");
    for (int i = 0; i < g->n; i++)
        at[i] = &g->w[i];
    qsort(at, (size_t)g->n, sizeof *at, by_cell);
    for (int i = 0; i < g->n; i++)
        for (int k = i + 1; k < g->n && by_cell(&at[i], &at[k]) == 0; k++) {
            mark_pair(at[i], at[k]);
            mark_pair(at[k], at[i]);
        }
    mem_free(at);
    return 0;
}

/* Where nothing at all ran tonight nothing is missing: another machine's series, or one that nobody measures now. */
static void mark_silent(struct gate_night *g)
{
    int64_t since = g->p->since, last_before = 0; /* the newest run before tonight */
    for (int i = 0; i < g->n; i++)
        for (int k = 0; k < g->w[i].x.n; k++)
            if (g->w[i].x.p[k].time < since && g->w[i].x.p[k].time > last_before)
                last_before = g->w[i].x.p[k].time;
    for (int i = 0; i < g->n; i++) {
        const struct series *x = &g->w[i].x;
        bool ran = false;
        for (int k = 0; k < g->n && !ran; k++)
            ran = g->w[k].x.p[g->w[k].x.n - 1].time >= since && strcmp(g->w[k].x.env_sha256, x->env_sha256) == 0;
        bool dropped = x->p[x->n - 1].time < last_before - dropped_after_s;
        g->w[i].silent = !ran || (dropped && x->p[x->n - 1].time < since);
    }
}

int gate_read(struct gate_night *g)
{
    /* Runs of fixed and open changes stand between the baseline and tonight. */
    const struct series_filter f = {.newest = 4 * g->p->window + 2 * MOST_FRESH};
    int rc = store_each_change(g->store, NULL, take_change, g, g->e);
    if (rc == 0)
        rc = series_each(g->store, &f, take_series, g, g->e);
    if (rc == 0 && g->n_changes > 1)
        qsort(g->change, (size_t)g->n_changes, sizeof *g->change, by_series);
    if (rc == 0)
        rc = mark_environments(g);
    if (rc == 0 && g->p->since)
        mark_silent(g);
    for (int i = 0; i < g->n && rc == 0; i++) {
        find_changes(g, &g->w[i]);
        gate_choose(&g->w[i].choice, &g->w[i].x, g->w[i].change, g->w[i].n_changes, g->p);
    }
    return rc;
}

void gate_night_free(struct gate_night *g)
{
    for (int i = 0; i < g->n; i++) {
        mem_free(g->w[i].x.p);
        mem_free(g->w[i].choice.base);
    }
    mem_free(g->w);
    mem_free(g->change);
}
