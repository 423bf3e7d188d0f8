/* Detected changes against those of the store: the same one is within a few runs and of the same direction. */
#include "matrix/changes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

enum { SAME_WITHIN = 3 }; /* points: as far as a place may move while runs come in */

struct matching {
    const struct series *x;
    struct changepoint *found;
    int n_found;
    struct change *known; /* in order of time */
    bool *is_new;
    int n_known, cap;
    struct err *e;
};

static int keep(struct matching *m, const struct change *c, bool is_new)
{
    if (m->n_known == m->cap) {
        int cap = m->cap ? 2 * m->cap : 8;
        struct change *known = mem_resize(m->known, (size_t)cap * sizeof *known);
        m->known = known ? known : m->known;
        bool *flags = known ? mem_resize(m->is_new, (size_t)cap * sizeof *flags) : NULL;
        if (!flags)
            return err_nomem(m->e, (size_t)cap * sizeof *known, "the changes of a series");
        m->is_new = flags;
        m->cap = cap;
    }
    int at = m->n_known++;
    for (; at > 0 && m->known[at - 1].time > c->time; at--) {
        m->known[at] = m->known[at - 1];
        m->is_new[at] = m->is_new[at - 1];
    }
    m->known[at] = *c;
    m->is_new[at] = is_new;
    return 0;
}

static int keep_known(void *arg, const struct change *c)
{
    return keep(arg, c, false);
}

/* The point where its new level begins; the first one from its time on where that run was pruned; -1: before all. */
static int index_of(const struct series *x, const struct change *c)
{
    for (int i = 0; i < x->n; i++)
        if (x->p[i].run == c->run_after)
            return i;
    for (int i = 0; i < x->n; i++)
        if (x->p[i].time >= c->time)
            return c->time < x->p[0].time ? -1 : i;
    return -1;
}

static bool is_same(const struct series *x, const struct change *known, const struct changepoint *found)
{
    int at = index_of(x, known);
    return at >= 0 && abs(at - found->index) <= SAME_WITHIN &&
           (known->after > known->before) == (found->after > found->before);
}

static int put_new(struct matching *m, struct store *s, const struct changepoint *f, bool dry)
{
    const struct point *before = &m->x->p[f->index - 1], *after = &m->x->p[f->index];
    struct change c = {.run_before = before->run,
                       .run_after = after->run,
                       .time = after->time,
                       .before = f->before,
                       .after = f->after,
                       .effect = f->effect,
                       .p = f->p,
                       .found_by = "history"};
    snprintf(c.series, sizeof c.series, "%s", m->x->key);
    snprintf(c.metric, sizeof c.metric, "%s", m->x->metric);
    change_id(&c);
    int rc = dry ? 0 : store_put_change(s, &c, m->e);
    return rc ? rc : keep(m, &c, true);
}

static int put_all_new(struct matching *m, struct store *s, bool dry)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < m->n_found; i++) {
        bool known = false;
        for (int k = 0; k < m->n_known && !known; k++)
            known = !m->is_new[k] && is_same(m->x, &m->known[k], &m->found[i]);
        if (!known)
            rc = put_new(m, s, &m->found[i], dry);
    }
    return rc;
}

static struct series_change describe(const struct matching *m, int k)
{
    struct series_change c = {.series = m->x, .known = &m->known[k], .is_new = m->is_new[k]};
    c.index = index_of(m->x, c.known);
    for (int i = 0; i < m->n_found && !c.found; i++)
        c.found = is_same(m->x, c.known, &m->found[i]) ? &m->found[i] : NULL;
    c.same_build = c.index > 0 && point_same_build(&m->x->p[c.index - 1], &m->x->p[c.index]);
    return c;
}

static int detect(struct matching *m, const struct changepoint_options *o, bool *outlier)
{
    double *value = mem_alloc_n((size_t)m->x->n, sizeof *value);
    if (!value)
        return err_nomem(m->e, (size_t)m->x->n * sizeof *value, "a series");
    for (int i = 0; i < m->x->n; i++)
        value[i] = m->x->p[i].value;
    int rc = changepoint_find(&m->found, &m->n_found, outlier, value, m->x->n, m->x->key, o, m->e);
    mem_free(value);
    return rc;
}

int changes_each(struct store *s, const struct series *x, const struct changepoint_options *o, bool dry, bool *outlier,
                 int (*fn)(void *arg, const struct series_change *c), void *arg, struct err *e)
{
    struct matching m = {.x = x, .e = e};
    int rc = detect(&m, o, outlier);
    if (rc == 0)
        rc = store_each_change(s, x->key, keep_known, &m, e);
    if (rc == 0)
        rc = put_all_new(&m, s, dry);
    for (int k = 0; rc == 0 && k < m.n_known; k++) {
        struct series_change c = describe(&m, k);
        rc = fn(arg, &c);
    }
    mem_free(m.found);
    mem_free(m.known);
    mem_free(m.is_new);
    return rc;
}
