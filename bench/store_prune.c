/* Dropping old runs. What an open change rests on stays: a person has to be able to look at it. */
#include <stdio.h>
#include "bench/store_file.h"
#include "bench/store_int.h"

struct keeper {
    struct db *d;
    int64_t kept;
    struct err *e;
};

/* The window of the gate (30 runs) on both sides of a change that is still open. */
static int keep_basis(void *arg, const struct change *c)
{
    struct keeper *k = arg;
    if (c->state != CHANGE_NEW && c->state != CHANGE_ACKNOWLEDGED)
        return 0;
    static const char *const side[] = {
        "DELETE FROM doomed WHERE id IN (SELECT run FROM series_point JOIN series ON series.id = series_point.series"
        " WHERE key = $1 AND time < $2 ORDER BY time DESC, run DESC LIMIT 30)",
        "DELETE FROM doomed WHERE id IN (SELECT run FROM series_point JOIN series ON series.id = series_point.series"
        " WHERE key = $1 AND time >= $2 ORDER BY time, run LIMIT 30)"};
    for (int i = 0; i < 2; i++) {
        int64_t n = db_run(k->d, side[i], DB_VALUES(db_text(c->series), db_int(c->time)), k->e);
        if (n < 0)
            return (int)n;
        k->kept += n;
    }
    return 0;
}

static int choose(struct store *s, const struct prune_rule *rule, struct prune_count *c, struct err *e)
{
    struct db *d = s->db;
    struct keeper k = {d, 0, e};
    int rc = db_script(d, "CREATE TEMP TABLE IF NOT EXISTS doomed(id BIGINT PRIMARY KEY); DELETE FROM doomed", e);
    int64_t n = rc;
    if (n >= 0 && rule->before)
        n = db_run(d, "INSERT INTO doomed SELECT id FROM run WHERE time > 0 AND time < $1",
                   DB_VALUES(db_int(rule->before)), e);
    if (n >= 0 && rule->keep_runs > 0)
        n = db_run(
            d,
            "INSERT INTO doomed SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY cell_key, env_sha256"
            " ORDER BY time DESC, id DESC) AS place FROM run) AS placed WHERE place > $1 ON CONFLICT(id) DO NOTHING",
            DB_VALUES(db_int(rule->keep_runs)), e);
    rc = n < 0 ? (int)n : store_each_change(s, NULL, keep_basis, &k, e);
    c->kept = k.kept;
    if (rc < 0)
        return rc;
    c->runs = db_first_int(d, "SELECT count(*) FROM doomed", NULL, 0, e);
    c->samples = db_first_int(d, "SELECT count(*) FROM sample WHERE run IN (SELECT id FROM doomed)", NULL, 0, e);
    return c->runs < 0 ? (int)c->runs : c->samples < 0 ? (int)c->samples : 0;
}

static int drop(struct db *d, struct err *e)
{
    return db_script(d,
                     "DELETE FROM chunk WHERE cell_id IN (SELECT cell_id FROM run WHERE id IN (SELECT id FROM doomed))"
                     " AND cell_id NOT IN (SELECT cell_id FROM run WHERE id NOT IN (SELECT id FROM doomed));"
                     "DELETE FROM sample WHERE run IN (SELECT id FROM doomed);"
                     "DELETE FROM figure WHERE run IN (SELECT id FROM doomed);"
                     "DELETE FROM series_point WHERE run IN (SELECT id FROM doomed);"
                     "DELETE FROM run WHERE id IN (SELECT id FROM doomed);"
                     "DELETE FROM series WHERE NOT EXISTS"
                     " (SELECT 1 FROM series_point WHERE series_point.series = series.id);"
                     "DELETE FROM change WHERE series NOT IN (SELECT key FROM series)",
                     e);
}

int store_prune(struct store *s, const struct prune_rule *rule, struct prune_count *c, struct err *e)
{
    *c = (struct prune_count){0};
    int rc = db_begin(s->db, e);
    if (rc < 0)
        return rc;
    rc = choose(s, rule, c, e);
    if (rc == 0 && !rule->dry_run)
        rc = drop(s->db, e);
    rc = db_end(s->db, rc, e);
    return rc == 0 && !rule->dry_run && c->runs > 0 ? db_compact(s->db, e) : rc;
}
