/* Export and import of the whole store. */
#include "bench/store_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "bench/store_int.h"

enum { PAGE = 256 };

/* ---- out ---- */

struct cursor {
    int64_t time;
    char hash[65];
};

/* A page of contents after `at`: how many. */
static int export_page(struct store *s, struct cursor *at, int (*fn)(void *arg, const char *line, size_t n), void *arg,
                       int *stopped, struct err *e)
{
    struct db_rows *q;
    int n = 0, rc = db_query(&q, s->db,
                             "SELECT time, content_sha256, json FROM run WHERE (time, content_sha256) > ($1, $2)"
                             " ORDER BY time, content_sha256 LIMIT 256",
                             DB_VALUES(db_int(at->time), db_text(at->hash)), e);
    while (rc == 0 && *stopped == 0 && (rc = db_next(q, e)) > 0) {
        size_t size;
        at->time = db_get_int(q, 0);
        db_copy_text(at->hash, sizeof at->hash, q, 1);
        const char *json = db_get_text(q, 2, &size);
        *stopped = fn(arg, json, size);
        rc = 0;
        n++;
    }
    db_done(q);
    return rc < 0 ? rc : n;
}

static int run_hash(struct store *s, int64_t run, char out[65], struct err *e)
{
    struct db_rows *q;
    int rc = db_query(&q, s->db, "SELECT content_sha256 FROM run WHERE id = $1", DB_VALUES(db_int(run)), e);
    out[0] = 0;
    if (rc == 0 && (rc = db_next(q, e)) > 0)
        db_copy_text(out, 65, q, 0);
    db_done(q);
    return rc < 0 ? rc : 0;
}

struct change_writer {
    struct store *s;
    int (*fn)(void *arg, const char *line, size_t n);
    void *arg;
    struct err *e;
};

/* Runs are named by their content: row numbers mean nothing elsewhere. */
static int write_change(void *arg, const struct change *c)
{
    struct change_writer *w = arg;
    char before[65], after[65];
    int rc = run_hash(w->s, c->run_before, before, w->e);
    if (rc == 0)
        rc = run_hash(w->s, c->run_after, after, w->e);
    if (rc < 0)
        return rc;
    json_t *o = json_object();
    json_put(o, "id", json_string(c->id));
    json_put(o, "series", json_string(c->series));
    json_put(o, "metric", json_string(c->metric));
    json_put(o, "run_before", json_string(before));
    json_put(o, "run_after", json_string(after));
    json_put(o, "time", json_integer(c->time));
    json_put(o, "before", json_num(c->before));
    json_put(o, "after", json_num(c->after));
    json_put(o, "effect", json_num(c->effect));
    json_put(o, "p", json_num(c->p));
    json_put(o, "state", json_string(change_state_name(c->state)));
    json_put(o, "found_by", json_string(c->found_by));
    json_put(o, "note", json_string(c->note));
    json_put(o, "link", json_string(c->link));
    json_t *line = json_object();
    json_put(line, "change", o);
    struct sbuf b = {0};
    json_print(&b, line, 0);
    json_decref(line);
    rc = b.failed ? err_nomem(w->e, b.n, "a change") : w->fn(w->arg, b.p, b.n);
    sbuf_free(&b);
    return rc;
}

int store_export(struct store *s, int (*fn)(void *arg, const char *line, size_t n), void *arg, struct err *e)
{
    struct cursor at = {INT64_MIN, ""};
    struct change_writer w = {s, fn, arg, e};
    int stopped = 0, rc = 1;
    while (rc > 0 && stopped == 0)
        rc = export_page(s, &at, fn, arg, &stopped, e);
    if (rc < 0 || stopped)
        return rc < 0 ? rc : stopped;
    return store_each_change(s, NULL, write_change, &w, e);
}

/* ---- in ---- */

static void take(char *out, size_t size, const json_t *o, const char *key)
{
    snprintf(out, size, "%s", json_get_str(o, key, ""));
}

static int read_foreign_metric(struct foreign *f, const json_t *o, struct err *e)
{
    const json_t *values = json_object_get(o, "values");
    take(f->metric, sizeof f->metric, o, "metric");
    take(f->unit, sizeof f->unit, o, "unit");
    f->better = (int)json_integer_value(json_object_get(o, "better"));
    f->n = (int)json_array_size(values);
    if (!*f->metric || !values || f->n > RECORD_MAX_SAMPLES || abs(f->better) > 1)
        return err_set(e, ERR_FORMAT, "a foreign figure without name, values or direction");
    for (int i = 0; i < f->n; i++) {
        const json_t *v = json_array_get(values, (size_t)i);
        f->value[i] = json_is_number(v) ? json_number_value(v) : NAN;
    }
    return 0;
}

static int put_foreign(struct store *s, const json_t *j, const char *text, struct err *e)
{
    const json_t *metrics = json_object_get(j, "metrics");
    int n = (int)json_array_size(metrics), rc = 0;
    struct foreign *m = mem_alloc_n((size_t)n + 1, sizeof *m);
    struct foreign_run r = {.metric = m, .n = n};
    if (!m)
        return err_nomem(e, (unsigned long long)n * sizeof *m, "foreign figures");
    take(r.source, sizeof r.source, j, "source");
    take(r.date, sizeof r.date, j, "date");
    take(r.commit, sizeof r.commit, j, "commit");
    take(r.device, sizeof r.device, j, "device");
    take(r.env_sha256, sizeof r.env_sha256, j, "env_sha256");
    take(r.hw_sha256, sizeof r.hw_sha256, j, "hw_sha256");
    for (int i = 0; i < n && rc == 0; i++)
        rc = read_foreign_metric(&m[i], json_array_get(metrics, (size_t)i), e);
    if (rc == 0)
        rc = store_put_foreign_run(s->db, &r, text, e);
    mem_free(m);
    return rc;
}

static int64_t run_of_hash(struct store *s, const char *hash, struct err *e)
{
    return db_first_int(s->db, "SELECT id FROM run WHERE content_sha256 = $1", DB_VALUES(db_text(hash)), e);
}

/* What a person said here stands; a change that is still new takes what was said elsewhere. */
static int put_change(struct store *s, const json_t *o, struct err *e)
{
    struct change c = {.time = json_integer_value(json_object_get(o, "time")),
                       .before = json_get_num(o, "before"),
                       .after = json_get_num(o, "after"),
                       .effect = json_get_num(o, "effect"),
                       .p = json_get_num(o, "p")};
    int state = change_state_find(json_get_str(o, "state", ""));
    take(c.id, sizeof c.id, o, "id");
    take(c.series, sizeof c.series, o, "series");
    take(c.metric, sizeof c.metric, o, "metric");
    take(c.found_by, sizeof c.found_by, o, "found_by");
    take(c.note, sizeof c.note, o, "note");
    take(c.link, sizeof c.link, o, "link");
    if (state < 0 || strlen(c.id) != 16 || !*c.series)
        return err_set(e, ERR_FORMAT, "a change without id, series or a state that this program knows");
    c.state = (enum change_state)state;
    c.run_before = run_of_hash(s, json_get_str(o, "run_before", ""), e);
    c.run_after = c.run_before < 0 ? c.run_before : run_of_hash(s, json_get_str(o, "run_after", ""), e);
    return c.run_after < 0 ? (int)c.run_after : store_merge_change(s->db, &c, e);
}

/* 1 put, 0 known. The content is what the line holds, however it is spaced: fields of another version stay. */
static int put_line(struct store *s, struct record *r, const char *line, size_t n, struct import_count *c,
                    struct err *e)
{
    json_t *j = NULL;
    struct sbuf text = {0};
    int rc = json_parse(&j, line, n, "the line", e);
    if (rc < 0)
        return rc;
    const json_t *change = json_object_get(j, "change");
    bool foreign = json_object_get(j, "foreign") != NULL;
    json_print(&text, j, 0);
    if (text.failed)
        rc = err_nomem(e, n, "a line");
    else if (change)
        rc = put_change(s, change, e);
    else if (foreign)
        rc = put_foreign(s, j, sbuf_str(&text), e);
    else if ((rc = record_from_json(r, j, e)) == 0)
        rc = store_put_run(s->db, r, sbuf_str(&text), e);
    json_decref(j);
    sbuf_free(&text);
    if (rc >= 0)
        ++*(rc == 0 ? &c->known : change ? &c->changes : foreign ? &c->foreign : &c->records);
    return rc;
}

struct reader {
    FILE *f;
    const char *path;
    char *line;
    size_t cap;
    int64_t at; /* number of the line */
    struct record *r;
};

/* The next lines in one transaction; a bad one ends it, and what stands before it stays. 1: there may be more. */
static int import_page(struct store *s, struct reader *in, struct import_count *c, struct err *e)
{
    int rc = db_begin(s->db, e), bad = 0;
    if (rc < 0)
        return rc;
    ssize_t n = 0;
    for (int i = 0; i < PAGE && bad == 0 && rc == 0 && (n = getline(&in->line, &in->cap, in->f)) >= 0; i++) {
        in->at++;
        if (strspn(in->line, " \t\r\n") == (size_t)n)
            continue;
        int put = put_line(s, in->r, in->line, (size_t)n, c, e);
        if (put == ERR_FORMAT || put == ERR_UNSUPPORTED)
            bad = err_context(e, "%s, line %lld (what stands before it is in the store)", in->path, (long long)in->at);
        else
            rc = put < 0 ? put : 0;
    }
    int end = db_end(s->db, rc, bad ? NULL : e);
    return end < 0 ? end : bad ? bad : n >= 0;
}

int store_import(struct store *s, const char *path, struct import_count *c, struct err *e)
{
    struct reader in = {.f = fopen(path, "re"), .path = path, .r = mem_alloc(sizeof *in.r)};
    int rc = 1;
    if (!in.f)
        rc = err_set(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "cannot open %s: %s", path, strerror(errno));
    else if (!in.r)
        rc = err_nomem(e, sizeof *in.r, "a record");
    while (rc > 0)
        rc = import_page(s, &in, c, e);
    if (rc == 0 && ferror(in.f))
        rc = err_set(e, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (in.f)
        fclose(in.f);
    free(in.line);
    mem_free(in.r);
    return rc;
}
