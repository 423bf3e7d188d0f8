/* What the two databases have in common: which one a place names, and bringing a schema up to date. */
#include "bench/db_int.h"

#include <stdio.h>
#include <strings.h>
#include "base/mem.h"

bool db_is_url(const char *where)
{
    return strncasecmp(where, "postgresql://", 13) == 0 || strncasecmp(where, "postgres://", 11) == 0;
}

static void expand(struct sbuf *out, const char *sql, const struct db_words *words)
{
    while (*sql) {
        const struct db_words *w = words;
        while (w->word && strncmp(sql, w->word, strlen(w->word)) != 0)
            w++;
        if (w->word)
            sbuf_puts(out, w->means);
        else
            sbuf_putc(out, *sql);
        sql += w->word ? strlen(w->word) : 1;
    }
}

static int do_step(struct db *d, const struct db_step *step, void *arg, struct err *e)
{
    struct sbuf sql = {0};
    expand(&sql, step->sql, d->kind->words);
    int rc = sql.failed ? err_nomem(e, sql.n, d->name) : db_script(d, sbuf_str(&sql), e);
    sbuf_free(&sql);
    return rc == 0 && step->fn ? step->fn(arg, d, e) : rc;
}

/* One transaction, so that another process sees the old or the new; of two who do it, the second finds it done. */
static int migrate(struct db *d, const struct db_schema *schema, struct err *e)
{
    int version = 0, rc = db_begin(d, e);
    if (rc < 0)
        return rc;
    rc = d->kind->version(d, &version, e);
    if (rc == 0 && version < schema->n) {
        for (int i = version; i < schema->n && rc == 0; i++)
            rc = do_step(d, &schema->step[i], schema->arg, e);
        if (rc == 0)
            rc = d->kind->set_version(d, schema->n, e);
    }
    return db_end(d, rc, e);
}

static int open_schema(struct db *d, const struct db_schema *schema, struct err *e)
{
    int version = 0, rc = d->kind->open(d, schema->n, e);
    if (rc == 0)
        rc = d->kind->version(d, &version, e);
    if (rc == 0 && version > schema->n)
        rc = err_set(e, ERR_UNSUPPORTED,
                     "the store %s was written by a newer whichquant (schema %d, this one knows %d); update the "
                     "program or give another with --store",
                     d->name, version, schema->n);
    if (rc == 0 && version < schema->n)
        rc = migrate(d, schema, e);
    return rc == 0 ? d->kind->settle(d, e) : rc;
}

int db_open(struct db **out, const char *where, const struct db_schema *schema, struct err *e)
{
    *out = NULL;
    struct db *d = mem_alloc(sizeof *d);
    if (!d)
        return err_nomem(e, sizeof *d, "the store");
    d->kind = db_is_url(where) ? &db_postgres : &db_sqlite;
    d->where = mem_strdup(where);
    d->name = mem_strdup(db_is_url(where) ? "the PostgreSQL database" : where); /* a URL may hold a password */
    int rc = d->where && d->name ? open_schema(d, schema, e) : err_nomem(e, strlen(where), "the store");
    if (rc < 0)
        db_close(d);
    else
        *out = d;
    return rc;
}

void db_close(struct db *d)
{
    if (!d)
        return;
    if (d->own)
        d->kind->close(d);
    mem_free(d->where);
    mem_free(d->name);
    mem_free(d);
}

const char *db_name(const struct db *d)
{
    return d->name;
}
int db_script(struct db *d, const char *sql, struct err *e)
{
    return d->kind->script(d, sql, e);
}
int64_t db_run(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    return d->kind->run(d, sql, v, n, e);
}
int db_put(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    return d->kind->put(d, sql, v, n, e);
}
int db_query(struct db_rows **out, struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    *out = NULL;
    return d->kind->query(out, d, sql, v, n, e);
}
int db_next(struct db_rows *q, struct err *e)
{
    return q->d->kind->next(q, e);
}
int64_t db_get_int(const struct db_rows *q, int column)
{
    return q->d->kind->get_int(q, column);
}
double db_get_real(const struct db_rows *q, int column)
{
    return q->d->kind->get_real(q, column);
}
const char *db_get_text(const struct db_rows *q, int column, size_t *n)
{
    size_t ignored;
    return q->d->kind->get_text(q, column, n ? n : &ignored);
}
int64_t db_first_int(struct db *d, const char *sql, const struct db_value *v, int n, struct err *e)
{
    struct db_rows *q;
    int rc = db_query(&q, d, sql, v, n, e);
    if (rc == 0)
        rc = db_next(q, e);
    int64_t first = rc > 0 ? db_get_int(q, 0) : rc;
    db_done(q);
    return first;
}
void db_copy_text(char *out, size_t size, const struct db_rows *q, int column)
{
    snprintf(out, size, "%s", db_get_text(q, column, NULL));
}
void db_done(struct db_rows *q)
{
    if (q)
        q->d->kind->done(q);
}
int db_begin(struct db *d, struct err *e)
{
    return d->kind->begin(d, e);
}
int db_end(struct db *d, int rc, struct err *e)
{
    int ended = d->kind->end(d, rc >= 0, rc >= 0 ? e : NULL);
    return rc < 0 ? rc : ended < 0 ? ended : rc;
}
int db_check(struct db *d, struct err *e)
{
    return d->kind->check(d, e);
}
int db_compact(struct db *d, struct err *e)
{
    return d->kind->compact(d, e);
}
