/* bench: prefill and decode speed of a model file or of a shape that needs none; one row a format and framework. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/runners/artifact.h"
#include "bench/store.h"
#include "cli/bench.h"

static const double seconds_a_cell = 60; /* without -r and --budget: then the interval is what it is */
static const char *const shape_formats[] = {"gguf/q8_0", "gguf/q4_k_m"};

static void job_free(struct bench_job *j)
{
    for (int i = 0; i < j->n_formats; i++) {
        weights_free(j->format[i].weights);
        if (j->format[i].temporary)
            artifact_remove(j->format[i].path);
        if (j->format[i].as_given_name[0])
            mem_free(j->format[i].plan.assign);
    }
    mem_free(j->format);
    mem_free(j->cell);
    mem_free(j->rec);
    mem_free(j->rates);
    plan_free(j->plan);
    calibration_free(j->calib);
    model_close(j->model);
}

/* ---- what is measured ---- */

static void name_as_given(struct bench_format *f, const struct model *m)
{
    const struct recipe *r = recipe_of_source(f->as_given_name, m);
    f->as_given = (struct recipe){.name = f->as_given_name, .framework = r ? r->framework : "llama.cpp"};
}

static int take_as_given(struct bench_job *j, struct bench_format *f, struct err *e)
{
    const struct model_desc *d = &j->model->d;
    struct use_assign *a = mem_alloc_n((size_t)d->n_tensors, sizeof *a);
    if (!a)
        return err_nomem(e, (unsigned long long)d->n_tensors * sizeof *a, "the tensor table");
    bool rules = !j->cli->req.numerics || strcmp(j->cli->req.numerics, "weights-only") != 0;
    for (int i = 0; i < d->n_tensors; i++) {
        const struct codec *c = d->tensor[i].src.codec;
        a[i] = (struct use_assign){.codec = c,
                                   .wanted = c,
                                   .par = d->tensor[i].src.seg1.q,
                                   .act = d->tensor[i].matrix && rules ? act_find(c->act) : NULL};
    }
    name_as_given(f, j->model);
    f->plan = (struct plan_cell){.recipe = &f->as_given, .assign = a, .same_as = -1};
    snprintf(f->path, sizeof f->path, "%s", j->model->path ? j->model->path : "");
    int rc = recipe_summarize(d, a, &f->plan.summary, e);
    return rc < 0 ? rc : weights_source(&f->weights, j->model, rules, e);
}

static int take_formats(struct bench_job *j, struct err *e)
{
    struct cli *c = j->cli;
    if (c->shape && c->req.n_formats == 0) {
        c->req.formats = shape_formats;
        c->req.n_formats = sizeof shape_formats / sizeof *shape_formats;
    }
    int n = c->req.n_formats ? c->req.n_formats : 1;
    j->format = mem_alloc_n((size_t)n, sizeof *j->format);
    if (!j->format)
        return err_nomem(e, (unsigned long long)n * sizeof *j->format, "the formats");
    if (c->req.n_formats == 0)
        return take_as_given(j, &j->format[j->n_formats++], e);
    int rc =
        c->shape ? 0 : cli_calibration(c, &j->calib, j->model, recipe_statistics(c->req.formats, c->req.n_formats), e);
    if (rc == 0)
        rc = plan_formats(&j->plan, j->model, &c->req, j->calib, e);
    if (rc == 0 && j->plan->n_refused)
        rc = err_set(e, ERR_UNSUPPORTED, "%s", j->plan->refused[0].why_not);
    for (int i = 0; rc == 0 && i < j->plan->n_cells && !interrupt_seen(); i++) {
        struct bench_format *f = &j->format[j->n_formats++];
        f->plan = j->plan->cell[i];
        char what[96];
        snprintf(what, sizeof what, "%s %s", c->shape ? "synthesize" : "encode", f->plan.recipe->name);
        cli_progress(c, i, j->plan->n_cells, what);
        rc = c->shape ? sweep_synthesize(&f->weights, j->model, &f->plan, &j->in, e)
                      : weights_encode(&f->weights, j->model, f->plan.assign, j->calib, c->req.isa, c->pool, e);
    }
    return rc;
}

/* A real framework loads files: a format made here is written for it, for a while. What it cannot load is a row. */
static int write_artifact(struct bench_job *j, struct bench_format *f, const struct runner *runner, struct err *why)
{
    if (f->path[0] || j->cli->shape) /* there already: for one framework, and maybe not for the next */
        return f->temporary ? artifact_check(runner, f->plan.recipe, why) : 0;
    int rc = artifact_write(f->path, runner, j->model, f->weights, f->plan.recipe, why);
    f->temporary = rc == 0;
    return rc;
}

struct point {      /* of the axes beside format and framework */
    const char *kv; /* NULL: the usual cache */
    int streams, i_layers;
};

static int add_cell(struct bench_job *j, struct bench_format *f, const struct runner *runner, const struct point *at,
                    struct err *e)
{
    struct cli *c = j->cli;
    const struct request *req = &c->req;
    int longest = req->want.n_prompt > req->want.n_gen ? req->want.n_prompt : req->want.n_gen;
    struct kv_pair pair = {0};
    struct err why = {0};
    int rc = at->kv ? kv_parse(&pair, at->kv, e) : 0;
    if (rc == 0)
        rc = kv_check(pair, &j->model->d, e);
    if (rc == 0 && runner->real && kv_check_framework(pair, runner->numerics ? runner->numerics : runner->name, e) < 0)
        return req->n_frameworks ? ERR_UNSUPPORTED : 0; /* nobody asked for that framework */
    if (rc < 0)
        return rc;
    rc = runner->real ? write_artifact(j, f, runner, &why) : 0;
    if (rc < 0 && rc != ERR_UNSUPPORTED)
        return err_set(e, rc, "%s", why.text);
    struct measure_cell *cell = &j->cell[j->n_cells];
    struct record *r = &j->rec[j->n_cells++];
    *cell = (struct measure_cell){.runner = runner,
                                  .weights = runner->real ? NULL : f->weights,
                                  .model_path = f->path[0] ? f->path : NULL,
                                  .why_not = rc < 0 ? r->reason : NULL,
                                  .streams = at->streams > 1 ? at->streams : 0,
                                  .threads = req->threads,
                                  .find_threads = req->find_threads,
                                  .n_ctx = longest + c->depth,
                                  .n_batch = c->n_batch ? c->n_batch : 512,
                                  .kv = pair,
                                  .isa = req->isa,
                                  .pool = c->pool};
    record_init(r);
    sweep_describe(r, &j->in, j->model, &f->plan);
    snprintf(r->reason, sizeof r->reason, "%s", why.text);
    snprintf(r->run_id, sizeof r->run_id, "%s", j->in.run_id);
    snprintf(r->framework.name, sizeof r->framework.name, "%s", runner->name);
    r->workload.n_prompt = req->want.n_prompt;
    r->workload.n_gen = req->want.n_gen;
    r->workload.n_depth = c->depth;
    r->workload.n_ctx = cell->n_ctx;
    r->workload.n_batch = cell->n_batch;
    r->workload.streams = cell->streams;
    r->isa = req->isa;
    place_set(req, at->i_layers, cell, r);
    if (at->kv)
        kv_name(pair, r->workload.kv_type);
    record_cell_id(r);
    return 0;
}

/* The frameworks asked for; else the own engine, and llama.cpp where it is found and the file is one that it loads. */
static int take_frameworks(struct bench_job *j, struct err *e)
{
    const struct request *req = &j->cli->req;
    static const char *const both[] = {"own", "llama.cpp"};
    struct runner_info info = {0};
    const struct runner *llama = runner_find("llama.cpp");
    bool real = req->n_formats == 0 && j->model->path && file_exists(j->model->path) &&
                llama->detect(llama, &info, NULL) == 0 && info.found;
    const char *const *name = req->n_frameworks ? req->frameworks : both;
    int n = req->n_frameworks ? req->n_frameworks : 1 + real, rc;
    const int n_kv = req->n_kv > 0 ? req->n_kv : 1;
    int streams[MOST_COUNTS], n_streams;
    if ((rc = bench_streams(j->cli, streams, &n_streams, e)) || (rc = place_check(req, e)))
        return rc;
    const int most_layers = req->n_gpu_layers > 0 ? req->n_gpu_layers : 1;
    j->cap = n * j->n_formats * n_kv * n_streams * most_layers;
    j->cell = mem_alloc_n((size_t)j->cap, sizeof *j->cell);
    j->rec = mem_alloc_n((size_t)j->cap, sizeof *j->rec);
    if (!j->cell || !j->rec)
        return err_nomem(e, (unsigned long long)j->cap * sizeof *j->rec, "the cells");
    for (int i = 0; i < n && rc == 0; i++) {
        const struct runner *runner;
        rc = runner_named(&runner, name[i], e);
        const int n_counts = rc == 0 && runner->several ? n_streams : 1;
        const int n_layers = rc == 0 ? place_count(req, runner) : 1, n_each = n_counts * n_layers;
        for (int k = 0; k < j->n_formats * n_kv * n_each && rc == 0; k++) {
            const int cell = k / n_each;
            const struct point at = {.kv = req->n_kv ? req->kv[cell % n_kv] : NULL,
                                     .streams = runner->several ? streams[k / n_layers % n_counts] : 1,
                                     .i_layers = k % n_layers};
            rc = add_cell(j, &j->format[cell / n_kv], runner, &at, e);
        }
    }
    return rc;
}

static int open_model(struct bench_job *j, struct err *e)
{
    struct cli *c = j->cli;
    if (!c->shape == (c->n_args == 0))
        return err_set(e, ERR_USAGE,
                       "bench needs a model file, --shape ID (`whichquant list shapes` names them) or --endpoint URL");
    if (!c->shape) {
        int rc = cli_model(&j->model, c->arg[0], e);
        return rc < 0 ? rc : model_hash(j->model, e);
    }
    const struct shape *s = shape_find(c->shape);
    if (!s) {
        const struct shape *all;
        const char *names[256];
        int n = shapes(&all);
        for (int i = 0; i < n && i < 256; i++)
            names[i] = all[i].id;
        const char *near = cli_nearest(c->shape, names, n < 256 ? n : 256);
        return err_set(e, ERR_USAGE, "unknown shape %s%s%s%s; `whichquant list shapes` names them", c->shape,
                       near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    }
    return model_from_shape(&j->model, &s->d, e);
}

/* ---- results ---- */

static void on_progress(void *arg, int i_cell, int rep)
{
    const struct bench_job *j = arg;
    char what[160];
    snprintf(what, sizeof what, "%s in %s, repetition %d", j->rec[i_cell].format.name, j->rec[i_cell].framework.name,
             rep + 1);
    cli_progress(j->cli, i_cell + 1, j->n_cells, what);
}

static void keep(struct bench_job *j)
{
    struct store *s = NULL;
    struct err e = {0};
    int rc = store_open(&s, j->cli->req.store_path, &e);
    for (int i = 0; i < j->n_cells && rc == 0; i++)
        rc = store_put(s, &j->rec[i], &e);
    if (rc < 0)
        cli_warn("not stored: %s", e.text);
    store_close(s);
}

/* ---- sustained speed ---- */

static json_t *sustain_to_json(const struct record *r, const struct sustain_result *s)
{
    json_t *points = json_array();
    for (int i = 0; i < s->n; i++)
        json_array_append_new(points, json_pack("{s:o,s:o,s:o}", "t_s", json_num(s->t_s[i]), "tok_s",
                                                json_num(s->tok_s[i]), "temp_c", json_num(s->temp_c[i])));
    json_t *o = json_object();
    json_put(o, "format", json_str_or_null(r->format.name));
    json_put(o, "framework", json_str_or_null(r->framework.name));
    json_put(o, "burst_tok_s", json_num(s->burst_tok_s));
    json_put(o, "sustained_tok_s", json_num(s->sustained_tok_s));
    json_put(o, "throttle_after_s", json_num(s->throttle_after_s));
    json_put(o, "points", points);
    return o;
}

static void print_sustained(const struct record *r, const struct sustain_result *s, double seconds)
{
    printf("%s in %s: burst %.1f tok/s, sustained %.1f tok/s (%.0f %%)", r->format.name, r->framework.name,
           s->burst_tok_s, s->sustained_tok_s, 100 * s->sustained_tok_s / s->burst_tok_s);
    if (isfinite(s->throttle_after_s))
        printf(", slower after %.0f s\n", s->throttle_after_s);
    else
        printf(", no throttling within %.0f s\n", seconds);
}

static int sustain(struct bench_job *j, struct err *e)
{
    struct sustain_result *s = mem_alloc(sizeof *s);
    json_t *a = json_array();
    int rc = s ? 0 : err_nomem(e, sizeof *s, "the points");
    for (int i = 0; i < j->n_cells && rc == 0; i++) {
        char what[128];
        snprintf(what, sizeof what, "%s for %.0f s", j->rec[i].format.name, j->cli->sustain_s);
        cli_progress(j->cli, i + 1, j->n_cells, what);
        rc = measure_sustained(&j->cell[i], j->cli->sustain_s, s, e);
        cli_progress_end(j->cli);
        if (s->n > 0 && !j->cli->json)
            print_sustained(&j->rec[i], s, s->t_s[s->n - 1]);
        if (s->n > 0)
            json_array_append_new(a, sustain_to_json(&j->rec[i], s));
    }
    mem_free(s);
    if (j->cli->json)
        cli_print_json(a);
    else
        json_decref(a);
    return rc;
}

/* ---- the command ---- */

static int measure(struct bench_job *j, struct err *e)
{
    const struct cli *c = j->cli;
    struct workload w = {.n_prompt = c->req.want.n_prompt, .n_gen = c->req.want.n_gen, .n_depth = c->depth};
    struct measure_opts o;
    measure_defaults(&o);
    o.seed = c->req.seed;
    o.on_progress = on_progress;
    o.arg = j;
    o.budget_s = c->req.budget_s;
    if (c->reps)
        o.min_reps = o.max_reps = c->reps;
    else if (isnan(o.budget_s)) {
        o.budget_s = seconds_a_cell * j->n_cells;
        o.keep_workload = true;
    }
    int rc = measure_cells(j->cell, j->rec, j->n_cells, &w, &o, e);
    cli_progress_end(c);
    return rc;
}

static int exit_code(const struct bench_job *j)
{
    int n_ok = 0;
    for (int i = 0; i < j->n_cells; i++)
        n_ok += j->rec[i].status == STATUS_OK;
    return n_ok == 0 ? EXIT_FAILED : n_ok < j->n_cells && j->cli->req.strict ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int prepare(struct bench_job *j, struct err *e)
{
    struct cli *c = j->cli;
    int rc = cli_pool(c, e);
    const bool server = bench_wants_server(c), artifact = !server && bench_wants_artifact(c);
    if (rc == 0 && !server && !artifact)
        rc = open_model(j, e);
    if (rc < 0)
        return rc;
    j->in = (struct sweep_input){.req = &c->req, .device = c->device, .pool = c->pool, .model = j->model};
    clock_iso8601(j->in.run_id);
    snprintf(j->in.run_id + strlen(j->in.run_id), sizeof j->in.run_id - strlen(j->in.run_id), "-%ld", (long)getpid());
    if (server || artifact)
        return server ? bench_take_server(j, e) : bench_take_artifact(j, e);
    rc = take_formats(j, e);
    return rc < 0 ? rc : take_frameworks(j, e);
}

int cmd_bench(struct cli *c)
{
    struct err e = {0};
    struct bench_job j = {.cli = c};
    if (c->req.want.n_gen < 0)
        c->req.want.n_gen = 128;
    int rc = prepare(&j, &e), code = EXIT_DONE;
    if (rc == 0 && c->sustain_s > 0) {
        rc = sustain(&j, &e);
        code = rc < 0 ? cli_fail(&e) : EXIT_DONE;
    } else if (rc == 0) {
        rc = measure(&j, &e);
        bool shown = rc == 0 || rc == ERR_CANCELLED;
        if (shown) {
            keep(&j);
            bench_load_rates(&j);
        }
        if (shown && c->json)
            code = bench_print_json(&j);
        else if (shown)
            bench_print_table(&j);
        code = rc < 0 ? cli_fail(&e) : code ? code : exit_code(&j);
    } else {
        code = cli_fail(&e);
    }
    job_free(&j);
    return code;
}
