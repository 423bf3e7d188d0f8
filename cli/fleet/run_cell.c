/* fleet run-cell: one cell of a plan on this machine, in a child with limits of time and memory, so that whatever
 * becomes of it there is a result that says so. What has its result already is not measured again. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "cli/fleet/cell.h"
#include "cli/fleet/fleet.h"

/* ---- is it done already? ---- */

static bool answers(const struct cell_run *r, const char *path)
{
    struct fleet_result got;
    struct err why = {0};
    if (fleet_result_read(&got, path, &why) < 0)
        return false;
    bool same = !strcmp(got.plan_sha256, r->plan.sha256) && !strcmp(got.cell, r->cell->id) &&
                fleet_status_is_final(got.status) && (r->c->fleet.once || !strcmp(got.machine.id, r->machine.id));
    fleet_result_free(&got);
    return same;
}

static bool find_result(struct cell_run *r)
{
    size_t n;
    DIR *d = opendir(r->folder);
    bool found = false;
    for (struct dirent *f; d && !found && !r->c->fleet.again && (f = readdir(d));) {
        n = strlen(f->d_name);
        if (f->d_name[0] == '.' || n < 5 || strcmp(f->d_name + n - 5, ".json") != 0)
            continue;
        snprintf(r->path, sizeof r->path, "%.4000s/%s", r->folder, f->d_name);
        found = answers(r, r->path);
    }
    if (d)
        closedir(d);
    return found;
}

/* ---- what it is ---- */

static int read_plan(struct cell_run *r, const char *id, struct err *e)
{
    const struct cli *c = r->c;
    if (!c->fleet.plan)
        return err_set(e, ERR_USAGE, "fleet run-cell needs --plan DIR, the folder that `fleet plan` wrote");
    int rc = fleet_plan_read(&r->plan, c->fleet.plan, e);
    if (rc < 0)
        return rc;
    if (c->fleet.plan_sha256 && strcmp(c->fleet.plan_sha256, r->plan.sha256) != 0)
        return err_set(e, ERR_FORMAT, "the plan in %.200s is %.16s, not the %.80s asked for: it was planned again",
                       c->fleet.plan, r->plan.sha256, c->fleet.plan_sha256);
    r->cell = fleet_plan_cell(&r->plan, id);
    if (!r->cell)
        return err_set(e, ERR_USAGE, "the plan %.200s has no cell %.80s; its cells.jsonl lists them", c->fleet.plan,
                       id);
    r->model = fleet_plan_model(&r->plan, r->cell->model);
    if (!r->model)
        return err_set(e, ERR_FORMAT, "the plan %.200s says nothing of the model of cell %s", c->fleet.plan, id);
    const char *results = c->fleet.results;
    int n = results ? snprintf(r->folder, sizeof r->folder, "%s/%s", results, id)
                    : snprintf(r->folder, sizeof r->folder, "%s/results/%s", c->fleet.plan, id);
    return n < 4000 ? 0 : err_set(e, ERR_USAGE, "the path of the results is too long");
}

/* The file of the plan's folder, or the embedded model; it must be the one that was planned with. */
static int find_model(struct cell_run *r, struct err *e)
{
    struct model *m = NULL;
    const char *dir = r->c->fleet.plan;
    snprintf(r->model_path, sizeof r->model_path, "%.3800s/models/%s%s", dir, r->model->sha256,
             r->model->folder ? "" : ".gguf");
    bool here = file_exists(r->model_path) || dir_exists(r->model_path);
    if (!here && !r->model->embedded)
        return err_set(e, ERR_MISSING, "the model %.100s is not here: copy it to %.300s", r->model->name,
                       r->model_path);
    if (!here)
        strcpy(r->model_path, "default");
    int rc = cli_model(&m, r->model_path, e);
    if (rc == 0)
        rc = model_hash(m, e);
    if (rc == 0 && strcmp(m->sha256, r->model->sha256) != 0)
        rc = err_set(e, ERR_FORMAT,
                     "%.300s is not the model that was planned with: its sha256 is %.16s..., not %.16s...",
                     here ? r->model_path : "the embedded model of this whichquant", m->sha256, r->model->sha256);
    model_close(m);
    return rc;
}

/* Features named like instruction sets are held against what was executed here; true with the reason. */
static bool cannot_run(struct cell_run *r)
{
    const struct fleet_features *f = &r->cell->features;
    const struct probe_device *d = r->c->device;
    int64_t bytes = d->memory.total_bytes;
    if (d->memory.limit_bytes > 0 && (bytes <= 0 || d->memory.limit_bytes < bytes))
        bytes = d->memory.limit_bytes;
    r->memory_bytes = r->c->req.memory_bytes > 0 ? (uint64_t)r->c->req.memory_bytes : bytes > 0 ? (uint64_t)bytes : 0;
    for (int i = 0; i < f->n; i++) {
        int bit = isa_find(f->name[i]);
        if (bit >= 0 && !(d->cpu.isa_mask >> bit & 1)) {
            snprintf(r->why, sizeof r->why, "this machine does not run %s, which the cell needs", f->name[i]);
            return true;
        }
    }
    if (r->memory_bytes && r->cell->ram_gib * 0x1p30 > (double)r->memory_bytes) {
        snprintf(r->why, sizeof r->why, "needs %.2f GiB of memory, and there are %.2f", r->cell->ram_gib,
                 (double)r->memory_bytes / 0x1p30);
        return true;
    }
    return false;
}

/* ---- all of it ---- */

static int measure(struct cell_run *r, struct err *e)
{
    int rc = cli_device(r->c, e);
    if (rc == 0 && cannot_run(r))
        return cell_without_figures(r, STATUS_CANNOT_RUN, r->why, e);
    if (rc == 0)
        rc = find_model(r, e);
    if (rc == 0)
        rc = cell_measure(r, e);
    return rc;
}

static int run_locked(struct cell_run *r, struct err *e)
{
    r->done_before = find_result(r);
    if (r->done_before)
        return 0;
    int rc = measure(r, e);
    return rc < 0 ? rc : cell_write(r, e);
}

static int tell(const struct cell_run *r)
{
    const struct fleet_cell *cell = r->cell;
    if (r->done_before) {
        if (!r->c->req.quiet)
            fprintf(stderr, "cell %s has its result already: %s\n", cell->id, r->path);
        return EXIT_DONE;
    }
    printf("%s %s %s in %s: %s%s%s\n", cell->id, cell->kind, cell->format, cell->framework, r->status,
           *r->why ? ", " : "", r->why);
    if (!r->c->req.quiet)
        fprintf(stderr, "result: %s\n", r->path);
    return fleet_status_is_final(r->status) ? EXIT_DONE : EXIT_SOME_FAILED;
}

int fleet_run_cell(struct cli *c)
{
    struct err e = {0};
    struct cell_run *r = mem_alloc(sizeof *r);
    if (!r) {
        err_nomem(&e, sizeof *r, "a cell");
        return cli_fail(&e);
    }
    r->c = c;
    int rc = read_plan(r, c->arg[0], &e);
    if (rc == 0)
        rc = fleet_machine_here(&r->machine, c->fleet.label, &e);
    if (rc == 0 && !(r->done_before = find_result(r))) {
        rc = cell_lock(r, &e);
        if (rc == 0)
            rc = run_locked(r, &e);
        cell_unlock(r);
    }
    int code = rc < 0 ? cli_fail(&e) : tell(r);
    json_decref(r->records);
    fleet_plan_free(&r->plan);
    mem_free(r);
    return code;
}
