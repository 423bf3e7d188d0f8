/* The store: a row a record with its JSON, and beside it every figure, every raw repetition and the points of its
 * series (series.c) as rows, so that SQL answers questions without this program. The JSON is what is read back. */
#include <stdio.h>
#include <stdlib.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/record_fields.h"
#include "bench/store_int.h"

/* $XDG_DATA_HOME/whichquant/store.db, else below ~/.local/share; its folder is made. */
static int default_path(char **out, struct err *e)
{
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char folder[3500];
    int n;
    if (base && base[0] == '/')
        n = snprintf(folder, sizeof folder, "%s/whichquant", base);
    else if (home && *home)
        n = snprintf(folder, sizeof folder, "%s/.local/share/whichquant", home);
    else
        return err_set(e, ERR_MISSING,
                       "no place for the store: neither XDG_DATA_HOME nor HOME is set; give --store PATH");
    if (n >= (int)sizeof folder)
        return err_set(e, ERR_LIMIT, "no place for the store: %.40s... is too long a name; give --store PATH", folder);
    int rc = dir_make(folder, e);
    if (rc < 0)
        return rc;
    size_t size = strlen(folder) + sizeof "/store.db";
    *out = mem_alloc(size);
    if (!*out)
        return err_nomem(e, size, folder);
    snprintf(*out, size, "%s/store.db", folder);
    return 0;
}

int store_open(struct store **out, const char *path, struct err *e)
{
    *out = NULL;
    struct store *s = mem_alloc(sizeof *s);
    if (!s)
        return err_nomem(e, sizeof *s, "the store");
    int rc = 0;
    if (path && !(s->path = mem_strdup(path)))
        rc = err_nomem(e, strlen(path), "the store");
    else if (!path)
        rc = default_path(&s->path, e);
    if (rc == 0)
        rc = db_open(&s->db, s->path, &store_schema, e);
    if (rc < 0)
        store_close(s);
    else
        *out = s;
    return rc;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    db_close(s->db);
    mem_free(s->path);
    mem_free(s);
}

const char *store_path(const struct store *s)
{
    return db_name(s->db);
}

/* ---- writing ---- */

/* The new row's id, or 0 when its content is there already. */
static int64_t insert_run(struct db *d, const struct record *r, const struct run_row *w, const char *json,
                          struct err *e)
{
    char hash[65];
    sha256_hex(json, strlen(json), hash);
    return db_first_int(d,
                      "INSERT INTO run(content_sha256, run_id, date, cell_id, hw_sha256, env_sha256, model_sha256,"
                      " model, format, framework, framework_version, status, reason, json, kind, time, cell_key,"
                      " artifact_sha256, engine_sha256, config_sha256, tool_commit)"
                      " VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21)"
                      " ON CONFLICT(content_sha256) DO NOTHING RETURNING id",
                      DB_VALUES(db_text(hash), db_text(r->run_id), db_text(r->date), db_text(r->cell_id),
                                db_text(r->hw_sha256), db_text(r->env_sha256), db_text(r->model.sha256),
                                db_text(r->model.name), db_text(r->format.name), db_text(r->framework.name),
                                db_text(r->framework.version), db_text(record_status_name(r->status)),
                                db_text(r->reason), db_text(json), db_text(w->kind), db_int(w->time),
                                db_text(w->cell_key), db_text(w->artifact_sha256), db_text(w->engine_sha256),
                                db_text(w->config_sha256), db_text(w->commit)),
                      e);
}

int store_put_sample(struct db *d, int64_t run, const char *metric, int rep, double value, struct err *e)
{
    return db_put(d, "INSERT INTO sample(run, metric, rep, value) VALUES($1,$2,$3,$4)",
                  DB_VALUES(db_int(run), db_text(metric), db_int(rep), db_real(value)), e);
}

int store_put_figure(struct db *d, int64_t run, const char *metric, struct interval v, const char *unit, struct err *e)
{
    return db_put(d, "INSERT INTO figure(run, metric, value, lo, hi, unit) VALUES($1,$2,$3,$4,$5,$6)",
                  DB_VALUES(db_int(run), db_text(metric), db_real(v.v), db_real(v.lo), db_real(v.hi), db_text(unit)),
                  e);
}

static int insert_samples(struct db *d, int64_t run, const struct record_field *f, const struct samples *x,
                          struct err *e)
{
    int rc = 0;
    for (int i = 0; i < x->n && i < RECORD_MAX_SAMPLES && rc == 0; i++)
        if (isfinite(x->x[i]))
            rc = store_put_sample(d, run, f->key, i, x->x[i], e);
    return rc;
}

static int insert_figures(struct db *d, int64_t run, const struct record *r, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < n_record_fields && rc == 0; i++) {
        const struct record_field *f = &record_fields[i];
        struct interval v = f->unit ? record_figure(r, f) : INTERVAL_NONE;
        if (f->kind == FIELD_SAMPLES || f->kind == FIELD_CHUNKS)
            rc = insert_samples(d, run, f, (const struct samples *)((const char *)r + f->offset), e);
        if (isfinite(v.v))
            rc = store_put_figure(d, run, f->key, v, f->unit, e);
    }
    return rc;
}

static int record_text(struct sbuf *out, const struct record *r, struct err *e)
{
    json_t *j = record_to_json(r);
    if (j)
        json_print(out, j, 0);
    json_decref(j);
    return j && !out->failed ? 0 : err_nomem(e, out->n, "a record");
}

int store_put_run(struct db *d, const struct record *r, const char *json, struct err *e)
{
    struct run_row w;
    store_row_of(&w, r);
    int64_t id = insert_run(d, r, &w, json, e);
    if (id <= 0)
        return (int)id;
    int rc = insert_figures(d, id, r, e);
    if (rc == 0)
        rc = store_put_points(d, id, &w, r, e);
    return rc < 0 ? rc : 1;
}

int store_put(struct store *s, const struct record *r, struct err *e)
{
    struct sbuf json = {0};
    int rc = record_text(&json, r, e);
    if (rc == 0)
        rc = db_begin(s->db, e);
    if (rc == 0)
        rc = db_end(s->db, store_put_run(s->db, r, sbuf_str(&json), e), e);
    sbuf_free(&json);
    return rc < 0 ? rc : 0;
}

/* ---- reading ---- */

int store_read_record(struct record *out, const struct db_rows *q, int column, const char *where, struct err *e)
{
    size_t n;
    json_t *j = NULL;
    const char *text = db_get_text(q, column, &n);
    int rc = json_parse(&j, text, n, where, e);
    if (rc == 0 && (rc = record_from_json(out, j, e)) < 0)
        err_context(e, "the store %s", where);
    json_decref(j);
    return rc;
}

int store_find(struct store *s, const char *cell_id, const char *env_sha256, struct record *out, struct err *e)
{
    struct db_rows *q;
    int rc = db_query(&q, s->db,
                      "SELECT json FROM run WHERE cell_id = $1 AND env_sha256 = $2 AND status = 'ok' AND kind = 'cell'"
                      " ORDER BY date DESC, id DESC LIMIT 1",
                      DB_VALUES(db_text(cell_id), db_text(env_sha256)), e);
    if (rc == 0 && (rc = db_next(q, e)) > 0) {
        int read = store_read_record(out, q, 0, store_path(s), e);
        rc = read < 0 ? read : 1;
    }
    db_done(q);
    return rc;
}

struct cursor {
    char date[64];
    int64_t id;
};

/* A page of records after `at`: how many, or what fn returned in *stopped. */
static int each_page(struct store *s, const char *env_sha256, const char *model_sha256, struct cursor *at,
                     struct record *r, int (*fn)(void *arg, const struct record *r), void *arg, int *stopped,
                     struct err *e)
{
    struct db_rows *q;
    int n = 0, rc = db_query(&q, s->db,
                             "SELECT json, date, id FROM run WHERE (CAST($1 AS TEXT) IS NULL OR env_sha256 = $1)"
                             " AND (CAST($2 AS TEXT) IS NULL OR model_sha256 = $2) AND kind = 'cell'"
                             " AND (date, id) > ($3, $4) ORDER BY date, id LIMIT 64",
                             DB_VALUES(db_text(env_sha256), db_text(model_sha256), db_text(at->date), db_int(at->id)),
                             e);
    while (rc == 0 && *stopped == 0 && (rc = db_next(q, e)) > 0) {
        db_copy_text(at->date, sizeof at->date, q, 1);
        at->id = db_get_int(q, 2);
        rc = store_read_record(r, q, 0, store_path(s), e);
        if (rc == 0)
            *stopped = fn(arg, r);
        n++;
    }
    db_done(q);
    return rc < 0 ? rc : n;
}

int store_each(struct store *s, const char *env_sha256, const char *model_sha256,
               int (*fn)(void *arg, const struct record *r), void *arg, struct err *e)
{
    struct cursor at = {"", -1};
    struct record *r = mem_alloc(sizeof *r);
    int stopped = 0, rc = r ? 1 : err_nomem(e, sizeof *r, "a record");
    while (rc > 0 && stopped == 0)
        rc = each_page(s, env_sha256, model_sha256, &at, r, fn, arg, &stopped, e);
    mem_free(r);
    return rc < 0 ? rc : stopped;
}

/* ---- quality so far ---- */

int store_put_chunk(struct store *s, const char *cell_id, int i, const void *p, size_t n, struct err *e)
{
    int64_t rc = db_run(s->db,
                        "INSERT INTO chunk(cell_id, i, data) VALUES($1,$2,$3)"
                        " ON CONFLICT(cell_id, i) DO UPDATE SET data = excluded.data",
                        DB_VALUES(db_text(cell_id), db_int(i), db_blob(p, n)), e);
    return rc < 0 ? (int)rc : 0;
}

int store_get_chunk(struct store *s, const char *cell_id, int i, struct sbuf *out, struct err *e)
{
    struct db_rows *q;
    int rc = db_query(&q, s->db, "SELECT data FROM chunk WHERE cell_id = $1 AND i = $2",
                      DB_VALUES(db_text(cell_id), db_int(i)), e);
    if (rc == 0 && (rc = db_next(q, e)) > 0) {
        size_t n;
        const char *p = db_get_text(q, 0, &n);
        sbuf_add(out, p, n);
    }
    db_done(q);
    return out->failed ? err_nomem(e, out->n, "a chunk's figures") : rc;
}
