/* Statements of PostgreSQL and their answers, in binary. */
#if WITH_POSTGRESQL
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "bench/db_postgres_int.h"

enum { MOST_VALUES = 32, MOST_SENT = 256 /* their answers fit into a socket */ };
enum { OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_FLOAT8 = 701 };

struct result {
    PGresult *r;
    int row;
};

/* One result of the pipeline: 1 it was the last, 0 not, negative what is wrong with it. */
static int read_sent(struct db *d, bool *between, struct err *e)
{
    PGresult *r = PQgetResult(postgres_of(d)->c);
    if (!r) { /* stands between two statements; twice: there is nothing left */
        bool over = *between;
        *between = true;
        return postgres_is_lost(d) || over ? postgres_complain(d, NULL, e) : 0;
    }
    ExecStatusType s = PQresultStatus(r);
    int rc = s == PGRES_PIPELINE_SYNC                               ? 1
             : s == PGRES_COMMAND_OK || s == PGRES_PIPELINE_ABORTED ? 0
                                                                    : postgres_complain(d, r, e);
    *between = false;
    PQclear(r);
    return rc;
}

int postgres_settle_sent(struct db *d, struct err *e)
{
    struct postgres *s = postgres_of(d);
    int rc = 0, last = 0;
    bool between = false;
    if (s->n_sent == 0)
        return 0;
    s->n_sent = 0;
    if (!PQpipelineSync(s->c))
        return postgres_complain(d, NULL, e);
    while (last == 0 && !postgres_is_lost(d)) {
        last = read_sent(d, &between, rc < 0 ? NULL : e);
        rc = last < 0 ? last : rc;
        last = last < 0 && !between ? 0 : last;
    }
    PQexitPipelineMode(s->c);
    return rc == 0 && last != 1 ? postgres_complain(d, NULL, e) : rc;
}

/* ---- statements ---- */

/* Parameters as libpq takes them. */
struct bound {
    Oid type[MOST_VALUES];
    const char *value[MOST_VALUES];
    int length[MOST_VALUES], binary[MOST_VALUES];
    uint64_t number[MOST_VALUES];
    struct sbuf text[MOST_VALUES];
};

static void bind_number(struct bound *b, int i, uint64_t bits)
{
    b->number[i] = htobe64(bits);
    b->value[i] = (const char *)&b->number[i];
    b->length[i] = 8;
}

static void bind_one(struct bound *b, int i, const struct db_value *v)
{
    static const Oid type[] = {
        [DB_INT] = OID_INT8, [DB_REAL] = OID_FLOAT8, [DB_TEXT] = OID_TEXT, [DB_BLOB] = OID_BYTEA};
    uint64_t bits;
    b->type[i] = type[v->type];
    b->binary[i] = 1;
    if (v->null)
        return;
    switch (v->type) {
    case DB_INT:
        bind_number(b, i, (uint64_t)v->i);
        break;
    case DB_REAL:
        memcpy(&bits, &v->x, sizeof bits);
        bind_number(b, i, bits);
        break;
    case DB_TEXT:
        sbuf_add_utf8(&b->text[i], v->p); /* the server takes nothing else */
        b->value[i] = sbuf_str(&b->text[i]);
        b->length[i] = (int)b->text[i].n;
        break;
    default:
        b->value[i] = v->p;
        b->length[i] = (int)v->n;
    }
}

static int bind(const struct db *d, struct bound *b, const struct db_value *v, int n, struct err *e)
{
    bool failed = n > MOST_VALUES;
    for (int i = 0; i < n && !failed; i++) {
        bind_one(b, i, &v[i]);
        failed = b->text[i].failed;
    }
    return failed ? err_nomem(e, 0, d->name) : 0;
}

static void release(struct bound *b)
{
    for (int i = 0; i < MOST_VALUES; i++)
        sbuf_free(&b->text[i]);
}

static int find_kept(const struct db *d, const char *sql)
{
    const struct postgres *s = postgres_of(d);
    int i = 0;
    while (i < s->n_kept && s->kept[i] != sql)
        i++;
    return i;
}

/* Prepared once a connection, outside of any pipeline. */
static int prepare(struct db *d, const char *sql, const struct bound *b, int n, char name[16], struct err *e)
{
    struct postgres *s = postgres_of(d);
    int i = find_kept(d, sql);
    snprintf(name, 16, "s%d", i);
    if (i < s->n_kept)
        return 0;
    if (i == POSTGRES_KEPT)
        name[0] = 0; /* the unnamed one */
    int rc = postgres_settle_sent(d, e);
    if (rc == 0)
        rc = postgres_finish(d, PQprepare(s->c, name, sql, n, b->type), e);
    if (rc == 0 && i < POSTGRES_KEPT)
        s->kept[s->n_kept++] = sql;
    return rc;
}

static PGresult *execute(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    struct bound b = {0};
    char name[16];
    PGresult *r = NULL;
    int rc = bind(d, &b, v, n, e);
    if (rc == 0)
        rc = postgres_settle_sent(d, e);
    if (rc == 0)
        rc = prepare(d, sql, &b, n, name, e);
    if (rc == 0) {
        r = PQexecPrepared(postgres_of(d)->c, name, n, b.value, b.length, b.binary, 1);
        ExecStatusType status = PQresultStatus(r);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            postgres_complain(d, r, e);
            PQclear(r);
            r = NULL;
        }
    }
    release(&b);
    return r;
}

/* Into the pipeline: a statement costs no wait for the server. */
int postgres_put(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    struct postgres *s = postgres_of(d);
    struct bound b = {0};
    char name[16];
    int rc = bind(d, &b, v, n, e);
    if (rc == 0)
        rc = prepare(d, sql, &b, n, name, e);
    if (rc == 0 && !*name) { /* the unnamed one may be replaced before it runs */
        release(&b);
        int64_t changed = postgres_run(d, sql, v, n, e);
        return changed < 0 ? (int)changed : 0;
    }
    if (rc == 0 && ((s->n_sent == 0 && !PQenterPipelineMode(s->c)) ||
                    !PQsendQueryPrepared(s->c, name, n, b.value, b.length, b.binary, 1)))
        rc = postgres_complain(d, NULL, e);
    else if (rc == 0)
        s->n_sent++;
    release(&b);
    return rc == 0 && s->n_sent >= MOST_SENT ? postgres_settle_sent(d, e) : rc;
}

int64_t postgres_run(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    struct err why = {.code = ERR_IO};
    PGresult *r = execute(d, sql, v, n, &why);
    if (!r)
        return err_set(e, why.code, "%s", why.text);
    int64_t changed = strtoll(PQcmdTuples(r), NULL, 10);
    PQclear(r);
    return changed;
}

/* The whole answer is fetched: callers ask for pages where it may be large. */
int postgres_query(struct db_rows **out, struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    struct err why = {.code = ERR_IO};
    struct db_rows *rows = mem_alloc(sizeof *rows);
    struct result *x = mem_alloc(sizeof *x);
    PGresult *r = rows && x ? execute(d, sql, v, n, &why) : NULL;
    if (!r) {
        int rc = rows && x ? err_set(e, why.code, "%s", why.text) : err_nomem(e, sizeof *x, d->name);
        mem_free(rows);
        mem_free(x);
        return rc;
    }
    *x = (struct result){r, -1};
    *rows = (struct db_rows){d, x};
    *out = rows;
    return 0;
}

int postgres_next(struct db_rows *q, struct err *e)
{
    (void)e;
    struct result *x = q->own;
    return ++x->row < PQntuples(x->r);
}

static uint64_t big_endian(const char *p)
{
    uint64_t bits;
    memcpy(&bits, p, sizeof bits);
    return be64toh(bits);
}

int64_t postgres_get_int(const struct db_rows *q, int column)
{
    const struct result *x = q->own;
    if (PQgetisnull(x->r, x->row, column))
        return 0;
    const char *p = PQgetvalue(x->r, x->row, column);
    uint32_t small;
    if (PQftype(x->r, column) == OID_INT8)
        return (int64_t)big_endian(p);
    memcpy(&small, p, sizeof small);
    return PQftype(x->r, column) == OID_INT4 ? (int32_t)be32toh(small) : 0;
}

double postgres_get_real(const struct db_rows *q, int column)
{
    const struct result *x = q->own;
    double v = NAN;
    if (PQgetisnull(x->r, x->row, column))
        return v;
    if (PQftype(x->r, column) != OID_FLOAT8)
        return (double)postgres_get_int(q, column);
    uint64_t bits = big_endian(PQgetvalue(x->r, x->row, column));
    memcpy(&v, &bits, sizeof v);
    return v;
}

const char *postgres_get_text(const struct db_rows *q, int column, size_t *n)
{
    const struct result *x = q->own;
    *n = (size_t)PQgetlength(x->r, x->row, column);
    return PQgetvalue(x->r, x->row, column);
}

void postgres_done(struct db_rows *q)
{
    struct result *x = q->own;
    PQclear(x->r);
    mem_free(x);
    mem_free(q);
}

#endif
