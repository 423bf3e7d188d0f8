/* Is everything in the store what its contents say? */
#include <stdarg.h>
#include <stdio.h>
#include "base/hash.h"
#include "base/mem.h"
#include "bench/record_fields.h"
#include "bench/store_file.h"
#include "bench/store_int.h"

struct verify {
    struct store *s;
    void (*say)(void *arg, const char *sentence);
    void *arg;
    struct verify_count *c;
    struct record *r;
    int64_t last;
};

static void problem(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct verify *v, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->c->problems++;
    v->say(v->arg, text);
}

/* How many rows a run has in a table, their sum and that of their sizes: what any loss or change moves. */
struct tally {
    int64_t n;
    double sum, size;
};

static int tally_rows(struct verify *v, const char *sql, int64_t run, struct tally *t, struct err *e)
{
    struct db_rows *q;
    *t = (struct tally){0};
    int rc = db_query(&q, v->s->db, sql, DB_VALUES(db_int(run)), e);
    while (rc == 0 && (rc = db_next(q, e)) > 0) {
        double value = db_get_real(q, 0);
        t->n++;
        t->sum += value;
        t->size += fabs(value);
        rc = 0;
    }
    db_done(q);
    return rc;
}

static void add(struct tally *t, double value)
{
    if (isfinite(value)) {
        t->n++;
        t->sum += value;
        t->size += fabs(value);
    }
}

/* What the tables should hold of a record. */
static void expect(const struct record *r, struct tally *figures, struct tally *samples)
{
    *figures = *samples = (struct tally){0};
    for (int i = 0; i < n_record_fields; i++) {
        const struct record_field *f = &record_fields[i];
        if (f->unit)
            add(figures, record_figure(r, f).v);
        const struct samples *x = (const struct samples *)((const char *)r + f->offset);
        for (int k = 0; (f->kind == FIELD_SAMPLES || f->kind == FIELD_CHUNKS) && k < x->n; k++)
            add(samples, x->x[k]);
    }
}

/* Contents are written with 12 digits, tables hold every bit. */
static bool same(const struct tally *a, const struct tally *b)
{
    return a->n == b->n && fabs(a->sum - b->sum) <= 1e-11 * a->size;
}

static int check_points(struct verify *v, int64_t id, struct err *e)
{
    struct tally have;
    int rc = tally_rows(v,
                        "SELECT value - (SELECT f.value FROM figure f WHERE f.run = p.run AND f.metric ="
                        " (SELECT s.metric FROM series s WHERE s.id = p.series)) FROM series_point p WHERE run = $1",
                        id, &have, e);
    if (rc == 0 && have.size != 0) /* NaN, where a figure is missing, too */
        problem(v, "run %lld: its points in the series are not its figures", (long long)id);
    v->c->points += have.n;
    return rc;
}

static int check_tables(struct verify *v, int64_t id, struct err *e)
{
    struct tally figures, samples, have;
    expect(v->r, &figures, &samples);
    int rc = tally_rows(v, "SELECT value FROM figure WHERE run = $1", id, &have, e);
    if (rc == 0 && !same(&have, &figures))
        problem(v, "run %lld: %lld figures that are not the %lld of its record", (long long)id, (long long)have.n,
                (long long)figures.n);
    v->c->figures += have.n;
    if (rc == 0)
        rc = tally_rows(v, "SELECT value FROM sample WHERE run = $1", id, &have, e);
    if (rc == 0 && !same(&have, &samples))
        problem(v, "run %lld: %lld repetitions that are not the %lld of its record", (long long)id, (long long)have.n,
                (long long)samples.n);
    v->c->samples += have.n;
    return rc;
}

/* Columns: content_sha256, json, kind, cell_key. */
static int check_run(struct verify *v, const struct db_rows *q, int64_t id, struct err *e)
{
    size_t n;
    char hash[65], key[65];
    const char *json = db_get_text(q, 2, &n);
    struct err why = {0};
    v->c->runs++;
    sha256_hex(json, n, hash);
    if (strcmp(hash, db_get_text(q, 1, NULL)) != 0)
        problem(v, "run %lld: its content is not what it was when it was stored (%.12s, not %.12s)", (long long)id,
                hash, db_get_text(q, 1, NULL));
    if (strcmp(db_get_text(q, 3, NULL), "cell") != 0)
        return check_points(v, id, e);
    if (store_read_record(v->r, q, 2, store_path(v->s), &why) < 0) {
        problem(v, "run %lld: %s", (long long)id, why.text);
        return why.code == ERR_NOMEM ? err_set(e, why.code, "%s", why.text) : 0;
    }
    record_cell_key(v->r, key);
    if (strcmp(key, db_get_text(q, 4, NULL)) != 0)
        problem(v, "run %lld: it stands under another cell than its record's", (long long)id);
    int rc = check_tables(v, id, e);
    return rc == 0 ? check_points(v, id, e) : rc;
}

static int check_page(struct verify *v, struct err *e)
{
    struct db_rows *q;
    int n = 0,
        rc = db_query(&q, v->s->db,
                      "SELECT id, content_sha256, json, kind, cell_key FROM run WHERE id > $1 ORDER BY id LIMIT 64",
                      DB_VALUES(db_int(v->last)), e);
    while (rc == 0 && (rc = db_next(q, e)) > 0) {
        v->last = db_get_int(q, 0);
        rc = check_run(v, q, v->last, e);
        n++;
    }
    db_done(q);
    return rc < 0 ? rc : n;
}

static int check_orphans(struct verify *v, struct err *e)
{
    static const struct {
        const char *sql, *what;
    } kind[] = {
        {"SELECT count(*) FROM figure WHERE run NOT IN (SELECT id FROM run)", "figures without a run"},
        {"SELECT count(*) FROM sample WHERE run NOT IN (SELECT id FROM run)", "repetitions without a run"},
        {"SELECT count(*) FROM series_point WHERE run NOT IN (SELECT id FROM run)", "points without a run"},
        {"SELECT count(*) FROM series_point WHERE series NOT IN (SELECT id FROM series)", "points without a series"},
    };
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
        int64_t n = db_first_int(v->s->db, kind[i].sql, NULL, 0, e);
        if (n < 0)
            return (int)n;
        if (n > 0)
            problem(v, "%lld %s", (long long)n, kind[i].what);
    }
    return 0;
}

int store_verify(struct store *s, void (*say)(void *arg, const char *sentence), void *arg, struct verify_count *c,
                 struct err *e)
{
    struct err why = {0};
    *c = (struct verify_count){0};
    struct verify v = {s, say, arg, c, mem_alloc(sizeof *v.r), -1};
    int rc = v.r ? db_check(s->db, &why) : err_nomem(e, sizeof *v.r, "a record");
    if (why.code == ERR_FORMAT)
        problem(&v, "%s", why.text);
    else if (why.code)
        err_set(e, why.code, "%s", why.text);
    rc = why.code == ERR_FORMAT ? 1 : rc < 0 ? rc : 1;
    while (rc > 0)
        rc = check_page(&v, e);
    if (rc == 0)
        rc = check_orphans(&v, e);
    mem_free(v.r);
    return rc;
}
