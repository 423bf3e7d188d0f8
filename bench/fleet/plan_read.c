/* Reading a plan: plan.json, which holds the hash of cells.jsonl, and that. */
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/fleet/parts.h"

enum { MOST_BYTES = 1 << 28 };

int fleet_cell_id(const struct fleet_cell *c, char id[FLEET_ID + 1], struct err *e)
{
    struct sbuf b = {0};
    json_t *o = json_object();
    json_put(o, "kind", json_string(c->kind));
    json_put(o, "model", json_string(c->model));
    json_put(o, "format", json_string(c->format));
    json_put(o, "framework", json_string(c->framework));
    json_put(o, "features", fleet_features_to_json(&c->features));
    json_put(o, "argv", json_incref(c->argv));
    json_print(&b, o, 0);
    json_decref(o);
    char hash[65];
    sha256_hex(sbuf_str(&b), b.n, hash);
    memcpy(id, hash, FLEET_ID);
    id[FLEET_ID] = 0;
    int rc = b.failed ? err_nomem(e, b.n, "a cell's id") : 0;
    sbuf_free(&b);
    return rc;
}

json_t *fleet_features_to_json(const struct fleet_features *f)
{
    json_t *a = json_array();
    for (int i = 0; i < f->n; i++)
        json_array_append_new(a, json_string(f->name[i]));
    return a;
}

bool fleet_take(char *out, size_t size, const json_t *o, const char *key)
{
    const char *s = json_get_str(o, key, "");
    snprintf(out, size, "%s", s);
    return *s && strlen(s) < size;
}

bool fleet_is_hex(const char *s, size_t n)
{
    return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static int take_features(struct fleet_features *f, const json_t *a, struct err *e)
{
    int rc = json_is_array(a) ? 0 : err_set(e, ERR_FORMAT, "no list of features");
    for (size_t i = 0; i < json_array_size(a) && rc == 0; i++) {
        const char *s = json_string_value(json_array_get(a, i));
        rc = fleet_features_add(f, s ? s : "", e);
    }
    return rc;
}

static bool is_argv(const json_t *a)
{
    bool ok = json_array_size(a) > 0;
    for (size_t i = 0; i < json_array_size(a); i++)
        ok &= json_is_string(json_array_get(a, i));
    return ok;
}

/* Whoever writes plans decides what runs on the nodes: only what measures. */
static bool may_run(const json_t *argv)
{
    const char *verb = json_string_value(json_array_get(argv, 0));
    return !strcmp(verb, "bench") || !strcmp(verb, "sweep");
}

static int take_cell(struct fleet_cell *c, const json_t *o, struct err *e)
{
    const json_t *needs = json_object_get(o, "needs"), *argv = json_object_get(o, "argv");
    char id[FLEET_ID + 1];
    if (!fleet_take(c->id, sizeof c->id, o, "cell") || !fleet_take(c->kind, sizeof c->kind, o, "kind") ||
        !fleet_take(c->model, sizeof c->model, o, "model") || !fleet_take(c->format, sizeof c->format, o, "format") ||
        !fleet_take(c->framework, sizeof c->framework, o, "framework") || !is_argv(argv) || !json_is_object(needs))
        return err_set(e, ERR_FORMAT, "not a cell of a plan");
    if (!may_run(argv))
        return err_set(e, ERR_FORMAT, "cells run bench or sweep, not %.40s",
                       json_string_value(json_array_get(argv, 0)));
    c->group = (int)json_integer_value(json_object_get(o, "group"));
    c->ram_gib = json_get_num(needs, "ram_gib");
    int rc = take_features(&c->features, json_object_get(needs, "features"), e);
    c->argv = json_incref((json_t *)(uintptr_t)argv);
    if (rc == 0)
        rc = fleet_cell_id(c, id, e);
    if (rc == 0 && strcmp(id, c->id) != 0)
        rc = err_set(e, ERR_FORMAT, "cell %s does not have the id of what it measures", c->id);
    return rc;
}

static int take_cells(struct fleet_plan *p, char *text, struct err *e)
{
    size_t most = 0;
    for (const char *s = text; (s = strchr(s, '\n')); s++)
        most++;
    p->cell = mem_alloc_n(most + 1, sizeof *p->cell);
    if (!p->cell)
        return err_nomem(e, (most + 1) * sizeof *p->cell, "the cells");
    int rc = 0;
    for (char *line = text, *end; *line && rc == 0; line = end + 1) {
        end = strchr(line, '\n');
        if (!end)
            return err_set(e, ERR_FORMAT, "the last line is cut");
        json_t *o = NULL;
        rc = json_parse(&o, line, (size_t)(end - line), "cells.jsonl", e);
        if (rc == 0)
            rc = take_cell(&p->cell[p->n_cells++], o, e);
        json_decref(o);
    }
    return rc;
}

static int take_models(struct fleet_plan *p, struct err *e)
{
    const json_t *a = json_object_get(p->json, "models");
    size_t n = json_array_size(a);
    p->model = mem_alloc_n(n + 1, sizeof *p->model);
    if (!p->model)
        return err_nomem(e, n * sizeof *p->model, "the models");
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(a, i);
        struct fleet_model *m = &p->model[p->n_models++];
        if (!fleet_take(m->name, sizeof m->name, o, "name") || !fleet_take(m->sha256, sizeof m->sha256, o, "sha256") ||
            !fleet_is_hex(m->sha256, 64))
            return err_set(e, ERR_FORMAT, "model %zu has no name or no sha256", i + 1);
        m->bytes = (int64_t)json_integer_value(json_object_get(o, "bytes"));
        m->folder = json_is_true(json_object_get(o, "folder"));
        m->embedded = json_is_true(json_object_get(o, "embedded"));
    }
    return 0;
}

static int take_plan(struct fleet_plan *p, const char *text, size_t n, char cells_sha256[65], struct err *e)
{
    sha256_hex(text, n, p->sha256);
    int rc = json_parse(&p->json, text, n, "plan.json", e);
    if (rc < 0)
        return rc;
    const json_t *schema = json_object_get(p->json, "fleet_schema");
    if (!json_is_integer(schema) || !fleet_take(p->created, sizeof p->created, p->json, "created") ||
        !fleet_take(cells_sha256, 65, p->json, "cells_sha256"))
        return err_set(e, ERR_FORMAT, "not a plan of `whichquant fleet plan`");
    if (json_integer_value(schema) > FLEET_SCHEMA)
        return err_set(e, ERR_UNSUPPORTED, "made by a newer whichquant; use that version");
    return take_models(p, e);
}

static int read_both(struct fleet_plan *p, const char *dir, struct err *e)
{
    char path[4096], hash[65], want[65];
    char *text = NULL;
    size_t n;
    if (snprintf(path, sizeof path, "%s/plan.json", dir) >= (int)sizeof path)
        return err_set(e, ERR_USAGE, "the plan's path is too long");
    int rc = file_read(path, MOST_BYTES, &text, &n, e);
    if (rc == 0)
        rc = take_plan(p, text, n, want, e);
    mem_free(text);
    text = NULL;
    snprintf(path, sizeof path, "%.4000s/cells.jsonl", dir);
    if (rc == 0)
        rc = file_read(path, MOST_BYTES, &text, &n, e);
    if (rc == 0) {
        sha256_hex(text, n, hash);
        rc = strcmp(hash, want) == 0 ? take_cells(p, text, e)
                                     : err_set(e, ERR_FORMAT,
                                               "cells.jsonl is not the one that plan.json was made "
                                               "with; plan again, or copy the whole folder again");
    }
    mem_free(text);
    return rc;
}

int fleet_plan_read(struct fleet_plan *p, const char *dir, struct err *e)
{
    *p = (struct fleet_plan){0};
    int rc = read_both(p, dir, e);
    if (rc < 0) {
        fleet_plan_free(p);
        return err_context(e, "the plan %.300s", dir);
    }
    return 0;
}

void fleet_plan_free(struct fleet_plan *p)
{
    for (int i = 0; i < p->n_cells; i++)
        json_decref(p->cell[i].argv);
    mem_free(p->cell);
    mem_free(p->model);
    json_decref(p->json);
    *p = (struct fleet_plan){0};
}

const struct fleet_cell *fleet_plan_cell(const struct fleet_plan *p, const char *id)
{
    for (int i = 0; i < p->n_cells; i++)
        if (strcmp(p->cell[i].id, id) == 0)
            return &p->cell[i];
    return NULL;
}

const struct fleet_model *fleet_plan_model(const struct fleet_plan *p, const char *sha256)
{
    for (int i = 0; i < p->n_models; i++)
        if (strcmp(p->model[i].sha256, sha256) == 0)
            return &p->model[i];
    return NULL;
}
