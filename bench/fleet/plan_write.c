/* A plan as files: cells of every model, format, framework and group of nodes; what is left out, and why. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/engine.h"
#include "bench/fleet/parts.h"
#include "bench/plan.h"
#include "bench/runners/artifact.h"

/* Beside weights, source and cache: the program, its pool, a framework's own tables. */
static const double gib = 0x1p30, beside_gib = 0.25;
enum { SPARE_MINUTES = 2, MOST_TASKS = 1000 }; /* of an array: Slurm's usual MaxArraySize is 1001 */

struct writing {
    const struct fleet_job *job;
    struct sbuf cells, groups;
    struct sbuf *ids; /* [groups + 1] the cells of each; 0: of any node */
    int *n_ids, n_groups;
    double *ram_gib; /* [groups + 1] the most that one of them needs */
    json_t *models, *left_out, *known;
    int n_cells;
};

static void leave_out(struct writing *w, const struct model *m, const char *format, const char *framework, int group,
                      const char *why)
{
    json_t *o = json_object();
    json_put(o, "model", json_string(m->d.name));
    json_put(o, "format", json_string(format));
    json_put(o, "framework", json_string(framework));
    json_put(o, "group", json_integer(group));
    json_put(o, "reason", json_string(why));
    json_array_append_new(w->left_out, o);
}

/* Part of the program, which every node has. */
static bool is_embedded(const struct model *m)
{
    return !m->folder && !m->gguf->map.p;
}

/* ---- one cell ---- */

static void say(json_t *argv, const char *option, const char *fmt, double value)
{
    char text[64];
    snprintf(text, sizeof text, fmt, value);
    json_array_append_new(argv, json_string(option));
    json_array_append_new(argv, json_string(text));
}

static json_t *begin_argv(const char *verb, const char *format, const char *framework)
{
    json_t *a = json_array();
    const char *const word[] = {verb, "{model}", "--format", format, "--framework", framework};
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        json_array_append_new(a, json_string(word[i]));
    return a;
}

/* What both kinds take. */
static void say_common(json_t *argv, const struct fleet_job *j)
{
    if (j->req->threads > 0)
        say(argv, "-t", "%.0f", j->req->threads);
    if (j->req->seed) {
        json_array_append_new(argv, json_string("--seed"));
        json_array_append_new(argv, json_sprintf("%" PRIu64, j->req->seed));
    }
    if (j->isa) {
        json_array_append_new(argv, json_string("--isa"));
        json_array_append_new(argv, json_string(j->isa));
    }
}

static json_t *argv_of_speed(const struct fleet_job *j, const char *format, const char *framework)
{
    json_t *a = begin_argv("bench", format, framework);
    say(a, "-p", "%.0f", j->req->want.n_prompt);
    say(a, "-n", "%.0f", j->req->want.n_gen);
    if (j->reps)
        say(a, "-r", "%.0f", j->reps);
    if (isfinite(j->req->budget_s))
        say(a, "--budget", "%gs", j->req->budget_s);
    say_common(a, j);
    return a;
}

static json_t *argv_of_quality(const struct fleet_job *j, const char *format)
{
    json_t *a = begin_argv("sweep", format, "own");
    json_array_append_new(a, json_string("--no-speed"));
    say(a, "--chunks", "%.0f", j->req->n_chunks);
    say(a, "--n-ctx", "%.0f", j->req->n_ctx_eval);
    say_common(a, j);
    return a;
}

static double needs_gib(const struct fleet_job *j, const struct model *m, const struct plan_cell *c, bool quality)
{
    struct engine_opts o = {.mode = quality ? ENGINE_QUALITY : ENGINE_PACKED, .isa = j->req->isa};
    struct memory_need need = {0};
    o.n_ctx = quality ? j->req->n_ctx_eval : j->req->want.n_prompt + j->req->want.n_gen;
    o.n_batch = o.n_ctx < 512 ? o.n_ctx : 512;
    engine_memory(&m->d, &o, &need, NULL);
    double bytes = (double)(c->summary.bytes + need.kv_bytes + need.scratch_bytes) + (double)m->n_bytes;
    return ceil((bytes / gib + beside_gib) * 100) / 100;
}

/* Cells that are the same are one: formats may be named twice, files may be equal. */
static bool is_known(struct writing *w, const char *id)
{
    bool known = json_object_get(w->known, id) != NULL;
    json_put(w->known, id, json_true());
    return known;
}

static int add_cell(struct writing *w, struct fleet_cell *c, struct err *e)
{
    int rc = fleet_cell_id(c, c->id, e);
    if (rc < 0 || is_known(w, c->id)) {
        json_decref(c->argv);
        return rc;
    }
    json_t *o = json_object(), *needs = json_object();
    json_put(o, "cell", json_string(c->id));
    json_put(o, "kind", json_string(c->kind));
    json_put(o, "model", json_string(c->model));
    json_put(o, "format", json_string(c->format));
    json_put(o, "framework", json_string(c->framework));
    json_put(o, "group", json_integer(c->group));
    json_put(needs, "ram_gib", json_num(c->ram_gib));
    json_put(needs, "features", fleet_features_to_json(&c->features));
    json_put(o, "needs", needs);
    json_put(o, "argv", c->argv);
    json_print(&w->cells, o, 0);
    sbuf_putc(&w->cells, '\n');
    json_decref(o);
    sbuf_printf(&w->ids[c->group], "%s\n", c->id);
    w->n_ids[c->group]++;
    w->ram_gib[c->group] = fmax(w->ram_gib[c->group], c->ram_gib);
    w->n_cells++;
    return 0;
}

static void begin_cell(struct fleet_cell *c, const char *kind, const struct model *m, const char *format,
                       const char *framework)
{
    *c = (struct fleet_cell){0};
    snprintf(c->kind, sizeof c->kind, "%s", kind);
    snprintf(c->model, sizeof c->model, "%s", m->sha256);
    snprintf(c->format, sizeof c->format, "%s", format);
    snprintf(c->framework, sizeof c->framework, "%s", framework);
}

static int add_quality(struct writing *w, const struct model *m, const struct plan_cell *p, struct err *e)
{
    struct fleet_cell c;
    begin_cell(&c, "quality", m, p->recipe->name, "own");
    c.ram_gib = needs_gib(w->job, m, p, true);
    c.argv = argv_of_quality(w->job, p->recipe->name);
    return add_cell(w, &c, e);
}

/* group: from 1; 0: there are none. */
static int add_speed(struct writing *w, const struct model *m, const struct plan_cell *p, const char *framework,
                     int group, struct err *e)
{
    const struct fleet_group *g = group ? &w->job->nodes->group[group - 1] : NULL;
    struct fleet_cell c;
    begin_cell(&c, "speed", m, p->recipe->name, framework);
    c.group = group;
    c.ram_gib = needs_gib(w->job, m, p, false);
    if (g && c.ram_gib > g->ram_gib) {
        char why[128];
        snprintf(why, sizeof why, "needs %.2f GiB of memory, and nodes of the group have %g", c.ram_gib, g->ram_gib);
        leave_out(w, m, p->recipe->name, framework, group, why);
        return 0;
    }
    if (g)
        c.features = g->features;
    c.argv = argv_of_speed(w->job, p->recipe->name, framework);
    return add_cell(w, &c, e);
}

/* In every group; in none where the framework cannot load it. */
static int add_framework(struct writing *w, const struct model *m, const struct plan_cell *p, const char *framework,
                         struct err *e)
{
    const struct runner *r;
    struct err why = {0};
    int rc = runner_named(&r, framework, e);
    if (rc < 0)
        return rc;
    if (r->real && artifact_check(r, p->recipe, &why) < 0) {
        leave_out(w, m, p->recipe->name, framework, 0, why.text);
        return 0;
    }
    const int n = w->n_groups;
    for (int g = n > 0; g <= n && rc == 0; g++)
        rc = add_speed(w, m, p, framework, g, e);
    return rc;
}

static int add_format(struct writing *w, const struct model *m, const struct plan *p, const struct plan_cell *c,
                      struct err *e)
{
    static const char *const own[] = {"own"};
    const struct request *req = w->job->req;
    const char *const *name = req->n_frameworks ? req->frameworks : own;
    int n = req->n_frameworks ? req->n_frameworks : 1, rc = 0;
    if (c->same_as >= 0) {
        char why[128];
        snprintf(why, sizeof why, "of this model the same as %s", p->cell[c->same_as].recipe->name);
        leave_out(w, m, c->recipe->name, "", 0, why);
        return 0;
    }
    if (!req->no_quality)
        rc = add_quality(w, m, c, e);
    for (int i = 0; i < n && rc == 0 && !req->no_speed; i++)
        rc = add_framework(w, m, c, name[i], e);
    return rc;
}

static int add_model(struct writing *w, const struct model *m, struct err *e)
{
    struct plan *p = NULL;
    if (is_known(w, m->sha256))
        return 0;
    int rc = plan_formats(&p, m, w->job->req, NULL, e);
    for (int i = 0; rc == 0 && i < p->n_cells; i++)
        rc = add_format(w, m, p, &p->cell[i], e);
    for (int i = 0; rc == 0 && i < p->n_refused; i++)
        leave_out(w, m, p->refused[i].recipe->name, "", 0, p->refused[i].why_not);
    plan_free(p);
    json_t *o = json_object();
    json_put(o, "name", json_string(m->d.name));
    json_put(o, "sha256", json_string(m->sha256));
    json_put(o, "bytes", json_integer((json_int_t)m->n_bytes));
    json_put(o, "folder", json_boolean(m->folder != NULL));
    json_put(o, "embedded", json_boolean(is_embedded(m)));
    json_array_append_new(w->models, o);
    return rc;
}

/* ---- files ---- */

static int write_file(const char *dir, const char *name, const void *p, size_t n, struct err *e)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4000s/%s", dir, name);
    return file_write(path, p, n, e);
}

static json_t *group_to_json(const struct writing *w, int i)
{
    const struct fleet_group *g = i ? &w->job->nodes->group[i - 1] : NULL;
    json_t *o = json_object(), *nodes = json_array();
    for (int k = 0; g && k < g->n_nodes; k++)
        json_array_append_new(nodes, json_string(g->node[k]));
    json_put(o, "group", json_integer(i));
    json_put(o, "features", g ? fleet_features_to_json(&g->features) : json_array());
    json_put(o, "ram_gib", json_num(g ? g->ram_gib : NAN));
    json_put(o, "nodes", nodes);
    json_put(o, "n_cells", json_integer(w->n_ids[i]));
    return o;
}

/* Lines [first, last) of the ids of a group as groups/NAME.txt, and its line in groups.tsv: name, Slurm's constraint,
 * nodes, cells, MiB that one needs at most, minutes. */
static int write_part(struct writing *w, const char *dir, int i, const char *ids, size_t bytes, int n_ids, int part,
                      struct err *e)
{
    const struct fleet_nodes *all = w->job->nodes;
    const struct fleet_features none = {0}, *f = i ? &all->group[i - 1].features : &none;
    char name[24], path[48];
    snprintf(name, sizeof name, part ? "%d.%d" : "%d", i, part + 1);
    sbuf_printf(&w->groups, "%s\t%s", name, f->n ? "" : "-");
    for (int k = 0; k < f->n; k++)
        sbuf_printf(&w->groups, "%s%s", k ? "&" : "", f->name[k]);
    sbuf_putc(&w->groups, '\t');
    int n = 0;
    for (int g = 0; g < all->n; g++)
        for (int k = 0; (!i || g == i - 1) && k < all->group[g].n_nodes; k++)
            sbuf_printf(&w->groups, "%s%s", n++ ? "," : "", all->group[g].node[k]);
    sbuf_printf(&w->groups, "%s\t%d\t%.0f\t%.0f\n", n ? "" : "-", n_ids, ceil(w->ram_gib[i] * 1024),
                ceil(w->job->timeout_s / 60) + SPARE_MINUTES);
    snprintf(path, sizeof path, "groups/%s.txt", name);
    return write_file(dir, path, ids, bytes, e);
}

static int write_group(struct writing *w, const char *dir, int i, struct err *e)
{
    const char *ids = sbuf_str(&w->ids[i]);
    int left = w->n_ids[i], rc = 0;
    for (int part = 0; left > 0 && rc == 0; part++) {
        int n = left < MOST_TASKS ? left : MOST_TASKS;
        size_t bytes = (size_t)n * (FLEET_ID + 1);
        rc = write_part(w, dir, i, ids, bytes, n, part, e);
        ids += bytes;
        left -= n;
    }
    return rc;
}

static int write_groups(struct writing *w, const char *dir, json_t *groups, struct err *e)
{
    int rc = 0;
    for (int i = 0; i <= w->n_groups && rc == 0; i++) {
        json_array_append_new(groups, group_to_json(w, i));
        rc = w->ids[i].failed ? err_nomem(e, w->ids[i].n, "the plan") : write_group(w, dir, i, e);
    }
    return rc < 0 ? rc : write_file(dir, "groups.tsv", sbuf_str(&w->groups), w->groups.n, e);
}

static json_t *plan_to_json(struct writing *w, json_t *groups)
{
    char now[32], hash[65];
    json_t *o = json_object(), *tool = json_object();
    clock_iso8601(now);
    sha256_hex(sbuf_str(&w->cells), w->cells.n, hash);
    json_put(tool, "name", json_string("whichquant"));
    json_put(tool, "version", json_string(WHICHQUANT_VERSION));
    json_put(o, "fleet_schema", json_integer(FLEET_SCHEMA));
    json_put(o, "created", json_string(now));
    json_put(o, "tool", tool);
    json_put(o, "n_cells", json_integer(w->n_cells));
    json_put(o, "cells_sha256", json_string(hash));
    json_put(o, "timeout_s", json_num(w->job->timeout_s));
    json_put(o, "models", json_incref(w->models));
    json_put(o, "groups", groups);
    json_put(o, "left_out", json_incref(w->left_out));
    return o;
}

static int make_folders(const char *dir, struct err *e)
{
    static const char *const name[] = {"groups", "models", "results", "logs"};
    char path[4200];
    int rc = 0;
    for (size_t i = 0; i < sizeof name / sizeof *name && rc == 0; i++) {
        snprintf(path, sizeof path, "%.4000s/%s", dir, name[i]);
        rc = dir_make(path, e);
    }
    return rc;
}

static int write_all(struct writing *w, const char *dir, struct fleet_written *out, struct err *e)
{
    json_t *groups = json_array();
    struct sbuf b = {0};
    int rc = make_folders(dir, e);
    for (int i = 0; i < w->job->n_models && rc == 0; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%.4000s/models", dir);
        if (!is_embedded(w->job->model[i]))
            rc = fleet_model_place(w->job->model[i], w->job->model_name[i], path, e);
    }
    if (rc == 0)
        rc = write_groups(w, dir, groups, e);
    for (int i = 0; i < w->job->n_scripts && rc == 0; i++)
        rc = write_file(dir, w->job->script[i].name, w->job->script[i].text, w->job->script[i].n, e);
    if (rc == 0)
        rc = write_file(dir, "cells.jsonl", sbuf_str(&w->cells), w->cells.n, e);
    json_t *plan = plan_to_json(w, groups);
    json_print(&b, plan, 1);
    sbuf_putc(&b, '\n');
    json_decref(plan);
    if (rc == 0 && (b.failed || w->cells.failed || w->groups.failed))
        rc = err_nomem(e, b.n, "the plan");
    if (rc == 0)
        rc = write_file(dir, "plan.json", b.p, b.n, e);
    sha256_hex(sbuf_str(&b), b.n, out->sha256);
    sbuf_free(&b);
    return rc;
}

static void writing_free(struct writing *w)
{
    for (int i = 0; w->ids && i <= w->n_groups; i++)
        sbuf_free(&w->ids[i]);
    mem_free(w->ids);
    mem_free(w->n_ids);
    mem_free(w->ram_gib);
    sbuf_free(&w->cells);
    sbuf_free(&w->groups);
    json_decref(w->models);
    json_decref(w->left_out);
    json_decref(w->known);
}

static int collect_cells(struct writing *w, struct err *e)
{
    const size_t n = (size_t)w->n_groups + 1;
    w->ids = mem_alloc_n(n, sizeof *w->ids);
    w->n_ids = mem_alloc_n(n, sizeof *w->n_ids);
    w->ram_gib = mem_alloc_n(n, sizeof *w->ram_gib);
    w->models = json_array();
    w->left_out = json_array();
    w->known = json_object();
    if (!w->ids || !w->n_ids || !w->ram_gib || !w->known)
        return err_nomem(e, n * sizeof *w->ids, "the plan");
    int rc = 0;
    for (int i = 0; i < w->job->n_models && rc == 0; i++) {
        rc = model_hash(w->job->model[i], e);
        if (rc == 0)
            rc = add_model(w, w->job->model[i], e);
    }
    if (rc == 0 && w->n_cells == 0)
        rc = err_set(e, ERR_USAGE,
                     "there is nothing to measure: none of these formats can be run in those frameworks "
                     "on those nodes");
    return rc;
}

int fleet_plan_write(const struct fleet_job *j, const char *dir, struct fleet_written *out, struct err *e)
{
    struct writing w = {.job = j, .n_groups = j->nodes->n};
    struct dir_out d = {0};
    *out = (struct fleet_written){0};
    int rc = collect_cells(&w, e);
    if (rc == 0)
        rc = dir_out_open(&d, dir, e);
    if (rc == 0) {
        rc = write_all(&w, d.temp, out, e);
        rc = rc < 0 ? rc : dir_out_commit(&d, e);
        if (rc < 0)
            dir_out_abort(&d);
    }
    out->n_cells = w.n_cells;
    out->n_left_out = (int)json_array_size(w.left_out);
    for (int i = 0; i <= w.n_groups && w.n_ids; i++)
        out->n_groups += w.n_ids[i] > 0;
    writing_free(&w);
    return rc;
}
