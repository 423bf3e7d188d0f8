/* SQLite: WAL and synchronous=FULL, so what db_end has acknowledged survives SIGKILL and power loss. A file is looked
 * at by its first 100 bytes before SQLite opens it, so a foreign one is not touched. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "bench/db_int.h"

enum { APPLICATION_ID = 0x77686971 /* "whiq" */, MOST_KEPT = 64 };
enum { CHECKED_BYTES = 16 << 20 }; /* larger files are checked when they are asked for only: opening must stay quick */

static const struct db_words words[] = {
    {"{id}", "INTEGER PRIMARY KEY"},   {"{blob}", "BLOB"}, {"{text}", "TEXT"},
    {"{clustered}", " WITHOUT ROWID"}, {NULL, NULL},
};
struct kept {
    const char *sql; /* by address: every statement is a constant of the program */
    sqlite3_stmt *q;
    bool busy;
};
struct sqlite {
    sqlite3 *db;
    struct kept kept[MOST_KEPT];
    int n_kept;
};

static struct sqlite *own(const struct db *d)
{
    return d->own;
}

static int damaged(const struct db *d, const char *said, struct err *e)
{
    return err_set(e, ERR_FORMAT,
                   "the store %s is damaged (%s); move it away and bring its records back with "
                   "`whichquant import records.jsonl`",
                   d->name, said);
}

/* SQLite's complaint as a sentence that says what to do. */
static int complain(const struct db *d, int rc, struct err *e)
{
    const char *said = own(d) ? sqlite3_errmsg(own(d)->db) : "";
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return err_nomem(e, 0, d->name);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return damaged(d, said, e);
    case SQLITE_FULL:
        return err_set(e, ERR_IO, "the disk is full: cannot write %s; free some space or give another --store",
                       d->name);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(e, ERR_TIMEOUT, "another program has kept the store %s locked for %d s; try again", d->name,
                       DB_WAIT_S);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return err_set(e, ERR_IO, "cannot write the store %s: %s; give a writable one with --store", d->name, said);
    default:
        return err_set(e, ERR_IO, "the store %s: %s", d->name, said);
    }
}

static int script(struct db *d, const char *sql, struct err *e)
{
    int rc = sqlite3_exec(own(d)->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : complain(d, rc, e);
}

/* ---- statements ---- */

static struct kept *find_kept(struct sqlite *s, const char *sql)
{
    for (int i = 0; i < s->n_kept; i++)
        if (s->kept[i].sql == sql)
            return &s->kept[i];
    return NULL;
}

/* The prepared statement, or, where that one is in use by an outer query, another of its kind. */
static int take(struct db *d, const char *sql, sqlite3_stmt **q, struct err *e)
{
    struct sqlite *s = own(d);
    struct kept *k = find_kept(s, sql);
    if (k && !k->busy) {
        k->busy = true;
        *q = k->q;
        return 0;
    }
    int rc = sqlite3_prepare_v3(s->db, sql, -1, k ? 0 : SQLITE_PREPARE_PERSISTENT, q, NULL);
    if (rc != SQLITE_OK)
        return complain(d, rc, e);
    if (!k && s->n_kept < MOST_KEPT)
        s->kept[s->n_kept++] = (struct kept){sql, *q, true};
    return 0;
}

static void give_back(struct db *d, sqlite3_stmt *q)
{
    struct sqlite *s = own(d);
    for (int i = 0; i < s->n_kept; i++)
        if (s->kept[i].q == q) {
            sqlite3_reset(q);
            sqlite3_clear_bindings(q);
            s->kept[i].busy = false;
            return;
        }
    sqlite3_finalize(q);
}

static int bind_one(sqlite3_stmt *q, int i, const struct db_value *v)
{
    if (v->null)
        return sqlite3_bind_null(q, i);
    switch (v->type) {
    case DB_INT:
        return sqlite3_bind_int64(q, i, v->i);
    case DB_REAL:
        return sqlite3_bind_double(q, i, v->x);
    case DB_TEXT:
        return sqlite3_bind_text64(q, i, v->p, v->n, SQLITE_TRANSIENT, SQLITE_UTF8);
    default:
        return sqlite3_bind_blob64(q, i, v->p, v->n, SQLITE_TRANSIENT);
    }
}

/* SQLite numbers "$1" by where it first stands: so by name. */
static int bind(struct db *d, sqlite3_stmt *q, const struct db_value *v, int n, struct err *e)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < n && rc == SQLITE_OK; i++) {
        char name[16];
        snprintf(name, sizeof name, "$%d", i + 1);
        rc = bind_one(q, sqlite3_bind_parameter_index(q, name), &v[i]);
    }
    return rc == SQLITE_OK ? 0 : complain(d, rc, e);
}

static int64_t run(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    sqlite3_stmt *q;
    int rc = take(d, sql, &q, e);
    if (rc < 0)
        return rc;
    rc = bind(d, q, v, n, e);
    int step = rc == 0 ? sqlite3_step(q) : SQLITE_DONE;
    int64_t changed = sqlite3_changes64(own(d)->db);
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        rc = complain(d, step, e);
    give_back(d, q);
    return rc < 0 ? rc : changed;
}

static int put(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    int64_t rc = run(d, sql, v, n, e);
    return rc < 0 ? (int)rc : 0;
}

static int query(struct db_rows **out, struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    sqlite3_stmt *q;
    struct db_rows *rows = mem_alloc(sizeof *rows);
    if (!rows)
        return err_nomem(e, sizeof *rows, d->name);
    int rc = take(d, sql, &q, e);
    if (rc == 0 && (rc = bind(d, q, v, n, e)) < 0)
        give_back(d, q);
    if (rc < 0) {
        mem_free(rows);
        return rc;
    }
    *rows = (struct db_rows){d, q};
    *out = rows;
    return 0;
}

static int next(struct db_rows *q, struct err *e)
{
    int step = sqlite3_step(q->own);
    return step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : complain(q->d, step, e);
}

static int64_t get_int(const struct db_rows *q, int column)
{
    return sqlite3_column_int64(q->own, column);
}

static double get_real(const struct db_rows *q, int column)
{
    return sqlite3_column_type(q->own, column) == SQLITE_NULL ? NAN : sqlite3_column_double(q->own, column);
}

static const char *get_text(const struct db_rows *q, int column, size_t *n)
{
    const void *p = sqlite3_column_type(q->own, column) == SQLITE_BLOB ? sqlite3_column_blob(q->own, column)
                                                                       : sqlite3_column_text(q->own, column);
    *n = p ? (size_t)sqlite3_column_bytes(q->own, column) : 0;
    return p ? p : "";
}

static void done(struct db_rows *q)
{
    give_back(q->d, q->own);
    mem_free(q);
}

/* ---- transactions ---- */

static int begin(struct db *d, struct err *e)
{
    return script(d, "BEGIN IMMEDIATE", e);
}

static int end(struct db *d, bool commit, struct err *e)
{
    int rc = commit ? script(d, "COMMIT", e) : 0;
    if (!commit || rc < 0)
        sqlite3_exec(own(d)->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* ---- opening ---- */

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Refuses what is not ours by its first bytes, without SQLite. No file and an empty one are fine. */
static int look_at_file(const struct db *d, int newest, struct err *e)
{
    unsigned char head[100];
    int fd = open(d->where, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot open the store %s: %s; give another with --store", d->name, strerror(errno));
    ssize_t n = read(fd, head, sizeof head);
    int was = errno;
    close(fd);
    if (n < 0)
        return err_set(e, ERR_IO, "cannot read the store %s: %s; give another with --store", d->name, strerror(was));
    if (n == 0)
        return 0;
    if (n < (ssize_t)sizeof head || memcmp(head, "SQLite format 3", 16) != 0)
        return err_set(e, ERR_FORMAT, "%s is not a database: it was left alone; give another path with --store",
                       d->name);
    if (be32(head + 68) != APPLICATION_ID)
        return err_set(e, ERR_FORMAT,
                       "%s is a database of another program: it was left alone; give another path with --store",
                       d->name);
    if (be32(head + 60) > (uint32_t)newest)
        return err_set(e, ERR_UNSUPPORTED,
                       "the store %s was written by a newer whichquant (schema %u, this one knows %d); "
                       "update the program or give another path with --store",
                       d->name, be32(head + 60), newest);
    return 0;
}

static int open_sqlite(struct db *d, int newest, struct err *e)
{
    int rc = strcmp(d->where, ":memory:") == 0 ? 0 : look_at_file(d, newest, e);
    if (rc < 0)
        return rc;
    struct sqlite *s = d->own = mem_alloc(sizeof *s);
    if (!s)
        return err_nomem(e, sizeof *s, d->name);
    rc = sqlite3_open_v2(d->where, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc != SQLITE_OK)
        return s->db ? complain(d, rc, e) : err_nomem(e, 0, d->name);
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, DB_WAIT_S * 1000);
    return 0;
}

static void close_sqlite(struct db *d)
{
    struct sqlite *s = d->own;
    for (int i = 0; i < s->n_kept; i++)
        sqlite3_finalize(s->kept[i].q);
    sqlite3_close(s->db);
    mem_free(s);
}

/* The file may carry our stamp from a maker that was killed before it was done: SQLite has then rolled it back to
 * nothing, which only SQLite can tell. */
static int version(struct db *d, int *out, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(own(d)->db, "PRAGMA user_version", -1, &q, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        *out = sqlite3_column_int(q, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    return rc == SQLITE_OK ? 0 : complain(d, rc, e);
}

static int set_version(struct db *d, int to, struct err *e)
{
    char stamp[96];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID, to);
    return script(d, stamp, e);
}

static int check_by(struct db *d, const char *sql, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(own(d)->db, sql, -1, &q, NULL);
    char said[256] = "";
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0);
        snprintf(said, sizeof said, "%s", text ? text : "");
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    if (rc != SQLITE_OK)
        return complain(d, rc, e);
    if (strcmp(said, "ok") == 0)
        return 0;
    said[strcspn(said, "\n")] = 0;
    return damaged(d, said, e);
}

static int check(struct db *d, struct err *e)
{
    return check_by(d, "PRAGMA integrity_check(1)", e);
}

static int compact(struct db *d, struct err *e)
{
    return script(d, "VACUUM", e);
}

static int settle(struct db *d, struct err *e)
{
    struct stat st;
    bool small = stat(d->where, &st) == 0 && st.st_size <= CHECKED_BYTES;
    int rc = small ? check_by(d, "PRAGMA quick_check(1)", e) : 0;
    /* Refused where shared memory does not work, or while another process makes the same switch: safe either way. */
    if (rc == 0)
        sqlite3_exec(own(d)->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
    /* A series' repetitions lie a night apart; 32 MiB hold the pages that its neighbours want next. */
    return rc == 0 ? script(d, "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-32768", e) : rc;
}

const struct db_kind db_sqlite = {
    .words = words,
    .open = open_sqlite,
    .close = close_sqlite,
    .version = version,
    .set_version = set_version,
    .settle = settle,
    .script = script,
    .run = run,
    .put = put,
    .query = query,
    .next = next,
    .get_int = get_int,
    .get_real = get_real,
    .get_text = get_text,
    .done = done,
    .begin = begin,
    .end = end,
    .check = check,
    .compact = compact,
};
