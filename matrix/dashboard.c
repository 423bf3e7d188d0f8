/* The lines of the dashboard: series of one cell and metric on one machine joined over its environments, and what
 * follows from them: nights, missing ones, noise, what is open, the comparison with a release. */
#include "matrix/dashboard.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"

enum { LAST_DAY = 4000000, MOST_MISSING = 4000, DAY = 86400, LEAST_COMMIT = 4 };

void dashboard_line_key(char key[17], const struct series *s)
{
    char text[1024], hex[65];
    int n = snprintf(text, sizeof text, "%s\n%s\n%s\n%s", s->cell_key, s->metric, s->hw_sha256, s->device);
    sha256_hex(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, hex);
    snprintf(key, 17, "%.16s", hex);
}

/* --- adding --- */
static int line_of(struct dashboard *d, const struct series *s, struct err *e)
{
    char key[17];
    dashboard_line_key(key, s);
    for (int i = d->n - 1; i >= 0; i--)
        if (strcmp(d->line[i].key, key) == 0)
            return i;
    if ((d->n & (d->n - 1)) == 0) {
        struct dashboard_line *more = mem_resize(d->line, (size_t)(d->n ? 2 * d->n : 1) * sizeof *more);
        if (!more)
            return err_nomem(e, (size_t)d->n * 2 * sizeof *more, "the lines of the dashboard");
        d->line = more;
    }
    struct dashboard_line *l = &d->line[d->n];
    *l = (struct dashboard_line){.id = *s, .latest = NAN, .noise = NAN, .worst_change = -1};
    memcpy(l->key, key, sizeof key);
    l->id.p = NULL;
    return d->n++;
}

static int env_of(struct dashboard *d, const char *sha, struct err *e)
{
    for (int i = 0; i < d->n_envs; i++)
        if (strcmp(d->env[i], sha) == 0)
            return i;
    void *more = mem_resize(d->env, (size_t)(d->n_envs + 1) * sizeof *d->env);
    if (!more)
        return err_nomem(e, (size_t)d->n_envs * sizeof *d->env, "the fingerprints of the dashboard");
    d->env = more;
    snprintf(d->env[d->n_envs], sizeof *d->env, "%s", sha);
    return d->n_envs++;
}

/* Lines name the builds in about the same order, so the next one is mostly the one after the last. */
static int build_of(struct dashboard *d, const struct point *p, int hint, struct err *e)
{
    char name[24] = "";
    if (*p->commit)
        snprintf(name, sizeof name, "%s", p->commit);
    else if (p->engine)
        snprintf(name, sizeof name, "build %08llx", (unsigned long long)(p->engine >> 32));
    for (int i = 0; i < 2; i++)
        if (hint + i >= 0 && hint + i < d->n_builds && strcmp(d->build[hint + i], name) == 0)
            return hint + i;
    for (int i = 0; i < d->n_builds; i++)
        if (strcmp(d->build[i], name) == 0)
            return i;
    if ((d->n_builds & (d->n_builds - 1)) == 0) {
        void *more = mem_resize(d->build, (size_t)(d->n_builds ? 2 * d->n_builds : 1) * sizeof *d->build);
        if (!more)
            return err_nomem(e, (size_t)d->n_builds * 2 * sizeof *d->build, "the builds of the dashboard");
        d->build = more;
    }
    memcpy(d->build[d->n_builds], name, sizeof name);
    return d->n_builds++;
}

int dashboard_add(struct dashboard *d, const struct series *s, const struct dashboard_extra *x, struct err *e)
{
    int at = line_of(d, s, e), env = at < 0 ? at : env_of(d, s->env_sha256, e), build = -1;
    if (env < 0)
        return env;
    struct dashboard_line *l = &d->line[at];
    struct dashboard_point *p = mem_resize(l->p, (size_t)(l->n + s->n + 1) * sizeof *p);
    if (!p)
        return err_nomem(e, (size_t)(l->n + s->n) * sizeof *p, "the points of the dashboard");
    l->p = p;
    if (l->n && s->n && s->p[s->n - 1].time > p[l->n - 1].time) {
        l->id = *s; /* the newest environment names the line */
        l->id.p = NULL;
    }
    if (s->failed_time > l->failed)
        l->failed = s->failed_time;
    for (int i = 0; i < s->n; i++) {
        const struct point *q = &s->p[i];
        if (!isfinite(q->value) || q->time <= 0) /* no figure; no date, so no night */
            continue;
        if ((build = build_of(d, q, build, e)) < 0)
            return build;
        int64_t day = q->time / DAY;
        p[l->n++] = (struct dashboard_point){.run = q->run,
                                             .time = q->time,
                                             .value = q->value,
                                             .lo = x && x->lo ? x->lo[i] : NAN,
                                             .hi = x && x->hi ? x->hi[i] : NAN,
                                             .n_samples = q->n_samples,
                                             .night = (int)(day < 0          ? 0
                                                            : day > LAST_DAY ? LAST_DAY
                                                                             : day),
                                             .build = build,
                                             .env = env,
                                             .artifact = q->artifact,
                                             .config = q->config,
                                             .outlier = x && x->outlier && x->outlier[i]};
    }
    return 0;
}

int dashboard_add_change(struct dashboard *d, const char *line, const struct change *c, struct err *e)
{
    for (int i = d->n - 1; i >= 0; i--) {
        struct dashboard_line *l = &d->line[i];
        if (strcmp(l->key, line) != 0)
            continue;
        struct dashboard_change *more = mem_resize(l->change, (size_t)(l->n_changes + 1) * sizeof *more);
        if (!more)
            return err_nomem(e, (size_t)l->n_changes * sizeof *more, "the changes of the dashboard");
        l->change = more;
        more[l->n_changes++] =
            (struct dashboard_change){.c = *c, .index = -1, .worse = (c->after - c->before) * l->id.better < 0};
        return 0;
    }
    return 0;
}

void dashboard_free(struct dashboard *d)
{
    for (int i = 0; i < d->n; i++) {
        mem_free(d->line[i].p);
        mem_free(d->line[i].change);
    }
    mem_free(d->line);
    mem_free(d->night);
    mem_free(d->missing);
    mem_free(d->build);
    mem_free(d->env);
    *d = (struct dashboard){0};
}

/* --- all lines --- */
static int find_nights(struct dashboard *d, struct err *e)
{
    int lo = LAST_DAY, hi = 0, n = 0;
    for (int i = 0; i < d->n; i++) {
        const struct dashboard_line *l = &d->line[i];
        lo = l->p[0].night < lo ? l->p[0].night : lo;
        hi = l->p[l->n - 1].night > hi ? l->p[l->n - 1].night : hi;
        d->n_points += l->n;
        d->first = i == 0 || l->p[0].time < d->first ? l->p[0].time : d->first;
        d->last = i == 0 || l->p[l->n - 1].time > d->last ? l->p[l->n - 1].time : d->last;
    }
    char *ran = mem_alloc((size_t)(hi < lo ? 1 : hi - lo + 1));
    if (!ran)
        return err_nomem(e, (size_t)(hi - lo), "the nights of the dashboard");
    for (int i = 0; i < d->n; i++)
        for (int k = 0; k < d->line[i].n; k++) {
            n += !ran[d->line[i].p[k].night - lo];
            ran[d->line[i].p[k].night - lo] = 1;
        }
    d->night = mem_alloc_n((size_t)n + 1, sizeof *d->night);
    for (int i = 0; d->night && n && i <= hi - lo; i++)
        if (ran[i])
            d->night[d->n_nights++] = lo + i;
    mem_free(ran);
    return d->night ? 0 : err_nomem(e, (size_t)n * sizeof *d->night, "the nights of the dashboard");
}

static int find_missing(struct dashboard *d, double *room, struct err *e)
{
    if (d->n_nights < 3)
        return 0;
    for (int i = 1; i < d->n_nights; i++)
        room[i - 1] = d->night[i] - d->night[i - 1];
    d->cadence = (int)stats_median(room, d->n_nights - 1);
    d->missing = mem_alloc_n(MOST_MISSING, sizeof *d->missing);
    if (!d->missing)
        return err_nomem(e, MOST_MISSING * sizeof *d->missing, "the missing nights");
    for (int i = 1; i < d->n_nights; i++) {
        int left_out = (d->night[i] - d->night[i - 1] + d->cadence / 2) / d->cadence - 1;
        for (int k = 1; k <= left_out && d->n_missing < MOST_MISSING; k++)
            d->missing[d->n_missing++] = d->night[i - 1] + k * d->cadence;
    }
    return 0;
}

static int find_release(struct dashboard *d, const char *name, struct err *e)
{
    if (!name || !*name)
        return 0;
    snprintf(d->release, sizeof d->release, "%s", name);
    if (clock_parse(name, &d->release_time))
        return 0;
    for (int i = 0; i < d->n && strlen(name) >= LEAST_COMMIT; i++)
        for (int k = 0; k < d->line[i].n; k++) {
            const struct dashboard_point *p = &d->line[i].p[k];
            if (strncmp(d->build[p->build], name, strlen(name)) == 0 && p->time + 1 > d->release_time)
                d->release_time = p->time + 1;
        }
    if (d->release_time)
        return 0;
    return err_set(e, ERR_USAGE,
                   "--release %.60s: no run in the store is of that commit (at least 4 of its digits); give another, "
                   "or a date such as 2026-11-01",
                   name);
}

static int worst_first(const void *a, const void *b)
{
    const struct dashboard_line *x = a, *y = b;
    if (x->worst != y->worst)
        return x->worst > y->worst ? -1 : 1;
    return x->id.n - y->id.n; /* the order in which they came */
}

static void drop_empty(struct dashboard *d)
{
    int n = 0;
    for (int i = 0; i < d->n; i++)
        if (d->line[i].n) {
            d->line[n++] = d->line[i];
        } else {
            mem_free(d->line[i].p);
            mem_free(d->line[i].change);
        }
    d->n = n;
}

static void count_line(struct dashboard *d, struct dashboard_line *l)
{
    for (int i = d->n_nights - 1; i >= 0 && d->night[i] > l->p[l->n - 1].night; i--)
        l->n_late++;
    d->n_late += l->n_late > 0;
    d->n_failed += l->failed > 0;
    d->n_worse += l->worst_change >= 0;
    bool better = false;
    for (int k = 0; k < l->n_changes; k++)
        better |= l->change[k].open && !l->change[k].worse && l->id.better;
    d->n_better += better;
}

int dashboard_finish(struct dashboard *d, const struct dashboard_options *o, struct err *e)
{
    int most = 1;
    clock_iso8601(d->generated_at);
    for (int i = 0; i < d->n; i++)
        dashboard_line_trim(&d->line[i], o ? o->since : 0);
    drop_empty(d);
    int rc = find_nights(d, e);
    for (int i = 0; i < d->n; i++)
        most = d->line[i].n > most ? d->line[i].n : most;
    double *room = rc == 0 ? mem_alloc_n(2 * (size_t)(most > d->n_nights ? most : d->n_nights), sizeof *room) : NULL;
    if (rc == 0 && !room)
        rc = err_nomem(e, (size_t)most * 2 * sizeof *room, "the dashboard");
    if (rc == 0)
        rc = find_missing(d, room, e);
    if (rc == 0)
        rc = find_release(d, o ? o->release : NULL, e);
    for (int i = 0; i < d->n && rc == 0; i++) {
        d->line[i].id.n = i;
        dashboard_line_finish(&d->line[i], d->release_time, room);
        count_line(d, &d->line[i]);
    }
    if (rc == 0 && d->n)
        qsort(d->line, (size_t)d->n, sizeof *d->line, worst_first);
    for (int i = 0; i < d->n; i++)
        d->line[i].id.n = 0;
    mem_free(room);
    return rc;
}
