/* Inside db_postgres*.c only. */
#ifndef BENCH_DB_POSTGRES_INT_H
#define BENCH_DB_POSTGRES_INT_H
#include <libpq-fe.h>
#include "bench/db_int.h"

enum { POSTGRES_KEPT = 64 };
struct postgres {
    PGconn *c;
    const char *kept[POSTGRES_KEPT]; /* by address: every statement is a constant of the program */
    int n_kept;
    int n_sent; /* of statements in a pipeline, whose results nobody has read yet */
    bool writing;
};
static inline struct postgres *postgres_of(const struct db *d)
{
    return d->own;
}
static inline bool postgres_is_lost(const struct db *d)
{
    return PQstatus(postgres_of(d)->c) != CONNECTION_OK;
}
/* The server's first line without its "ERROR:  ". */
const char *postgres_line(const char *said, char out[240]);
int postgres_complain(const struct db *d, const PGresult *r, struct err *e);
int postgres_finish(const struct db *d, PGresult *r, struct err *e);    /* the result of a command; clears it */
/* Reads what the statements of the pipeline gave; the first that failed is said. */
int postgres_settle_sent(struct db *d, struct err *e);
int postgres_script(struct db *d, const char *sql, struct err *e);

int64_t postgres_run(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
int postgres_put(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e);
int postgres_query(struct db_rows **out, struct db *d, const char *sql, const struct db_value *v, int n,
                   struct err *e);
int postgres_next(struct db_rows *q, struct err *e);
int64_t postgres_get_int(const struct db_rows *q, int column);
double postgres_get_real(const struct db_rows *q, int column);
const char *postgres_get_text(const struct db_rows *q, int column, size_t *n);
void postgres_done(struct db_rows *q);
#endif
