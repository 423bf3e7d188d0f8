/* Reading the series: the list of them first, then the points of one after the other, in the order of their key. */
#include "bench/series.h"

#include <stdlib.h>
#include "base/mem.h"
#include "bench/record_fields.h"
#include "bench/store_int.h"

struct listed {
    int64_t id;
    struct series x;
};
struct list {
    struct listed *at;
    int n, cap;
};

static int add_listed(struct list *l, const struct db_rows *q, struct err *e)
{
    if (l->n == l->cap) {
        int cap = l->cap ? 2 * l->cap : 256;
        struct listed *at = mem_resize(l->at, (size_t)cap * sizeof *at);
        if (!at)
            return err_nomem(e, (unsigned long long)cap * sizeof *at, "the series");
        l->at = at;
        l->cap = cap;
    }
    struct listed *i = &l->at[l->n++];
    *i = (struct listed){.id = db_get_int(q, 0)};
    struct series *x = &i->x;
    db_copy_text(x->key, sizeof x->key, q, 1);
    db_copy_text(x->cell_key, sizeof x->cell_key, q, 2);
    db_copy_text(x->env_sha256, sizeof x->env_sha256, q, 3);
    db_copy_text(x->hw_sha256, sizeof x->hw_sha256, q, 4);
    db_copy_text(x->device, sizeof x->device, q, 5);
    db_copy_text(x->model, sizeof x->model, q, 6);
    db_copy_text(x->format, sizeof x->format, q, 7);
    db_copy_text(x->framework, sizeof x->framework, q, 8);
    db_copy_text(x->workload, sizeof x->workload, q, 9);
    db_copy_text(x->metric, sizeof x->metric, q, 10);
    db_copy_text(x->unit, sizeof x->unit, q, 11);
    x->better = (int)db_get_int(q, 12);
    return 0;
}

/* Somebody who brings figures of another program wants them watched. */
static bool is_wanted(const struct db_rows *q, const struct series_filter *f)
{
    const struct record_field *field = record_figure_find(db_get_text(q, 10, NULL));
    return f->all_metrics || f->metric || (field && field->watched) || strcmp(db_get_text(q, 13, NULL), "foreign") == 0;
}

static int by_name(const void *pa, const void *pb)
{
    const struct series *a = &((const struct listed *)pa)->x, *b = &((const struct listed *)pb)->x;
    const char *const part[][2] = {{a->model, b->model},       {a->format, b->format}, {a->framework, b->framework},
                                   {a->workload, b->workload}, {a->metric, b->metric}, {a->key, b->key}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        int c = strcmp(part[i][0], part[i][1]);
        if (c)
            return c;
    }
    return 0;
}

static int read_list(struct list *l, struct store *s, const struct series_filter *f, struct err *e)
{
    struct db_rows *q;
    int rc = db_query(&q, s->db,
                      "SELECT id, key, cell_key, env_sha256, hw_sha256, device, model, format, framework, workload,"
                      " metric, unit, better, kind FROM series WHERE (CAST($1 AS TEXT) IS NULL OR env_sha256 = $1)"
                      " AND (CAST($2 AS TEXT) IS NULL OR model = $2) AND (CAST($3 AS TEXT) IS NULL OR format = $3)"
                      " AND (CAST($4 AS TEXT) IS NULL OR framework = $4)"
                      " AND (CAST($5 AS TEXT) IS NULL OR metric = $5)"
                      " AND (CAST($6 AS TEXT) IS NULL OR cell_key = $6)"
                      " AND (CAST($7 AS TEXT) IS NULL OR key = $7)",
                      DB_VALUES(db_text(f->env_sha256), db_text(f->model), db_text(f->format), db_text(f->framework),
                                db_text(f->metric), db_text(f->cell_key), db_text(f->key)),
                      e);
    while (rc == 0 && (rc = db_next(q, e)) > 0)
        rc = is_wanted(q, f) ? add_listed(l, q, e) : 0;
    db_done(q);
    if (l->n > 1)
        qsort(l->at, (size_t)l->n, sizeof *l->at, by_name);
    return rc;
}

/* ---- points ---- */

struct points {
    struct point *p;
    int n, cap;
};

static int add_point(struct points *l, const struct db_rows *q, struct err *e)
{
    if (l->n == l->cap) {
        int cap = l->cap ? 2 * l->cap : 1024;
        struct point *p = mem_resize(l->p, (size_t)cap * sizeof *p);
        if (!p)
            return err_nomem(e, (unsigned long long)cap * sizeof *p, "the points of a series");
        l->p = p;
        l->cap = cap;
    }
    struct point *p = &l->p[l->n++];
    *p = (struct point){.run = db_get_int(q, 0),
                        .time = db_get_int(q, 1),
                        .value = db_get_real(q, 2),
                        .n_samples = (int)db_get_int(q, 3),
                        .artifact = (uint64_t)db_get_int(q, 4),
                        .engine = (uint64_t)db_get_int(q, 5),
                        .config = (uint64_t)db_get_int(q, 6)};
    db_copy_text(p->commit, sizeof p->commit, q, 7);
    return 0;
}

static int read_points(struct points *l, struct store *s, int64_t id, const struct series_filter *f, struct err *e)
{
    struct db_rows *q;
    l->n = 0;
    int rc = db_query(&q, s->db,
                      "SELECT run, time, value, n, artifact, engine, config, tool_commit FROM series_point"
                      " WHERE series = $1 AND time >= $2 AND time <= $3 ORDER BY time DESC, run DESC LIMIT $4",
                      DB_VALUES(db_int(id), db_int(f->since ? f->since : INT64_MIN),
                                db_int(f->until ? f->until : INT64_MAX), db_int(f->newest > 0 ? f->newest : INT32_MAX)),
                      e);
    while (rc == 0 && (rc = db_next(q, e)) > 0)
        rc = add_point(l, q, e);
    db_done(q);
    for (int i = 0; i < l->n / 2; i++) {
        struct point p = l->p[i];
        l->p[i] = l->p[l->n - 1 - i];
        l->p[l->n - 1 - i] = p;
    }
    return rc;
}

static int read_failure(struct series *x, struct store *s, struct err *e)
{
    struct db_rows *q;
    int rc = db_query(&q, s->db,
                      "SELECT id, time FROM run WHERE cell_key = $1 AND env_sha256 = $2 AND status <> 'ok'"
                      " ORDER BY time DESC, id DESC LIMIT 1",
                      DB_VALUES(db_text(x->cell_key), db_text(x->env_sha256)), e);
    if (rc == 0 && (rc = db_next(q, e)) > 0) {
        x->failed_run = db_get_int(q, 0);
        x->failed_time = db_get_int(q, 1);
        rc = 0;
    }
    db_done(q);
    return rc;
}

int series_each(struct store *s, const struct series_filter *f, int (*fn)(void *arg, const struct series *x), void *arg,
                struct err *e)
{
    struct list l = {0};
    struct points p = {0};
    const struct series_filter any = {0};
    int rc = read_list(&l, s, f ? f : &any, e);
    for (int i = 0; i < l.n && rc == 0; i++) {
        struct series *x = &l.at[i].x;
        rc = read_points(&p, s, l.at[i].id, f ? f : &any, e);
        if (rc == 0)
            rc = read_failure(x, s, e);
        x->p = p.p;
        x->n = p.n;
        if (rc == 0 && x->n > 0)
            rc = fn(arg, x);
    }
    mem_free(p.p);
    mem_free(l.at);
    return rc;
}

/* ---- one run ---- */

int series_record(struct store *s, int64_t run, struct record *out, struct err *e)
{
    struct db_rows *q;
    int rc = db_query(&q, s->db, "SELECT json FROM run WHERE id = $1 AND kind = 'cell'", DB_VALUES(db_int(run)), e);
    if (rc == 0 && (rc = db_next(q, e)) == 0)
        rc = err_set(e, ERR_MISSING, "the store %s has no record %lld", store_path(s), (long long)run);
    else if (rc > 0)
        rc = store_read_record(out, q, 0, store_path(s), e);
    db_done(q);
    return rc;
}

bool point_same_build(const struct point *a, const struct point *b)
{
    return a->artifact && a->engine && a->config && a->artifact == b->artifact && a->engine == b->engine &&
           a->config == b->config;
}
