/* Formats of the model in a real framework: written as files, measured beside the own engine in one interleaved set, so
 * that the ratio of the two is taken under the same conditions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/temp.h"
#include "bench/export/export.h"
#include "bench/sweep.h"

struct real_run {
    const struct sweep_input *in;
    const struct runner *runner;
    char dir[TEMP_PATH];
    struct plan *plan;
    struct weights **weights;  /* [n_cells] */
    char (*path)[300];         /* [n_cells] */
    struct measure_cell *cell; /* [2 n_cells]: the framework, then the own engine where it has kernels */
    struct record *rec;
    int n;
};

static void close_real(struct real_run *r)
{
    for (int i = 0; r->plan && i < r->plan->n_cells; i++) {
        if (r->weights)
            weights_free(r->weights[i]);
    }
    temp_remove(r->dir);
    mem_free(r->weights);
    mem_free(r->path);
    mem_free(r->cell);
    mem_free(r->rec);
    plan_free(r->plan);
}

static int open_real(struct real_run *r, const char *const *formats, int n, struct err *e)
{
    struct request req = *r->in->req;
    req.formats = formats;
    req.n_formats = n;
    int rc = plan_formats(&r->plan, r->in->model, &req, r->in->calib, e);
    if (rc < 0)
        return rc;
    size_t cells = (size_t)r->plan->n_cells;
    r->weights = mem_alloc_n(cells, sizeof *r->weights);
    r->path = mem_alloc_n(cells, sizeof *r->path);
    r->cell = mem_alloc_n(2 * cells, sizeof *r->cell);
    r->rec = mem_alloc_n(2 * cells, sizeof *r->rec);
    if (!r->weights || !r->path || !r->cell || !r->rec)
        return err_nomem(e, 2 * cells * sizeof *r->rec, "the framework cells");
    return temp_dir(r->dir, "files", e);
}

static void add_cell(struct real_run *r, int i, const struct runner *runner)
{
    const struct sweep_input *in = r->in;
    const struct workload w = sweep_workload(in->req);
    r->cell[r->n] = (struct measure_cell){.runner = runner,
                                          .weights = r->weights[i],
                                          .model_path = r->path[i],
                                          .threads = in->req->threads,
                                          .n_ctx = w.n_prompt + w.n_gen,
                                          .n_batch = 512,
                                          .isa = in->req->isa,
                                          .pool = in->pool};
    struct record *rec = &r->rec[r->n++];
    record_init(rec);
    sweep_describe(rec, in, in->model, &r->plan->cell[i]);
    snprintf(rec->framework.name, sizeof rec->framework.name, "%s", runner->name);
    rec->workload.n_prompt = w.n_prompt;
    rec->workload.n_gen = w.n_gen;
    rec->workload.n_ctx = w.n_prompt + w.n_gen;
    rec->workload.n_batch = 512;
    rec->speed_from = FROM_MEASURED;
    record_cell_id(rec);
}

static int write_files(struct real_run *r, struct err *e)
{
    for (int i = 0; i < r->plan->n_cells; i++) {
        const struct plan_cell *c = &r->plan->cell[i];
        int rc = weights_encode(&r->weights[i], r->in->model, c->assign, r->in->calib, r->in->req->isa, r->in->pool, e);
        snprintf(r->path[i], sizeof r->path[i], "%.250s/%d.gguf", r->dir, i);
        if (rc == 0)
            rc = exporter_gguf.write(r->path[i], r->in->model, r->weights[i], c->recipe, e);
        if (rc < 0)
            return rc;
        add_cell(r, i, r->runner);
        if (c->packed)
            add_cell(r, i, runner_find("own"));
    }
    return 0;
}

int sweep_real(struct sweep *s, const struct sweep_input *in, const struct runner *runner, const char *const *formats,
               int n, double budget_s, struct err *e)
{
    struct real_run r = {.in = in, .runner = runner};
    struct workload w = sweep_workload(in->req);
    struct measure_opts o = {.min_reps = 3,
                             .max_reps = 10,
                             .warmup_cap_s = 3,
                             .target_half_width = 0.02,
                             .budget_s = budget_s,
                             .seed = in->req->seed,
                             .bandwidth_gb_s = NAN};
    int32_t *tokens = mem_alloc_n((size_t)w.n_prompt, sizeof *tokens);
    w.tokens = tokens;
    int rc = tokens ? open_real(&r, formats, n, e) : err_nomem(e, (unsigned long long)w.n_prompt * 4, "the prompt");
    if (rc == 0)
        rc = write_files(&r, e);
    if (rc == 0)
        rc = measure_cells(r.cell, r.rec, r.n, &w, &o, e);
    s->interrupted |= rc == ERR_CANCELLED;
    for (int i = 0; i < r.n && (rc == 0 || rc == ERR_CANCELLED); i++) {
        struct record *kept = sweep_add(s);
        if (!kept) {
            rc = err_nomem(e, sizeof *kept, "a record");
            break;
        }
        *kept = r.rec[i];
        if (in->store && store_put(in->store, kept, e) < 0)
            rc = e ? e->code : ERR_IO;
    }
    mem_free(tokens);
    close_real(&r);
    return rc == ERR_CANCELLED ? 0 : rc;
}
