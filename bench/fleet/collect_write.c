/* What was collected, as files. */
#include <stdio.h>
#include <string.h>
#include "base/os.h"
#include "bench/fleet/collect.h"
#include "bench/fleet/parts.h"

static const char *const clock_names[] = {"right", "behind", "ahead"};
static const char *const use_names[] = {"taken", "superseded", "contradicts"};
static const char *const state_names[] = {"done", "failed", "missing"};

static int write_text(const char *dir, const char *name, const struct sbuf *b, struct err *e)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4000s/%s", dir, name);
    return b->failed ? err_nomem(e, b->n, path) : file_write(path, sbuf_str(b), b->n, e);
}

static int write_json(const char *dir, const char *name, json_t *o, struct err *e)
{
    struct sbuf b = {0};
    json_print(&b, o, 1);
    sbuf_putc(&b, '\n');
    json_decref(o);
    int rc = write_text(dir, name, &b, e);
    sbuf_free(&b);
    return rc;
}

/* ---- records.jsonl ---- */

static json_t *origin(const struct fleet_collection *c, const struct fleet_taken *t)
{
    const struct fleet_cell *cell = &c->plan[t->plan].cell[t->cell];
    json_t *o = json_object();
    json_put(o, "cell", json_string(cell->id));
    json_put(o, "kind", json_string(cell->kind));
    json_put(o, "machine", json_string(t->result.machine.id));
    json_put(o, "label", json_string(c->node[t->machine].label));
    json_put(o, "group", json_integer(cell->group));
    json_put(o, "features", fleet_features_to_json(&cell->features));
    json_put(o, "plan_sha256", json_string(t->result.plan_sha256));
    json_put(o, "result_sha256", json_string(t->result.sha256));
    json_put(o, "measured_at", json_string(t->result.measured_at));
    json_put(o, "clock", json_string(clock_names[t->clock]));
    json_put(o, "signer", json_str_or_null(t->signer));
    return o;
}

static void add_records(struct sbuf *b, const struct fleet_collection *c, const struct fleet_taken *t)
{
    for (size_t i = 0; i < json_array_size(t->result.records); i++) {
        json_t *rec = json_copy(json_array_get(t->result.records, i));
        json_put(rec, "fleet", origin(c, t));
        json_print(b, rec, 0);
        sbuf_putc(b, '\n');
        json_decref(rec);
    }
}

/* ---- machines.json ---- */

static bool has_text(const json_t *array, const char *text)
{
    bool has = false;
    for (size_t i = 0; i < json_array_size(array); i++)
        has |= strcmp(json_string_value(json_array_get(array, i)), text) == 0;
    return has;
}

static void add_once(json_t *array, const char *text)
{
    if (!has_text(array, text))
        json_array_append_new(array, json_string(text));
}

static bool has_fingerprint(const json_t *array, const json_t *f)
{
    const char *hash = json_get_str(f, "env_sha256", "");
    bool has = false;
    for (size_t i = 0; i < json_array_size(array); i++)
        has |= strcmp(json_get_str(json_array_get(array, i), "env_sha256", ""), hash) == 0;
    return has;
}

static json_t *machine_to_json(const struct fleet_collection *c, int k)
{
    json_t *o = json_object(), *features = json_array(), *prints = json_array(), *signers = json_array();
    const char *first = NULL, *last = NULL;
    int n_cells = 0;
    for (int i = 0; i < c->n_taken; i++) {
        const struct fleet_taken *t = &c->taken[i];
        if (t->machine != k)
            continue;
        const struct fleet_cell *cell = &c->plan[t->plan].cell[t->cell];
        for (int f = 0; f < cell->features.n; f++)
            add_once(features, cell->features.name[f]);
        if (!has_fingerprint(prints, t->result.fingerprint))
            json_array_append(prints, t->result.fingerprint);
        if (*t->signer)
            add_once(signers, t->signer);
        const char *at = t->result.measured_at;
        first = !first || strcmp(at, first) < 0 ? at : first;
        last = !last || strcmp(at, last) > 0 ? at : last;
        n_cells += t->use == USE_TAKEN;
    }
    json_put(o, "id", json_string(c->node[k].id));
    json_put(o, "label", json_string(c->node[k].label));
    json_put(o, "own_label", json_string(c->node[k].own_label));
    json_put(o, "features", features);
    json_put(o, "n_cells", json_integer(n_cells));
    json_put(o, "clock", json_string(clock_names[c->node[k].clock]));
    json_put(o, "first", json_str_or_null(first));
    json_put(o, "last", json_str_or_null(last));
    json_put(o, "signers", signers);
    json_put(o, "fingerprints", prints);
    return o;
}

static int write_machines(const struct fleet_collection *c, const char *dir, struct err *e)
{
    json_t *o = json_object(), *a = json_array();
    for (int k = 0; k < c->n_nodes; k++)
        json_array_append_new(a, machine_to_json(c, k));
    json_put(o, "fleet_schema", json_integer(FLEET_SCHEMA));
    json_put(o, "machines", a);
    return write_json(dir, "machines.json", o, e);
}

/* ---- collected.json ---- */

static json_t *result_to_json(const struct fleet_collection *c, const struct fleet_taken *t)
{
    json_t *o = json_object();
    json_put(o, "file", json_string(t->path));
    json_put(o, "machine", json_string(t->result.machine.id));
    json_put(o, "label", json_string(c->node[t->machine].label));
    json_put(o, "measured_at", json_string(t->result.measured_at));
    json_put(o, "status", json_string(t->result.status));
    json_put(o, "use", json_string(use_names[t->use]));
    json_put(o, "clock", json_string(clock_names[t->clock]));
    json_put(o, "signer", json_str_or_null(t->signer));
    json_put(o, "sha256", json_string(t->result.sha256));
    return o;
}

static json_t *cell_to_json(const struct fleet_collection *c, const struct fleet_cell *cell,
                            const struct fleet_taken *t, int n)
{
    json_t *o = json_object(), *a = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(a, result_to_json(c, &t[i]));
    json_put(o, "cell", json_string(cell->id));
    json_put(o, "kind", json_string(cell->kind));
    json_put(o, "model", json_string(cell->model));
    json_put(o, "format", json_string(cell->format));
    json_put(o, "framework", json_string(cell->framework));
    json_put(o, "group", json_integer(cell->group));
    json_put(o, "state", json_string(state_names[collect_state(t, n)]));
    json_put(o, "results", a);
    return o;
}

static json_t *plan_to_json(const struct fleet_plan *p)
{
    json_t *o = json_object();
    json_put(o, "sha256", json_string(p->sha256));
    json_put(o, "created", json_string(p->created));
    json_put(o, "n_cells", json_integer(p->n_cells));
    json_put(o, "models", json_incref(json_object_get(p->json, "models")));
    json_put(o, "groups", json_incref(json_object_get(p->json, "groups")));
    return o;
}

static int write_summary(const struct fleet_collection *c, const char *dir, json_t *cells, struct err *e)
{
    json_t *o = json_object(), *plans = json_array();
    char now[32];
    clock_iso8601(now);
    for (int p = 0; p < c->n_plans; p++)
        json_array_append_new(plans, plan_to_json(&c->plan[p]));
    json_put(o, "fleet_schema", json_integer(FLEET_SCHEMA));
    json_put(o, "collected_at", json_string(now));
    json_put(o, "plans", plans);
    json_put(o, "n_cells", json_integer(c->n_cells));
    json_put(o, "n_done", json_integer(c->n_done));
    json_put(o, "n_failed", json_integer(c->n_failed));
    json_put(o, "n_missing", json_integer(c->n_missing));
    json_put(o, "n_results", json_integer(c->n_taken));
    json_put(o, "n_duplicates", json_integer(c->n_duplicates));
    json_put(o, "n_machines", json_integer(c->n_nodes));
    json_put(o, "refused", json_incref(c->refused));
    json_put(o, "warnings", json_incref(c->warnings));
    json_put(o, "cells", cells);
    return write_json(dir, "collected.json", o, e);
}

int collect_write(const struct fleet_collection *c, const char *dir, struct err *e)
{
    struct sbuf records = {0}, missing = {0};
    json_t *cells = json_array();
    int n, rc = dir_make(dir, e);
    for (int p = 0; p < c->n_plans; p++)
        for (int i = 0; i < c->plan[p].n_cells; i++) {
            const struct fleet_cell *cell = &c->plan[p].cell[i];
            const struct fleet_taken *t = collect_results(c, p, i, &n);
            json_array_append_new(cells, cell_to_json(c, cell, t, n));
            if (collect_state(t, n) != FLEET_DONE)
                sbuf_printf(&missing, "%s\n", cell->id);
            for (int k = 0; k < n; k++)
                if (t[k].use == USE_TAKEN)
                    add_records(&records, c, &t[k]);
        }
    if (rc == 0)
        rc = write_text(dir, "records.jsonl", &records, e);
    if (rc == 0)
        rc = write_machines(c, dir, e);
    if (rc == 0)
        rc = write_text(dir, "missing.txt", &missing, e);
    if (rc == 0)
        rc = write_summary(c, dir, cells, e);
    else
        json_decref(cells);
    sbuf_free(&records);
    sbuf_free(&missing);
    return rc;
}
