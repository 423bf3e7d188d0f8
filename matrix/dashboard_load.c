/* The lines of the dashboard out of a store: each series with its repetitions, the changes that people have answered,
 * and those that the detector finds now. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "matrix/changepoint.h"
#include "matrix/dashboard.h"

enum { NEAR_POINTS = 3 };

struct loading {
    struct dashboard *d;
    struct store *store;
    const struct dashboard_options *o;
    const struct series *series; /* of the moment */
    char line[17];
    struct change *known; /* of that series */
    int n_known;
    struct err *e;
};
struct columns { /* of a series: a value a point */
    double *value, *lo, *hi;
    int *n_samples;
    bool *outlier;
};

static int keep_change(void *arg, const struct change *c)
{
    struct loading *l = arg;
    struct change *more = mem_resize(l->known, (size_t)(l->n_known + 1) * sizeof *more);
    if (!more)
        return err_nomem(l->e, (size_t)l->n_known * sizeof *more, "the changes of a series");
    l->known = more;
    more[l->n_known++] = *c;
    return strcmp(c->metric, l->series->metric) == 0 ? dashboard_add_change(l->d, l->line, c, l->e) : 0;
}

/* Is it one that the store has, perhaps a night or two earlier or later? */
static bool is_known(const struct loading *l, const struct changepoint *found)
{
    const struct series *s = l->series;
    int from = found->index > NEAR_POINTS ? found->index - NEAR_POINTS : 0, to = found->index + NEAR_POINTS;
    for (int k = 0; k < l->n_known; k++)
        for (int i = from; i <= to && i < s->n; i++)
            if (s->p[i].run == l->known[k].run_after && (l->known[k].effect > 0) == (found->effect > 0))
                return true;
    return false;
}

static int put_found(struct loading *l, const struct changepoint *found, int n)
{
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        const struct series *s = l->series;
        if (found[i].index < 1 || found[i].index >= s->n || is_known(l, &found[i]))
            continue;
        struct change c = {.run_before = s->p[found[i].index - 1].run,
                           .run_after = s->p[found[i].index].run,
                           .time = s->p[found[i].index].time,
                           .before = found[i].before,
                           .after = found[i].after,
                           .effect = found[i].effect,
                           .p = found[i].p,
                           .found_by = "history"};
        snprintf(c.series, sizeof c.series, "%s", s->key);
        snprintf(c.metric, sizeof c.metric, "%s", s->metric);
        change_id(&c);
        rc = store_put_change(l->store, &c, l->e);
        if (rc >= 0)
            rc = dashboard_add_change(l->d, l->line, &c, l->e);
    }
    return rc;
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
    for (int i = 0; i < l->series->n; i++) {
        c->lo[i] = c->hi[i] = NAN;
        c->n_samples[i] = l->series->p[i].n_samples;
    }
    return series_samples_each(l->store, l->series, l->o->since, take_interval, &v, l->e);
}

static int take_columns(struct loading *l, const struct columns *c)
{
    const struct series *s = l->series;
    struct changepoint *found = NULL;
    int n_found = 0;
    for (int i = 0; i < s->n; i++)
        c->value[i] = s->p[i].value;
    int rc = changepoint_find(&found, &n_found, c->outlier, c->value, s->n, s->key, NULL, l->e);
    if (rc >= 0)
        rc = read_samples(l, c);
    if (rc >= 0)
        rc = dashboard_add(l->d, s, &(struct dashboard_extra){c->lo, c->hi, c->n_samples, c->outlier}, l->e);
    if (rc >= 0)
        rc = store_each_change(l->store, s->key, keep_change, l, l->e);
    if (rc >= 0 && s->better)
        rc = put_found(l, found, n_found);
    mem_free(found);
    return rc < 0 ? rc : 0;
}

static int take_series(void *arg, const struct series *s)
{
    struct loading *l = arg;
    size_t n = (size_t)s->n + 1;
    struct columns c = {mem_alloc_n(n, sizeof(double)), mem_alloc_n(n, sizeof(double)), mem_alloc_n(n, sizeof(double)),
                        mem_alloc_n(n, sizeof(int)), mem_alloc_n(n, sizeof(bool))};
    l->series = s;
    dashboard_line_key(l->line, s);
    int rc = c.value && c.lo && c.hi && c.n_samples && c.outlier
                 ? take_columns(l, &c)
                 : err_nomem(l->e, n * 4 * sizeof(double), "a series of the dashboard");
    mem_free(c.value);
    mem_free(c.lo);
    mem_free(c.hi);
    mem_free(c.n_samples);
    mem_free(c.outlier);
    mem_free(l->known);
    l->known = NULL;
    l->n_known = 0;
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
