/* One set of SQL over SQLite and PostgreSQL: parameters are $1, $2, ... Words in braces in a schema's SQL stand for
 * what the two call differently: {id} {blob} {text} {clustered}.
 * Order: db_open -> db_run / db_query ... db_done -> db_close.
 * One connection, one thread. Messages name a server without its password. */
#ifndef BENCH_DB_H
#define BENCH_DB_H
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/err.h"

struct db;
struct db_rows;      /* a running query */
struct db_value {    /* a parameter; its type holds also when it is null */
    enum { DB_INT, DB_REAL, DB_TEXT, DB_BLOB } type;
    bool null;
    int64_t i;
    double x;
    const void *p;   /* DB_TEXT, DB_BLOB: read during the call only */
    size_t n;
};
static inline struct db_value db_int(int64_t i) { return (struct db_value){.type = DB_INT, .i = i}; }
static inline struct db_value db_real(double x)     /* NaN: null */
{
    return (struct db_value){.type = DB_REAL, .null = !isfinite(x), .x = x};
}
static inline struct db_value db_text(const char *s)
{
    return (struct db_value){.type = DB_TEXT, .null = !s, .p = s, .n = s ? strlen(s) : 0};
}
static inline struct db_value db_blob(const void *p, size_t n)
{
    return (struct db_value){.type = DB_BLOB, .p = n ? p : "", .n = n};
}

/* What takes a database of version i to version i + 1. fn may be NULL; it runs after the SQL. */
struct db_step {
    const char *sql;
    int (*fn)(void *arg, struct db *d, struct err *e);
};
struct db_schema {
    const struct db_step *step;
    int n;                          /* the newest version */
    void *arg;                      /* of every fn */
};
/* where: a path, ":memory:" or postgresql://... What is older is brought up to date in one transaction. ERR_FORMAT for
 * a foreign or damaged database (it is left alone), ERR_UNSUPPORTED for a newer one, or without PostgreSQL in the
 * build. */
int db_open(struct db **out, const char *where, const struct db_schema *schema, struct err *e);
void db_close(struct db *d);
bool db_is_url(const char *where);
const char *db_name(const struct db *d);                /* for people: a path, or the URL without its password */

/* Several statements without parameters. */
int db_script(struct db *d, const char *sql, struct err *e);
/* One statement; sql is kept prepared. Returns the number of rows that it changed. */
int64_t db_run(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
/* The same where nobody asks how many, inside db_begin and db_end: it may be sent with the next ones, and what is wrong
 * with it be said by one of those or by db_end. */
int db_put(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
int db_query(struct db_rows **out, struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
/* The first column of the first row, for what is not negative; 0 where there is no row. */
int64_t db_first_int(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
int db_next(struct db_rows *q, struct err *e);          /* 1: on a row; 0: there are no more */
int64_t db_get_int(const struct db_rows *q, int column);
double db_get_real(const struct db_rows *q, int column);                     /* NaN for null */
const char *db_get_text(const struct db_rows *q, int column, size_t *n);     /* until db_next; "" for null; n or NULL */
void db_copy_text(char *out, size_t size, const struct db_rows *q, int column);       /* cut where it has no room */
void db_done(struct db_rows *q);                        /* NULL is fine */

/* One writer at a time, as SQLite has it: the second waits. Between db_begin and its end everything or nothing is
 * written. db_end commits when rc >= 0, else undoes all; returns rc, or why it could not be committed. */
int db_begin(struct db *d, struct err *e);
int db_end(struct db *d, int rc, struct err *e);

/* Looks at every page that the database itself can check: what is wrong, as a sentence, or 0. */
int db_check(struct db *d, struct err *e);
/* Gives the room of deleted rows back, where the database does not do so by itself. */
int db_compact(struct db *d, struct err *e);
#define DB_VALUES(...)                    \
    (const struct db_value[]){__VA_ARGS__}, \
        (int)(sizeof((struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value))
#endif
