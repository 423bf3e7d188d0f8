/* One line of the dashboard whose points are all there: its changes in their places, levels, noise, what is open, and
 * the comparison with a release. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/stats_compare.h"
#include "matrix/dashboard.h"

enum { SIDE_RUNS = 10, NEAR_POINTS = 3 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the k-th smallest and the k-th largest of n lies the median but for 2 P(Binomial(n, 1/2) < k). */
void dashboard_interval(double *x, int n, double *lo, double *hi)
{
    *lo = *hi = NAN;
    if (n < 2)
        return;
    qsort(x, (size_t)n, sizeof *x, by_value);
    int k = 0;
    double term = exp2(-n), outside = 2 * term; /* fewer than one below */
    while (n > 5 && k + 1 < n / 2 && outside + 2 * term * (n - k) / (k + 1) <= 0.05) {
        term *= (double)(n - k) / (k + 1);
        outside += 2 * term;
        k++;
    }
    *lo = x[k];
    *hi = x[n - 1 - k];
}

static int by_time(const void *a, const void *b)
{
    const struct dashboard_point *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->run > y->run) - (x->run < y->run);
}

static int by_index(const void *a, const void *b)
{
    const struct dashboard_change *x = a, *y = b;
    return x->index != y->index ? x->index - y->index : strcmp(x->c.id, y->c.id);
}

void dashboard_line_trim(struct dashboard_line *l, int64_t since)
{
    int first = 0;
    if (l->n)
        qsort(l->p, (size_t)l->n, sizeof *l->p, by_time);
    while (first < l->n && l->p[first].time < since)
        first++;
    if (first)
        memmove(l->p, l->p + first, (size_t)(l->n - first) * sizeof *l->p);
    l->n -= first;
}

static int index_of(const struct dashboard_line *l, const struct change *c)
{
    for (int i = 0; i < l->n; i++)
        if (l->p[i].run == c->run_after)
            return i;
    if (l->n == 0 || c->time < l->p[0].time)
        return -1;
    for (int i = 0; i < l->n; i++)
        if (l->p[i].time >= c->time)
            return i;
    return -1;
}

/* One event found twice, a night or two apart: the one that a person has answered stays, else the first. */
static void place_changes(struct dashboard_line *l)
{
    int n = 0;
    for (int i = 0; i < l->n_changes; i++)
        if ((l->change[i].index = index_of(l, &l->change[i].c)) >= 0)
            l->change[n++] = l->change[i];
    l->n_changes = n;
    if (n)
        qsort(l->change, (size_t)n, sizeof *l->change, by_index);
    n = 0;
    for (int i = 0; i < l->n_changes; i++) {
        struct dashboard_change *last = n ? &l->change[n - 1] : NULL, *now = &l->change[i];
        if (!last || last->worse != now->worse || now->index - last->index > NEAR_POINTS)
            l->change[n++] = *now;
        else if (last->c.state == CHANGE_NEW && now->c.state != CHANGE_NEW)
            *last = *now;
    }
    l->n_changes = n;
}

/* Does another level begin at i? What people call noise is none. */
static bool boundary(const struct dashboard_line *l, int i)
{
    if (i > 0 && l->p[i].env != l->p[i - 1].env)
        return true;
    for (int k = 0; k < l->n_changes; k++)
        if (l->change[k].index == i && l->change[k].c.state != CHANGE_NOISE)
            return true;
    return false;
}

static double median_of(const struct dashboard_line *l, int from, int to, double *room)
{
    int n = 0;
    for (int i = from; i < to; i++)
        if (!l->p[i].outlier)
            room[n++] = l->p[i].value;
    for (int i = from; i < to && n == 0; i++)
        room[i - from] = l->p[i].value;
    return stats_median(room, n ? n : to - from);
}

/* Robust sigma around the levels, relative; *last_level: where the newest level begins. */
static void line_noise(struct dashboard_line *l, double *room)
{
    double *away = room + l->n;
    int n = 0;
    for (int from = 0; from < l->n;) {
        int to = from + 1;
        while (to < l->n && !boundary(l, to))
            to++;
        double level = median_of(l, from, to, room);
        for (int i = from; i < to && to - from >= 3 && level != 0; i++)
            away[n++] = fabs(l->p[i].value / level - 1);
        from = to;
    }
    l->noise = n >= 5 ? 1.4826 * stats_median(away, n) : NAN;
}

static void line_open(struct dashboard_line *l, double *room)
{
    for (int k = 0; k < l->n_changes; k++) {
        struct dashboard_change *c = &l->change[k];
        int end = c->index + 1, from = c->index;
        for (; end < l->n && l->p[end].env == l->p[c->index].env; end++)
            if (boundary(l, end))
                from = end;
        double now = median_of(l, from, end, room), step = c->c.after - c->c.before;
        bool asked = c->c.state == CHANGE_NEW || c->c.state == CHANGE_ACKNOWLEDGED;
        c->open = asked && step != 0 && (now - c->c.before) / step >= 0.5;
        double size = isfinite(c->c.effect) ? fabs(c->c.effect) : 1; /* from nothing to something */
        if (c->open && c->worse && size > l->worst) {
            l->worst = size;
            l->worst_change = k;
        }
    }
}

static void line_release(struct dashboard_line *l, int64_t t, double *room)
{
    int split = 0;
    while (split < l->n && l->p[split].time < t)
        split++;
    l->release.before = l->release.after = l->release.effect = l->release.p = NAN;
    for (int k = 0; k < l->n_changes; k++)
        l->release.n_changes += l->change[k].index >= split && l->change[k].c.state != CHANGE_NOISE;
    l->release.outcome = split == 0 ? RELEASE_NO_RUN_BEFORE : split == l->n ? RELEASE_NO_RUN_SINCE : RELEASE_COMPARED;
    if (l->release.outcome != RELEASE_COMPARED)
        return;
    int from = split - 1, since = l->n - 1;
    while (from > 0 && split - from < SIDE_RUNS && !boundary(l, from))
        from--;
    while (since > split && l->n - since < SIDE_RUNS && !boundary(l, since))
        since--;
    if (l->p[split - 1].env != l->p[l->n - 1].env) {
        l->release.outcome = RELEASE_OTHER_ENVIRONMENT;
        return;
    }
    double *a = room, *b = room + (split - from);
    l->release.n_before = split - from;
    l->release.n_after = l->n - since;
    for (int i = from; i < split; i++)
        a[i - from] = l->p[i].value;
    for (int i = since; i < l->n; i++)
        b[i - since] = l->p[i].value;
    l->release.before = stats_median(a, split - from);
    l->release.after = stats_median(b, l->n - since);
    l->release.effect = l->release.before != 0 ? l->release.after / l->release.before - 1 : NAN;
    l->release.p = stats_mann_whitney_two_sided(a, split - from, b, l->n - since);
}

void dashboard_line_finish(struct dashboard_line *l, int64_t release_time, double *room)
{
    place_changes(l);
    l->latest = l->p[l->n - 1].value;
    if (l->failed <= l->p[l->n - 1].time)
        l->failed = 0;
    line_noise(l, room);
    line_open(l, room);
    if (release_time)
        line_release(l, release_time, room);
}
