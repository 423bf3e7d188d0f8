/* The store in SQLite: a row a record with its JSON, and beside it every figure and every raw repetition as
 * rows, so that `sqlite3 store.db` answers questions without this program. The JSON is what is read back.
 *
 * WAL and synchronous=FULL: a cell that store_put has acknowledged survives SIGKILL and power loss. A file is
 * looked at by its first 100 bytes before SQLite opens it, so a foreign one is not touched. */
#include "bench/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/record_fields.h"

enum { APPLICATION_ID = 0x77686971 /* "whiq" */, STORE_SCHEMA = 1, BUSY_TIMEOUT_MS = 20000 };

static const char schema_sql[] =
    "CREATE TABLE run(id INTEGER PRIMARY KEY, content_sha256 TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL,"
    " date TEXT NOT NULL, cell_id TEXT NOT NULL, hw_sha256 TEXT NOT NULL, env_sha256 TEXT NOT NULL,"
    " model_sha256 TEXT NOT NULL, model TEXT NOT NULL, format TEXT NOT NULL, framework TEXT NOT NULL,"
    " framework_version TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, json TEXT NOT NULL);"
    "CREATE INDEX run_of_cell ON run(cell_id, env_sha256, date);"
    "CREATE INDEX run_by_date ON run(date, id);"
    "CREATE TABLE figure(run INTEGER NOT NULL REFERENCES run(id), metric TEXT NOT NULL, value REAL NOT NULL, "
    "lo REAL,"
    " hi REAL, unit TEXT NOT NULL, PRIMARY KEY(run, metric));"
    "CREATE TABLE sample(run INTEGER NOT NULL REFERENCES run(id), metric TEXT NOT NULL, rep INTEGER NOT NULL,"
    " value REAL NOT NULL, PRIMARY KEY(run, metric, rep));"
    "CREATE INDEX figure_by_metric ON figure(metric);"
    "CREATE TABLE chunk(cell_id TEXT NOT NULL, i INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(cell_id, "
    "i));";

enum statement {
    INSERT_RUN,
    INSERT_FIGURE,
    INSERT_SAMPLE,
    FIND_RUN,
    EACH_RUN,
    PUT_CHUNK,
    GET_CHUNK,
    N_STATEMENTS
};
static const char *const statement_sql[N_STATEMENTS] = {
    [INSERT_RUN] = "INSERT OR IGNORE INTO run(content_sha256, run_id, date, cell_id, hw_sha256, env_sha256, "
                   "model_sha256,"
                   " model, format, framework, framework_version, status, reason, json)"
                   " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [INSERT_FIGURE] = "INSERT INTO figure VALUES(?,?,?,?,?,?)",
    [INSERT_SAMPLE] = "INSERT INTO sample VALUES(?,?,?,?)",
    [FIND_RUN] = "SELECT json FROM run WHERE cell_id = ? AND env_sha256 = ? AND status = 'ok'"
                 " ORDER BY date DESC, id DESC LIMIT 1",
    [EACH_RUN] =
        "SELECT json FROM run WHERE (?1 IS NULL OR env_sha256 = ?1) AND (?2 IS NULL OR model_sha256 = ?2)"
        " ORDER BY date, id",
    [PUT_CHUNK] = "INSERT OR REPLACE INTO chunk VALUES(?,?,?)",
    [GET_CHUNK] = "SELECT data FROM chunk WHERE cell_id = ? AND i = ?",
};
struct store {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *statement[N_STATEMENTS];
};

/* SQLite's complaint as a sentence that says what to do. */
int store_complain(const struct store *s, int rc, struct err *e)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return err_nomem(e, 0, s->path);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return err_set(e, ERR_FORMAT,
                       "the store %s is damaged (%s); move it away and bring its records back with "
                       "`whichquant import records.jsonl`",
                       s->path, sqlite3_errmsg(s->db));
    case SQLITE_FULL:
        return err_set(e, ERR_IO,
                       "the disk is full: cannot write %s; free some space or give another --store", s->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(e, ERR_TIMEOUT, "another program has kept the store %s locked for %d s; try again",
                       s->path, BUSY_TIMEOUT_MS / 1000);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return err_set(e, ERR_IO, "cannot write the store %s: %s; give a writable one with --store", s->path,
                       sqlite3_errmsg(s->db));
    default:
        return err_set(e, ERR_IO, "the store %s: %s", s->path, sqlite3_errmsg(s->db));
    }
}

static int run_sql(struct store *s, const char *sql, struct err *e)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_complain(s, rc, e);
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Refuses what is not ours by its first bytes, without SQLite. No file and an empty one are fine. */
static int look_at_file(const char *path, struct err *e)
{
    unsigned char head[100];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot open the store %s: %s; give another with --store", path,
                       strerror(errno));
    ssize_t n = read(fd, head, sizeof head);
    int was = errno;
    close(fd);
    if (n < 0)
        return err_set(e, ERR_IO, "cannot read the store %s: %s; give another with --store", path,
                       strerror(was));
    if (n == 0)
        return 0;
    if (n < (ssize_t)sizeof head || memcmp(head, "SQLite format 3", 16) != 0)
        return err_set(e, ERR_FORMAT,
                       "%s is not a database: it was left alone; give another path with --store", path);
    if (be32(head + 68) != APPLICATION_ID)
        return err_set(
            e, ERR_FORMAT,
            "%s is a database of another program: it was left alone; give another path with --store", path);
    if (be32(head + 60) > STORE_SCHEMA)
        return err_set(e, ERR_UNSUPPORTED,
                       "the store %s was written by a newer whichquant (schema %u, this one knows %d); "
                       "update the program or give another path with --store",
                       path, be32(head + 60), STORE_SCHEMA);
    return 0;
}

static int pragma_int(struct store *s, const char *sql, int *out, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        *out = sqlite3_column_int(q, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    return rc == SQLITE_OK ? 0 : store_complain(s, rc, e);
}

/* One transaction, so that another process sees either nothing or a whole store; the second of two makers
 * finds it. */
static int create_schema(struct store *s, struct err *e)
{
    int version = 0, rc = run_sql(s, "BEGIN IMMEDIATE", e);
    if (rc < 0)
        return rc;
    rc = pragma_int(s, "PRAGMA user_version", &version, e);
    if (rc == 0 && version == 0) {
        char stamp[96];
        snprintf(stamp, sizeof stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
                 STORE_SCHEMA);
        rc = run_sql(s, schema_sql, e);
        if (rc == 0)
            rc = run_sql(s, stamp, e);
    }
    if (rc == 0)
        rc = run_sql(s, "COMMIT", e);
    if (rc < 0)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static int check_intact(struct store *s, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &q, NULL);
    bool intact = false;
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *said = (const char *)sqlite3_column_text(q, 0);
        intact = said && strcmp(said, "ok") == 0;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    if (rc != SQLITE_OK)
        return store_complain(s, rc, e);
    return intact ? 0 : store_complain(s, SQLITE_CORRUPT, e);
}

/* The file may carry our stamp from a maker that was killed before it was done: SQLite has then rolled it
 * back to nothing, which only SQLite can tell. */
static int open_schema(struct store *s, struct err *e)
{
    int version = 0, rc = pragma_int(s, "PRAGMA user_version", &version, e);
    if (rc < 0)
        return rc;
    return version ? check_intact(s, e) : create_schema(s, e);
}

static int open_database(struct store *s, struct err *e)
{
    int rc = strcmp(s->path, ":memory:") == 0 ? 0 : look_at_file(s->path, e);
    if (rc < 0)
        return rc;
    rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc != SQLITE_OK)
        return s->db ? store_complain(s, rc, e) : err_nomem(e, 0, s->path);
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    rc = open_schema(s, e);
    if (rc == 0)
        rc = run_sql(s, store_factor_sql, e);
    if (rc == 0)
        rc = run_sql(s, store_rates_sql, e);
    if (rc < 0)
        return rc;
    /* Refused where shared memory does not work, or while another process makes the same switch: safe either
     * way. */
    sqlite3_exec(s->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
    rc = run_sql(s, "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON", e);
    for (int i = 0; i < N_STATEMENTS && rc == 0; i++) {
        int r = sqlite3_prepare_v3(s->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statement[i],
                                   NULL);
        rc = r == SQLITE_OK ? 0 : store_complain(s, r, e);
    }
    return rc;
}

/* $XDG_DATA_HOME/whichquant/store.db, else below ~/.local/share; its folder is made. */
static int default_path(char **out, struct err *e)
{
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char folder[3500];
    if (base && base[0] == '/')
        snprintf(folder, sizeof folder, "%s/whichquant", base);
    else if (home && *home)
        snprintf(folder, sizeof folder, "%s/.local/share/whichquant", home);
    else
        return err_set(e, ERR_MISSING,
                       "no place for the store: neither XDG_DATA_HOME nor HOME is set; give --store PATH");
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
        rc = err_nomem(e, strlen(path), path);
    else if (!path)
        rc = default_path(&s->path, e);
    if (rc == 0)
        rc = open_database(s, e);
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
    for (int i = 0; i < N_STATEMENTS; i++)
        sqlite3_finalize(s->statement[i]);
    sqlite3_close(s->db);
    mem_free(s->path);
    mem_free(s);
}

sqlite3 *store_database(struct store *s)
{
    return s->db;
}

const char *store_path(const struct store *s)
{
    return s->path;
}

/* Runs a bound statement that returns no rows and makes it ready for the next binding. */
static int finish(struct store *s, sqlite3_stmt *q, struct err *e)
{
    int rc = sqlite3_step(q);
    int result = rc == SQLITE_DONE ? 0 : store_complain(s, rc, e);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return result;
}

static int insert_run(struct store *s, const struct record *r, const char *json, struct err *e)
{
    char hash[65];
    sha256_hex(json, strlen(json), hash);
    const char *column[] = {hash,
                            r->run_id,
                            r->date,
                            r->cell_id,
                            r->hw_sha256,
                            r->env_sha256,
                            r->model.sha256,
                            r->model.name,
                            r->format.name,
                            r->framework.name,
                            r->framework.version,
                            record_status_name(r->status),
                            r->reason,
                            json};
    sqlite3_stmt *q = s->statement[INSERT_RUN];
    for (size_t i = 0; i < sizeof column / sizeof *column; i++)
        sqlite3_bind_text(q, (int)i + 1, column[i], -1, SQLITE_TRANSIENT);
    return finish(s, q, e);
}

static void bind_number(sqlite3_stmt *q, int i, double v)
{
    if (isfinite(v))
        sqlite3_bind_double(q, i, v);
    else
        sqlite3_bind_null(q, i);
}

static int insert_samples(struct store *s, int64_t run, const struct record_field *f, const struct samples *x,
                          struct err *e)
{
    sqlite3_stmt *q = s->statement[INSERT_SAMPLE];
    int rc = 0;
    for (int i = 0; i < x->n && i < RECORD_MAX_SAMPLES && rc == 0; i++) {
        if (!isfinite(x->x[i]))
            continue;
        sqlite3_bind_int64(q, 1, run);
        sqlite3_bind_text(q, 2, f->key, -1, SQLITE_STATIC);
        sqlite3_bind_int(q, 3, i);
        sqlite3_bind_double(q, 4, x->x[i]);
        rc = finish(s, q, e);
    }
    return rc;
}

static int insert_figures(struct store *s, int64_t run, const struct record *r, struct err *e)
{
    sqlite3_stmt *q = s->statement[INSERT_FIGURE];
    int rc = 0;
    for (int i = 0; i < n_record_fields && rc == 0; i++) {
        const struct record_field *f = &record_fields[i];
        struct interval v = f->unit ? record_figure(r, f) : INTERVAL_NONE;
        if (f->kind == FIELD_SAMPLES)
            rc = insert_samples(s, run, f, (const struct samples *)((const char *)r + f->offset), e);
        if (!isfinite(v.v))
            continue;
        sqlite3_bind_int64(q, 1, run);
        sqlite3_bind_text(q, 2, f->key, -1, SQLITE_STATIC);
        bind_number(q, 3, v.v);
        bind_number(q, 4, v.lo);
        bind_number(q, 5, v.hi);
        sqlite3_bind_text(q, 6, f->unit, -1, SQLITE_STATIC);
        rc = finish(s, q, e);
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

int store_put(struct store *s, const struct record *r, struct err *e)
{
    struct sbuf json = {0};
    int rc = record_text(&json, r, e);
    if (rc == 0)
        rc = run_sql(s, "BEGIN IMMEDIATE", e);
    if (rc == 0) {
        rc = insert_run(s, r, sbuf_str(&json), e);
        if (rc == 0 && sqlite3_changes(s->db) > 0)
            rc = insert_figures(s, sqlite3_last_insert_rowid(s->db), r, e);
        if (rc == 0)
            rc = run_sql(s, "COMMIT", e);
        if (rc < 0)
            sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    sbuf_free(&json);
    return rc;
}

/* The record in column 0 of the row that q stands on. */
static int read_row(struct store *s, sqlite3_stmt *q, struct record *out, struct err *e)
{
    const char *text = (const char *)sqlite3_column_text(q, 0);
    json_t *j = NULL;
    int rc = text ? json_parse(&j, text, (size_t)sqlite3_column_bytes(q, 0), s->path, e)
                  : err_nomem(e, 0, s->path);
    if (rc == 0 && (rc = record_from_json(out, j, e)) < 0)
        err_context(e, "the store %s", s->path);
    json_decref(j);
    return rc;
}

int store_find(struct store *s, const char *cell_id, const char *env_sha256, struct record *out,
               struct err *e)
{
    sqlite3_stmt *q = s->statement[FIND_RUN];
    sqlite3_bind_text(q, 1, cell_id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(q, 2, env_sha256, -1, SQLITE_TRANSIENT);
    int step = sqlite3_step(q), rc = 0;
    if (step == SQLITE_ROW) {
        rc = read_row(s, q, out, e);
        rc = rc < 0 ? rc : 1;
    } else if (step != SQLITE_DONE) {
        rc = store_complain(s, step, e);
    }
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return rc;
}

int store_each(struct store *s, const char *env_sha256, const char *model_sha256,
               int (*fn)(void *arg, const struct record *r), void *arg, struct err *e)
{
    struct record *r = mem_alloc(sizeof *r);
    if (!r)
        return err_nomem(e, sizeof *r, "a record");
    sqlite3_stmt *q = s->statement[EACH_RUN];
    sqlite3_bind_text(q, 1, env_sha256, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(q, 2, model_sha256, -1, SQLITE_TRANSIENT);
    int step, rc = 0;
    while (rc == 0 && (step = sqlite3_step(q)) != SQLITE_DONE) {
        rc = step == SQLITE_ROW ? read_row(s, q, r, e) : store_complain(s, step, e);
        if (rc == 0)
            rc = fn(arg, r);
    }
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    mem_free(r);
    return rc;
}

int store_put_chunk(struct store *s, const char *cell_id, int i, const void *p, size_t n, struct err *e)
{
    sqlite3_stmt *q = s->statement[PUT_CHUNK];
    sqlite3_bind_text(q, 1, cell_id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(q, 2, i);
    sqlite3_bind_blob64(q, 3, n ? p : "", n, SQLITE_TRANSIENT);
    return finish(s, q, e);
}

int store_get_chunk(struct store *s, const char *cell_id, int i, struct sbuf *out, struct err *e)
{
    sqlite3_stmt *q = s->statement[GET_CHUNK];
    sqlite3_bind_text(q, 1, cell_id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(q, 2, i);
    int step = sqlite3_step(q), rc = step == SQLITE_ROW;
    if (rc)
        sbuf_add(out, sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0));
    else if (step != SQLITE_DONE)
        rc = store_complain(s, step, e);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return out->failed ? err_nomem(e, out->n, "a chunk's figures") : rc;
}
