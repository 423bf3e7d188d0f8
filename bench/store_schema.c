/* The store's tables, version by version. What stands here has been in the field: only add to its end. */
#include <stdio.h>
#include "base/mem.h"
#include "bench/store_int.h"

static const char schema_1[] =
    "CREATE TABLE run(id {id}, content_sha256 {text} NOT NULL UNIQUE, run_id {text} NOT NULL, date {text} NOT NULL,"
    " cell_id {text} NOT NULL, hw_sha256 {text} NOT NULL, env_sha256 {text} NOT NULL, model_sha256 {text} NOT NULL,"
    " model {text} NOT NULL, format {text} NOT NULL, framework {text} NOT NULL, framework_version {text} NOT NULL,"
    " status {text} NOT NULL, reason {text} NOT NULL, json {text} NOT NULL);"
    "CREATE INDEX run_of_cell ON run(cell_id, env_sha256, date);"
    "CREATE INDEX run_by_date ON run(date, id);"
    "CREATE TABLE figure(run BIGINT NOT NULL REFERENCES run(id), metric {text} NOT NULL,"
    " value DOUBLE PRECISION NOT NULL, lo DOUBLE PRECISION, hi DOUBLE PRECISION, unit {text} NOT NULL,"
    " PRIMARY KEY(run, metric));"
    "CREATE TABLE sample(run BIGINT NOT NULL REFERENCES run(id), metric {text} NOT NULL, rep BIGINT NOT NULL,"
    " value DOUBLE PRECISION NOT NULL, PRIMARY KEY(run, metric, rep));"
    "CREATE INDEX figure_by_metric ON figure(metric);"
    "CREATE TABLE chunk(cell_id {text} NOT NULL, i BIGINT NOT NULL, data {blob} NOT NULL, PRIMARY KEY(cell_id, i));";

/* factor and calibration came while the version was 1: some stores of it have them. */
static const char schema_2[] =
    "CREATE TABLE IF NOT EXISTS factor(hw_sha256 {text} NOT NULL, class {text} NOT NULL, framework {text} NOT NULL,"
    " version {text} NOT NULL, backend {text} NOT NULL, gpu_layers BIGINT NOT NULL, format {text} NOT NULL,"
    " model {text} NOT NULL, model_sha256 {text} NOT NULL, date {text} NOT NULL, prefill DOUBLE PRECISION,"
    " prefill_lo DOUBLE PRECISION, prefill_hi DOUBLE PRECISION, decode DOUBLE PRECISION,"
    " decode_lo DOUBLE PRECISION, decode_hi DOUBLE PRECISION,"
    " PRIMARY KEY(hw_sha256, framework, backend, gpu_layers, format, model_sha256));"
    "CREATE TABLE IF NOT EXISTS calibration(env_sha256 {text} NOT NULL, threads BIGINT NOT NULL, isa {text} NOT NULL,"
    " build {text} NOT NULL, date {text} NOT NULL, json {text} NOT NULL, PRIMARY KEY(env_sha256, threads, isa));"
    "ALTER TABLE run ADD COLUMN kind {text} NOT NULL DEFAULT 'cell';"
    "ALTER TABLE run ADD COLUMN time BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN cell_key {text} NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN artifact_sha256 {text} NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN engine_sha256 {text} NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN config_sha256 {text} NOT NULL DEFAULT '';"
    "ALTER TABLE run ADD COLUMN tool_commit {text} NOT NULL DEFAULT '';"
    "CREATE INDEX run_by_time ON run(time, id);"
    "CREATE INDEX run_failed ON run(cell_key, env_sha256, time) WHERE status <> 'ok';"
    "CREATE TABLE series(id {id}, key {text} NOT NULL UNIQUE, kind {text} NOT NULL, cell_key {text} NOT NULL,"
    " env_sha256 {text} NOT NULL, hw_sha256 {text} NOT NULL, device {text} NOT NULL, model {text} NOT NULL,"
    " format {text} NOT NULL, framework {text} NOT NULL, workload {text} NOT NULL, metric {text} NOT NULL,"
    " unit {text} NOT NULL, better BIGINT NOT NULL);"
    "CREATE INDEX series_of_cell ON series(cell_key, env_sha256);"
    "CREATE TABLE series_point(series BIGINT NOT NULL REFERENCES series(id), time BIGINT NOT NULL,"
    " run BIGINT NOT NULL REFERENCES run(id), value DOUBLE PRECISION NOT NULL, n BIGINT NOT NULL,"
    " artifact BIGINT NOT NULL, engine BIGINT NOT NULL, config BIGINT NOT NULL, tool_commit {text} NOT NULL,"
    " PRIMARY KEY(series, time, run)){clustered};"
    "CREATE INDEX point_of_run ON series_point(run);"
    "CREATE TABLE change(id {text} PRIMARY KEY, series {text} NOT NULL, metric {text} NOT NULL,"
    " run_before BIGINT NOT NULL, run_after BIGINT NOT NULL, time BIGINT NOT NULL, level_before DOUBLE PRECISION,"
    " level_after DOUBLE PRECISION, effect DOUBLE PRECISION, p DOUBLE PRECISION, state {text} NOT NULL,"
    " found_by {text} NOT NULL, note {text} NOT NULL, link {text} NOT NULL);";

static int bring_up(struct db *d, int64_t id, const struct record *r, struct err *e)
{
    struct run_row w;
    store_row_of(&w, r);
    int64_t rc = db_run(d,
                        "UPDATE run SET time = $1, cell_key = $2, artifact_sha256 = $3, engine_sha256 = $4,"
                        " config_sha256 = $5, tool_commit = $6 WHERE id = $7",
                        DB_VALUES(db_int(w.time), db_text(w.cell_key), db_text(w.artifact_sha256),
                                  db_text(w.engine_sha256), db_text(w.config_sha256), db_text(w.commit), db_int(id)),
                        e);
    return rc < 0 ? (int)rc : store_put_points(d, id, &w, r, e);
}

/* The next records after `*last`; a page at a time, because they are written to meanwhile. 0 when there are no more. */
static int bring_up_page(struct db *d, int64_t *last, struct record *r, struct err *e)
{
    struct db_rows *q = NULL;
    int n = 0, rc = db_query(&q, d, "SELECT id, json FROM run WHERE id > $1 ORDER BY id LIMIT 64",
                             DB_VALUES(db_int(*last)), e);
    while (rc == 0 && (rc = db_next(q, e)) > 0) {
        *last = db_get_int(q, 0);
        rc = store_read_record(r, q, 1, db_name(d), e);
        if (rc == 0)
            rc = bring_up(d, *last, r, e);
        n++;
    }
    db_done(q);
    return rc < 0 ? rc : n;
}

static int fill_schema_2(void *arg, struct db *d, struct err *e)
{
    (void)arg;
    int64_t last = 0;
    struct record *r = mem_alloc(sizeof *r);
    int n = r ? 1 : err_nomem(e, sizeof *r, "a record");
    while (n > 0)
        n = bring_up_page(d, &last, r, e);
    mem_free(r);
    return n;
}

static const struct db_step steps[] = {{schema_1, NULL}, {schema_2, fill_schema_2}};
const struct db_schema store_schema = {steps, sizeof steps / sizeof *steps, NULL};
