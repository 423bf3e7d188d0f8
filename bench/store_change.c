/* Changes of level that were found, and what people said of them. */
#include <ctype.h>
#include <stdio.h>
#include "base/hash.h"
#include "bench/store_int.h"

static const char *const state_names[N_CHANGE_STATES] = {"new", "acknowledged", "accepted", "noise", "fixed"};

const char *change_state_name(enum change_state s)
{
    return (unsigned)s < N_CHANGE_STATES ? state_names[s] : "";
}

int change_state_find(const char *name)
{
    for (int i = 0; i < N_CHANGE_STATES; i++)
        if (strcmp(state_names[i], name) == 0)
            return i;
    return -1;
}

void change_id(struct change *c)
{
    char text[96], hash[65];
    snprintf(text, sizeof text, "%s %lld", c->series, (long long)c->time);
    sha256_hex(text, strlen(text), hash);
    snprintf(c->id, sizeof c->id, "%.16s", hash);
}

#define INSERT_CHANGE                                                                                                  \
    "INSERT INTO change(id, series, metric, run_before, run_after, time, level_before, level_after, effect, p, state," \
    " found_by, note, link) VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14) ON CONFLICT(id) DO UPDATE SET "

static int64_t insert(struct db *d, const char *sql, const struct change *c, struct err *e)
{
    return db_run(d, sql,
                  DB_VALUES(db_text(c->id), db_text(c->series), db_text(c->metric), db_int(c->run_before),
                            db_int(c->run_after), db_int(c->time), db_real(c->before), db_real(c->after),
                            db_real(c->effect), db_real(c->p), db_text(change_state_name(c->state)),
                            db_text(c->found_by), db_text(c->note), db_text(c->link)),
                  e);
}

int store_put_change(struct store *s, const struct change *c, struct err *e)
{
    int64_t n = insert(s->db,
                       INSERT_CHANGE "run_before = excluded.run_before, level_before = excluded.level_before,"
                                     " level_after = excluded.level_after, effect = excluded.effect, p = excluded.p",
                       c, e);
    return n < 0 ? (int)n : 0;
}

/* Of another store: 1 when it was new or said more, else 0. */
int store_merge_change(struct db *d, const struct change *c, struct err *e)
{
    int64_t n = insert(d,
                       INSERT_CHANGE "state = excluded.state, note = excluded.note, link = excluded.link"
                                     " WHERE change.state = 'new' AND excluded.state <> 'new'",
                       c, e);
    return n < 0 ? (int)n : n > 0;
}

static void read_change(struct change *c, const struct db_rows *q)
{
    int state = change_state_find(db_get_text(q, 10, NULL));
    *c = (struct change){.run_before = db_get_int(q, 3),
                         .run_after = db_get_int(q, 4),
                         .time = db_get_int(q, 5),
                         .before = db_get_real(q, 6),
                         .after = db_get_real(q, 7),
                         .effect = db_get_real(q, 8),
                         .p = db_get_real(q, 9),
                         .state = state < 0 ? CHANGE_NEW : (enum change_state)state};
    db_copy_text(c->id, sizeof c->id, q, 0);
    db_copy_text(c->series, sizeof c->series, q, 1);
    db_copy_text(c->metric, sizeof c->metric, q, 2);
    db_copy_text(c->found_by, sizeof c->found_by, q, 11);
    db_copy_text(c->note, sizeof c->note, q, 12);
    db_copy_text(c->link, sizeof c->link, q, 13);
}

int store_each_change(struct store *s, const char *series, int (*fn)(void *arg, const struct change *c), void *arg,
                      struct err *e)
{
    struct db_rows *q;
    struct change c;
    int stopped = 0,
        rc = db_query(&q, s->db,
                      "SELECT id, series, metric, run_before, run_after, time, level_before, level_after, effect, p,"
                      " state, found_by, note, link FROM change WHERE (CAST($1 AS TEXT) IS NULL OR series = $1)"
                      " ORDER BY time, id",
                      DB_VALUES(db_text(series)), e);
    while (rc == 0 && stopped == 0 && (rc = db_next(q, e)) > 0) {
        read_change(&c, q);
        stopped = fn(arg, &c);
        rc = 0;
    }
    db_done(q);
    return rc < 0 ? rc : stopped;
}

/* The whole id that starts so: 1 where there is exactly one. */
static int find_change(struct store *s, const char *start, char out[17], struct err *e)
{
    char pattern[20];
    struct db_rows *q;
    size_t n = strlen(start);
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)start[i]))
            n = 0;
    if (n < 4 || n > 16)
        return err_set(e, ERR_USAGE, "\"%s\" names no change: give 4 to 16 digits of its id", start);
    snprintf(pattern, sizeof pattern, "%s%%", start);
    for (char *c = pattern; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    int found = 0, rc = db_query(&q, s->db, "SELECT id FROM change WHERE id LIKE $1 ORDER BY id LIMIT 2",
                                 DB_VALUES(db_text(pattern)), e);
    while (rc == 0 && (rc = db_next(q, e)) > 0) {
        db_copy_text(out, 17, q, 0);
        found++;
        rc = 0;
    }
    db_done(q);
    if (rc < 0)
        return rc;
    if (found == 0)
        return err_set(e, ERR_MISSING, "the store %s has no change %s; `whichquant history --changes` lists them",
                       store_path(s), start);
    return found == 1 ? 0
                      : err_set(e, ERR_USAGE, "%s is the start of more than one change's id; give more digits", start);
}

int store_set_change(struct store *s, const char *id, enum change_state state, const char *note, const char *link,
                     struct err *e)
{
    char whole[17];
    int rc = find_change(s, id, whole, e);
    if (rc < 0)
        return rc;
    int64_t n = db_run(s->db,
                       "UPDATE change SET state = $2, note = COALESCE($3, note), link = COALESCE($4, link)"
                       " WHERE id = $1",
                       DB_VALUES(db_text(whole), db_text(change_state_name(state)), db_text(note), db_text(link)), e);
    return n < 0 ? (int)n : 0;
}
