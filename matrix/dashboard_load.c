/* The lines of the dashboard out of a store: each series with its repetitions, the changes that people have answered,
 * and those that the detector finds now. */
#include <math.h>
#include "base/mem.h"
#include "matrix/changes.h"
#include "matrix/dashboard.h"

struct loading {
    struct dashboard *d;
    struct store *store;
    const struct dashboard_options *o;
    const struct series *series; /* of the moment */
    struct change *change;       /* of that series */
    int n_changes;
    struct err *e;
};
struct columns { /* of a series: a value a point */
    double *lo, *hi;
    bool *outlier;
};

static int keep_change(void *arg, const struct series_change *c)
{
    struct loading *l = arg;
    struct change *more = mem_resize(l->change, (size_t)(l->n_changes + 1) * sizeof *more);
    if (!more)
        return err_nomem(l->e, (size_t)l->n_changes * sizeof *more, "the changes of a series");
    l->change = more;
    more[l->n_changes++] = *c->known;
    return 0;
}

struct intervals { /* in the making: repetitions come in the order of the points */
    const struct series *series;
    const struct columns *c;
    int at;
};

static int take_interval(void *arg, int64_t run, double *x, int n)
{
    struct intervals *v = arg;
    while (v->at < v->series->n && v->series->p[v->at].run != run)
        v->at++;
    if (v->at < v->series->n)
        dashboard_interval(x, n, &v->c->lo[v->at], &v->c->hi[v->at]);
    return 0;
}

/* Intervals of the medians, of the runs that will be shown. */
static int read_samples(struct loading *l, const struct columns *c)
{
    struct intervals v = {l->series, c, 0};
    for (int i = 0; i < l->series->n; i++)
        c->lo[i] = c->hi[i] = NAN;
    return series_samples_each(l->store, l->series, l->o->since, take_interval, &v, l->e);
}

static int take_columns(struct loading *l, const struct columns *c)
{
    const struct series *s = l->series;
    char line[17];
    dashboard_line_key(line, s);
    int rc = changes_each(l->store, s, NULL, false, c->outlier, keep_change, l, l->e);
    if (rc >= 0)
        rc = read_samples(l, c);
    if (rc >= 0)
        rc = dashboard_add(l->d, s, &(struct dashboard_extra){c->lo, c->hi, c->outlier}, l->e);
    for (int i = 0; i < l->n_changes && rc >= 0; i++)
        rc = dashboard_add_change(l->d, line, &l->change[i], l->e);
    return rc < 0 ? rc : 0;
}

static int take_series(void *arg, const struct series *s)
{
    struct loading *l = arg;
    size_t n = (size_t)s->n;
    struct columns c = {mem_alloc_n(n, sizeof(double)), mem_alloc_n(n, sizeof(double)), mem_alloc_n(n, sizeof(bool))};
    l->series = s;
    int rc = c.lo && c.hi && c.outlier ? take_columns(l, &c)
                                       : err_nomem(l->e, n * 2 * sizeof(double), "a series of the dashboard");
    mem_free(c.lo);
    mem_free(c.hi);
    mem_free(c.outlier);
    mem_free(l->change);
    l->change = NULL;
    l->n_changes = 0;
    return rc;
}

int dashboard_load(struct dashboard *d, struct store *s, const struct dashboard_options *o, struct err *e)
{
    static const struct dashboard_options none;
    struct loading l = {.d = d, .store = s, .o = o ? o : &none, .e = e};
    const struct series_filter f = {0};
    *d = (struct dashboard){0};
    int rc = series_each(s, &f, take_series, &l, e);
    if (rc >= 0)
        rc = dashboard_finish(d, l.o, e);
    if (rc < 0)
        dashboard_free(d);
    return rc < 0 ? rc : 0;
}
