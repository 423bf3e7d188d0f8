/* Inside the database layer only: what one of its two halves is. */
#ifndef BENCH_DB_INT_H
#define BENCH_DB_INT_H
#include "base/sbuf.h"
#include "bench/db.h"

enum { DB_WAIT_S = 20 }; /* for another writer */
struct db_words {
    const char *word, *means;
};
struct db_kind {
    const struct db_words *words; /* of schemas; NULL ends them */
    int (*open)(struct db *d, int newest, struct err *e);
    void (*close)(struct db *d);
    int (*version)(struct db *d, int *out, struct err *e); /* 0: nothing is there yet */
    int (*set_version)(struct db *d, int version, struct err *e);
    int (*settle)(struct db *d, struct err *e); /* once the schema stands */
    int (*script)(struct db *d, const char *sql, struct err *e);
    int64_t (*run)(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
    int (*put)(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
    int (*query)(struct db_rows **out, struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
    int (*next)(struct db_rows *q, struct err *e);
    int64_t (*get_int)(const struct db_rows *q, int column);
    double (*get_real)(const struct db_rows *q, int column);
    const char *(*get_text)(const struct db_rows *q, int column, size_t *n);
    void (*done)(struct db_rows *q);
    int (*begin)(struct db *d, struct err *e);
    int (*end)(struct db *d, bool commit, struct err *e);
    int (*check)(struct db *d, struct err *e);
    int (*compact)(struct db *d, struct err *e);
};
struct db {
    const struct db_kind *kind;
    char *where, *name;
    void *own; /* of the kind */
};
struct db_rows {
    struct db *d;
    void *own;
};
extern const struct db_kind db_sqlite, db_postgres;
#endif
