/* bench of a server that is running already: its address, the model's name there, its key, how many at once. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "cli/bench.h"

static const char usual_key[] = "WHICHQUANT_API_KEY", endpoint[] = "endpoint";

int bench_streams(const struct cli *c, int streams[MOST_COUNTS], int *n, struct err *e)
{
    *n = c->concurrency.n;
    if (*n > MOST_COUNTS)
        return err_set(e, ERR_USAGE, "--concurrency: at most %d numbers", MOST_COUNTS);
    for (int i = 0; i < *n; i++) {
        char *end;
        long v = strtol(c->concurrency.v[i], &end, 10);
        if (*end || v < 1 || v > MAX_STREAMS)
            return err_set(e, ERR_USAGE, "--concurrency %s: give numbers of requests at once, up to %d",
                           c->concurrency.v[i], MAX_STREAMS);
        streams[i] = (int)v;
    }
    if (*n == 0)
        streams[(*n)++] = 1;
    return 0;
}

bool bench_wants_server(const struct cli *c)
{
    const struct runner *r = c->frameworks.n ? runner_find(c->frameworks.v[0]) : NULL;
    return c->endpoint || (r && r->served);
}

static int check_request(const struct cli *c, struct err *e)
{
    if (c->n_args || c->shape || c->formats.n || c->kv.n)
        return err_set(e, ERR_USAGE,
                       "a running server has its model and format already: give no model, shape, format "
                       "or cache beside --endpoint");
    if (c->req.backend || c->req.n_gpu_layers || c->req.n_settings)
        return err_set(e, ERR_USAGE,
                       "a running server has its device and settings already: give no --backend, "
                       "--gpu-layers or --set beside --endpoint");
    if (!runner_find(endpoint))
        return err_set(e, ERR_MISSING,
                       "this program was built without libcurl, which asking servers needs; install it "
                       "(libcurl4-openssl-dev) and build again");
    return 0;
}

void bench_begin_record(const struct bench_job *j, struct record *r, const struct runner *runner)
{
    const struct cli *c = j->cli;
    record_init(r);
    record_begin(r, j->in.run_id, c->device);
    snprintf(r->framework.name, sizeof r->framework.name, "%s", runner->name);
    r->workload.n_prompt = c->req.want.n_prompt;
    r->workload.n_gen = c->req.want.n_gen;
    r->workload.n_depth = c->depth;
    r->workload.seed = c->req.seed;
}

static void add_cell(struct bench_job *j, const struct runner *runner, int streams)
{
    const struct cli *c = j->cli;
    const struct constraints *want = &c->req.want;
    struct measure_cell *cell = &j->cell[j->n_cells];
    struct record *r = &j->rec[j->n_cells++];
    bool has_endpoint = c->endpoint || c->served_model;
    *cell = (struct measure_cell){.runner = runner,
                                  .endpoint = has_endpoint ? &j->endpoint : NULL,
                                  .streams = streams,
                                  .n_ctx = (want->n_prompt > want->n_gen ? want->n_prompt : want->n_gen) + c->depth,
                                  .isa = c->req.isa,
                                  .pool = c->pool};
    bench_begin_record(j, r, runner);
    snprintf(r->model.name, sizeof r->model.name, "%s", c->served_model ? c->served_model : "");
    snprintf(r->format.name, sizeof r->format.name, "as served");
    snprintf(r->kernels, sizeof r->kernels, "%s", c->endpoint ? c->endpoint : "");
    r->workload.streams = streams;
    record_cell_id(r);
}

int bench_take_server(struct bench_job *j, struct err *e)
{
    struct cli *c = j->cli;
    int streams[MOST_COUNTS], n_streams;
    const char *const usual[] = {endpoint};
    const char *const *name = c->frameworks.n ? c->req.frameworks : usual;
    const int n = c->frameworks.n ? c->frameworks.n : 1;
    int rc = check_request(c, e);
    if (rc == 0)
        rc = bench_streams(c, streams, &n_streams, e);
    if (rc < 0)
        return rc;
    const char *key_name = c->api_key_env ? c->api_key_env : usual_key;
    j->endpoint = (struct endpoint){.url = c->endpoint,
                                    .model = c->served_model,
                                    .key = getenv(key_name),
                                    .key_name = key_name,
                                    .silence_s = c->silence_s};
    j->cell = mem_alloc_n((size_t)(n * n_streams), sizeof *j->cell);
    j->rec = mem_alloc_n((size_t)(n * n_streams), sizeof *j->rec);
    if (!j->cell || !j->rec)
        return err_nomem(e, (unsigned long long)(n * n_streams) * sizeof *j->rec, "the cells");
    for (int i = 0; i < n; i++) {
        const struct runner *runner;
        if ((rc = runner_named(&runner, name[i], e)))
            return rc;
        if (!runner->served)
            return err_set(e, ERR_USAGE,
                           "%s runs model files, not servers: give --framework endpoint or ollama with "
                           "--endpoint",
                           runner->name);
        for (int k = 0; k < n_streams; k++)
            add_cell(j, runner, streams[k]);
    }
    return 0;
}
