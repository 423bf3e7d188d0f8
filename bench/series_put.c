/* What a run adds to the series: a point for every figure that has a direction. */
#include <stdio.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/record_fields.h"
#include "bench/store_int.h"

void store_row_of(struct run_row *w, const struct record *r)
{
    *w = (struct run_row){.kind = "cell",
                          .device = r->device,
                          .env_sha256 = r->env_sha256,
                          .hw_sha256 = r->hw_sha256,
                          .model = r->model.name,
                          .format = r->format.name,
                          .framework = r->framework.name,
                          .commit = record_commit(r)};
    clock_parse(r->date, &w->time);
    record_cell_key(r, w->cell_key);
    record_artifact_sha256(r, w->artifact_sha256);
    snprintf(w->engine_sha256, sizeof w->engine_sha256, "%s", r->framework.library_sha256);
    record_config_sha256(r, w->config_sha256);
    record_workload_name(r, w->workload);
}

/* First 64 bits of a hash, 0 when there is none. */
static int64_t head_of(const char *sha256)
{
    char head[17];
    snprintf(head, sizeof head, "%s", sha256);
    return (int64_t)strtoull(head, NULL, 16);
}

/* The series that a cell has so far: asked for once a run. */
struct cell_series {
    struct {
        char metric[64];
        int64_t id;
    } at[96];
    int n;
};

static int read_cell_series(struct cell_series *c, struct db *d, const struct run_row *w, struct err *e)
{
    struct db_rows *q;
    c->n = 0;
    int rc = db_query(&q, d, "SELECT metric, id FROM series WHERE cell_key = $1 AND env_sha256 = $2 LIMIT 96",
                      DB_VALUES(db_text(w->cell_key), db_text(w->env_sha256)), e);
    while (rc == 0 && (rc = db_next(q, e)) > 0) {
        db_copy_text(c->at[c->n].metric, sizeof c->at[0].metric, q, 0);
        c->at[c->n++].id = db_get_int(q, 1);
        rc = 0;
    }
    db_done(q);
    return rc;
}

static int64_t find_series(struct db *d, const char *key, struct err *e)
{
    return db_first_int(d, "SELECT id FROM series WHERE key = $1", DB_VALUES(db_text(key)), e);
}

/* The id of a series, made where it is new. */
static int64_t series_id(struct db *d, const struct run_row *w, const struct cell_series *known, const char *metric,
                         const char *unit, int better, struct err *e)
{
    char text[320], key[65];
    for (int i = 0; i < known->n; i++)
        if (strcmp(known->at[i].metric, metric) == 0)
            return known->at[i].id;
    snprintf(text, sizeof text, "%s\n%s\n%s", w->env_sha256, w->cell_key, metric);
    sha256_hex(text, strlen(text), key);
    int64_t id = find_series(d, key, e);
    if (id != 0)
        return id;
    id = db_run(d,
                "INSERT INTO series(key, kind, cell_key, env_sha256, hw_sha256, device, model, format, framework,"
                " workload, metric, unit, better) VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)",
                DB_VALUES(db_text(key), db_text(w->kind), db_text(w->cell_key), db_text(w->env_sha256),
                          db_text(w->hw_sha256), db_text(w->device), db_text(w->model), db_text(w->format),
                          db_text(w->framework), db_text(w->workload), db_text(metric), db_text(unit), db_int(better)),
                e);
    return id < 0 ? id : find_series(d, key, e);
}

static int put_point(struct db *d, int64_t run, const struct run_row *w, const struct cell_series *known,
                     const char *metric, const char *unit, int better, double value, int n, struct err *e)
{
    int64_t id = series_id(d, w, known, metric, unit, better, e);
    if (id <= 0)
        return (int)id;
    char commit[16];
    snprintf(commit, sizeof commit, "%.15s", w->commit);
    return db_put(d,
                  "INSERT INTO series_point(series, time, run, value, n, artifact, engine, config, tool_commit)"
                  " VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9)",
                  DB_VALUES(db_int(id), db_int(w->time), db_int(run), db_real(value), db_int(n),
                            db_int(head_of(w->artifact_sha256)), db_int(head_of(w->engine_sha256)),
                            db_int(head_of(w->config_sha256)), db_text(commit)),
                  e);
}

/* What was predicted is no history of the machine. */
static bool is_predicted(const struct record *r, const struct record_field *f)
{
    const struct {
        const char *group;
        enum provenance from;
    } of[] = {{"quality", r->quality_from},
              {"task", r->task_from},
              {"speed", r->speed_from},
              {"memory", r->memory_from},
              {"energy", r->speed_from}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (strcmp(of[i].group, f->group) == 0)
            return of[i].from == FROM_PREDICTED;
    return false;
}

static int n_behind(const struct record *r, const char *metric)
{
    const struct {
        const char *metric;
        int n;
    } of[] = {{"decode_tok_s", r->speed.decode_ns.n},
              {"prefill_tok_s", r->speed.prefill_ns.n},
              {"kld", r->chunk_kld.n},
              {"ppl", r->chunk_nll.n}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (strcmp(of[i].metric, metric) == 0 && of[i].n > 0)
            return of[i].n;
    return 1;
}

int store_put_points(struct db *d, int64_t run, const struct run_row *w, const struct record *r, struct err *e)
{
    struct cell_series known;
    int rc = r->status == STATUS_OK ? read_cell_series(&known, d, w, e) : 0;
    for (int i = 0; i < n_record_fields && rc == 0 && r->status == STATUS_OK; i++) {
        const struct record_field *f = &record_fields[i];
        double v = f->unit && f->better ? record_figure(r, f).v : NAN;
        if (isfinite(v) && !is_predicted(r, f))
            rc = put_point(d, run, w, &known, f->key, f->unit, f->better, v, n_behind(r, f->key), e);
    }
    return rc;
}

/* ---- figures of other programs ---- */

static json_t *foreign_to_json(const struct foreign_run *r)
{
    json_t *o = json_object(), *metrics = json_array();
    json_put(o, "foreign", json_integer(1));
    json_put(o, "source", json_string(r->source));
    json_put(o, "date", json_string(r->date));
    json_put(o, "commit", json_string(r->commit));
    json_put(o, "device", json_string(r->device));
    json_put(o, "env_sha256", json_string(r->env_sha256));
    json_put(o, "hw_sha256", json_string(r->hw_sha256));
    for (int i = 0; i < r->n; i++) {
        const struct foreign *f = &r->metric[i];
        json_t *m = json_object(), *values = json_array();
        json_put(m, "metric", json_string(f->metric));
        json_put(m, "unit", json_string(f->unit));
        json_put(m, "better", json_integer(f->better));
        for (int k = 0; k < f->n && k < RECORD_MAX_SAMPLES; k++)
            json_array_append_new(values, json_num(f->value[k]));
        json_put(m, "values", values);
        json_array_append_new(metrics, m);
    }
    json_put(o, "metrics", metrics);
    return o;
}

static int64_t insert_foreign(struct db *d, const struct foreign_run *r, const struct run_row *w, const char *json,
                              struct err *e)
{
    char hash[65];
    sha256_hex(json, strlen(json), hash);
    return db_first_int(
        d,
        "INSERT INTO run(content_sha256, run_id, date, cell_id, hw_sha256, env_sha256, model_sha256, model,"
        " format, framework, framework_version, status, reason, json, kind, time, cell_key, tool_commit)"
        " VALUES($1,'',$2,'',$3,$4,'',$5,'','','','ok','',$6,'foreign',$7,$8,$9)"
        " ON CONFLICT(content_sha256) DO NOTHING RETURNING id",
        DB_VALUES(db_text(hash), db_text(r->date), db_text(r->hw_sha256), db_text(r->env_sha256), db_text(r->source),
                  db_text(json), db_int(w->time), db_text(w->cell_key), db_text(r->commit)),
        e);
}

static int put_metric(struct db *d, int64_t run, const struct run_row *w, const struct cell_series *known,
                      const struct foreign *f, struct err *e)
{
    double finite[RECORD_MAX_SAMPLES];
    int n = 0, rc = 0;
    for (int k = 0; k < f->n && k < RECORD_MAX_SAMPLES && rc == 0; k++)
        if (isfinite(f->value[k])) {
            finite[n++] = f->value[k];
            rc = store_put_sample(d, run, f->metric, k, f->value[k], e);
        }
    if (rc < 0 || n == 0)
        return rc;
    double value = stats_median(finite, n);
    rc = store_put_figure(d, run, f->metric, (struct interval){value, NAN, NAN}, f->unit, e);
    return rc < 0 ? rc : put_point(d, run, w, known, f->metric, f->unit, f->better, value, n, e);
}

int store_put_foreign_run(struct db *d, const struct foreign_run *r, const char *json, struct err *e)
{
    char text[200];
    struct run_row w = {.kind = "foreign",
                        .device = r->device,
                        .env_sha256 = r->env_sha256,
                        .hw_sha256 = r->hw_sha256,
                        .model = r->source,
                        .format = "",
                        .framework = "",
                        .commit = r->commit};
    if (!clock_parse(r->date, &w.time))
        return err_set(e, ERR_FORMAT, "\"%s\" is no date; write it as 2026-11-22T09:15:00Z", r->date);
    snprintf(text, sizeof text, "foreign\n%s", r->source);
    sha256_hex(text, strlen(text), w.cell_key);
    int64_t id = insert_foreign(d, r, &w, json, e);
    struct cell_series known;
    int rc = id > 0 ? read_cell_series(&known, d, &w, e) : (int)id;
    for (int i = 0; i < r->n && rc == 0 && id > 0; i++)
        rc = put_metric(d, id, &w, &known, &r->metric[i], e);
    return rc < 0 ? rc : id > 0;
}

int store_put_foreign(struct store *s, const struct foreign_run *r, struct err *e)
{
    struct sbuf json = {0};
    json_t *j = foreign_to_json(r);
    json_print(&json, j, 0);
    json_decref(j);
    int rc = json.failed ? err_nomem(e, json.n, r->source) : db_begin(s->db, e);
    if (rc == 0)
        rc = db_end(s->db, store_put_foreign_run(s->db, r, sbuf_str(&json), e), e);
    sbuf_free(&json);
    return rc < 0 ? rc : 0;
}
