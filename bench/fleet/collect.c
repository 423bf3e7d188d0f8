/* Result files into one list, each checked. */
#include "bench/fleet/collect.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/fleet/parts.h"
#include "bench/fleet/sign.h"

enum { CLOCK_SLACK_S = 300, MOST_DEPTH = 8 };

int collect_begin(struct fleet_collection *c, struct err *e)
{
    char now[32];
    clock_iso8601(now);
    fleet_time(now, &c->now);
    c->refused = json_array();
    c->warnings = json_array();
    c->known = json_object();
    return c->refused && c->warnings && c->known ? 0 : err_nomem(e, 128, "the lists");
}

void collect_say(struct fleet_collection *c, const char *fmt, ...)
{
    char text[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(c->warnings, json_string(text));
    if (c->warn)
        c->warn(c->arg, text);
}

static void refuse(struct fleet_collection *c, const char *path, const char *why)
{
    const size_t n = strlen(path);
    const bool named = strncmp(why, path, n) == 0 && strncmp(why + n, ": ", 2) == 0;
    json_t *o = json_object();
    json_put(o, "file", json_string(path));
    json_put(o, "reason", json_string(named ? why + n + 2 : why));
    json_array_append_new(c->refused, o);
    if (c->warn) {
        char text[700];
        snprintf(text, sizeof text, "refused: %.300s: %.380s", path, named ? why + n + 2 : why);
        c->warn(c->arg, text);
    }
}

int collect_plan(struct fleet_collection *c, const char *dir, struct err *e)
{
    struct fleet_plan p;
    int rc = fleet_plan_read(&p, dir, e);
    if (rc < 0)
        return rc;
    for (int i = 0; i < c->n_plans; i++)
        if (strcmp(c->plan[i].sha256, p.sha256) == 0) {
            fleet_plan_free(&p);
            return 0;
        }
    struct fleet_plan *plan = mem_resize(c->plan, (size_t)(c->n_plans + 1) * sizeof *plan);
    c->plan = plan ? plan : c->plan;
    char **dirs = mem_resize(c->plan_dir, (size_t)(c->n_plans + 1) * sizeof *dirs);
    c->plan_dir = dirs ? dirs : c->plan_dir;
    char *copy = mem_strdup(dir);
    if (!plan || !dirs || !copy) {
        mem_free(copy);
        fleet_plan_free(&p);
        return err_nomem(e, sizeof p, "a plan");
    }
    c->plan[c->n_plans] = p;
    c->plan_dir[c->n_plans++] = copy;
    return 0;
}

/* ---- one result ---- */

/* The records are what the cell was planned to measure. */
static int check_records(const struct fleet_result *r, const struct fleet_cell *cell, struct err *e)
{
    struct record *rec = mem_alloc(sizeof *rec);
    int rc = rec ? 0 : err_nomem(e, sizeof *rec, "a record");
    for (size_t i = 0; i < json_array_size(r->records) && rc == 0; i++) {
        record_init(rec);
        rc = record_from_json(rec, json_array_get(r->records, i), e);
        if (rc == 0 && (strcmp(rec->format.name, cell->format) != 0 || strcmp(rec->model.sha256, cell->model) != 0))
            rc = err_set(e, ERR_FORMAT, "a record is of %.60s, the cell of %.60s of another model or format",
                         rec->format.name, cell->format);
    }
    mem_free(rec);
    return rc;
}

static int check(struct fleet_collection *c, struct fleet_taken *t, struct err *e)
{
    const struct fleet_result *r = &t->result;
    t->plan = -1;
    for (int i = 0; i < c->n_plans; i++)
        t->plan = strcmp(c->plan[i].sha256, r->plan_sha256) == 0 ? i : t->plan;
    if (t->plan < 0)
        return err_set(e, ERR_FORMAT, "of a plan that is not here (%.16s...); name its folder too, or --plan DIR",
                       r->plan_sha256);
    const struct fleet_plan *p = &c->plan[t->plan];
    const struct fleet_cell *cell = fleet_plan_cell(p, r->cell);
    if (!cell)
        return err_set(e, ERR_FORMAT, "its cell %s is not in the plan", r->cell);
    t->cell = (int)(cell - p->cell);
    int64_t planned = 0;
    if (!fleet_time(r->measured_at, &t->at))
        return err_set(e, ERR_FORMAT, "%.30s is no date", r->measured_at);
    fleet_time(p->created, &planned);
    t->clock = t->at < planned - CLOCK_SLACK_S  ? CLOCK_BEHIND
               : t->at > c->now + CLOCK_SLACK_S ? CLOCK_AHEAD
                                                : CLOCK_RIGHT;
    int rc = check_records(r, cell, e);
    return rc == 0 && c->allowed_signers ? fleet_verify(t->path, c->allowed_signers, t->signer, e) : rc;
}

static void taken_free(struct fleet_taken *t)
{
    fleet_result_free(&t->result);
    mem_free(t->path);
    t->path = NULL;
}

/* Grows by doubling. */
static struct fleet_taken *room_for_one(struct fleet_collection *c)
{
    const int n = c->n_taken;
    if (n == 0 || (n >= 64 && (n & (n - 1)) == 0)) {
        struct fleet_taken *more = mem_resize(c->taken, (size_t)(n ? 2 * n : 64) * sizeof *more);
        if (!more)
            return NULL;
        c->taken = more;
    }
    return &c->taken[n];
}

static int take_file(struct fleet_collection *c, const char *path, struct err *e)
{
    struct err why = {0};
    struct fleet_taken *t = room_for_one(c);
    if (!t)
        return err_nomem(e, sizeof *t, "the results");
    *t = (struct fleet_taken){.path = mem_strdup(path)};
    if (!t->path)
        return err_nomem(e, strlen(path), "the results");
    int rc = fleet_result_read(&t->result, path, &why);
    if (rc == 0 && json_object_get(c->known, t->result.sha256)) {
        c->n_duplicates++;
        taken_free(t);
        return 0;
    }
    if (rc == 0)
        rc = check(c, t, &why);
    if (rc == 0) {
        json_put(c->known, t->result.sha256, json_true());
        c->n_taken++;
        return 0;
    }
    taken_free(t);
    if (rc == ERR_NOMEM)
        return err_set(e, rc, "%s", why.text);
    refuse(c, path, why.text);
    return 0;
}

/* ---- folders ---- */

static bool is_result_name(const char *name)
{
    static const char *const ours[] = {"plan.json", "machines.json", "collected.json"};
    size_t n = strlen(name);
    bool is = n > 5 && strcmp(name + n - 5, ".json") == 0;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        is &= strcmp(name, ours[i]) != 0;
    return is;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in the folder, sorted, without hidden ones. */
static int list_names(const char *path, char ***out, int *n, struct err *e)
{
    DIR *d = opendir(path);
    *out = NULL;
    *n = 0;
    if (!d)
        return err_set(e, ERR_IO, "cannot read the folder %.300s: %s", path, strerror(errno));
    int rc = 0;
    for (struct dirent *f; rc == 0 && (f = readdir(d));) {
        if (f->d_name[0] == '.')
            continue;
        char **more = mem_resize(*out, (size_t)(*n + 1) * sizeof *more), *name = mem_strdup(f->d_name);
        *out = more ? more : *out;
        if (more && name)
            more[(*n)++] = name;
        else {
            mem_free(name);
            rc = err_nomem(e, 256, path);
        }
    }
    closedir(d);
    if (*n)
        qsort(*out, (size_t)*n, sizeof **out, compare_names);
    return rc;
}

static int walk(struct fleet_collection *c, const char *path, int depth, struct err *e)
{
    char **name, below[4096];
    int n, rc = list_names(path, &name, &n, e);
    for (int i = 0; i < n && rc == 0; i++) {
        if (snprintf(below, sizeof below, "%s/%s", path, name[i]) >= (int)sizeof below)
            collect_say(c, "%.200s...: the path is too long, it is left out", below);
        else if (dir_exists(below) && depth < MOST_DEPTH)
            rc = walk(c, below, depth + 1, e);
        else if (is_result_name(name[i]))
            rc = take_file(c, below, e);
    }
    for (int i = 0; i < n; i++)
        mem_free(name[i]);
    mem_free(name);
    return rc;
}

int collect_path(struct fleet_collection *c, const char *path, struct err *e)
{
    char plan[4096], results[4096];
    snprintf(plan, sizeof plan, "%.4000s/plan.json", path);
    snprintf(results, sizeof results, "%.4000s/results", path);
    if (!dir_exists(path))
        return file_exists(path) ? take_file(c, path, e)
                                 : err_set(e, ERR_MISSING, "%.300s: no such file or folder", path);
    if (!file_exists(plan))
        return walk(c, path, 0, e);
    return dir_exists(results) ? walk(c, results, 0, e) : 0;
}

void collect_free(struct fleet_collection *c)
{
    for (int i = 0; i < c->n_taken; i++)
        taken_free(&c->taken[i]);
    for (int i = 0; i < c->n_plans; i++) {
        fleet_plan_free(&c->plan[i]);
        mem_free(c->plan_dir[i]);
    }
    mem_free(c->taken);
    mem_free(c->plan);
    mem_free(c->plan_dir);
    mem_free(c->node);
    json_decref(c->refused);
    json_decref(c->warnings);
    json_decref(c->known);
}
