/* fleet plan: cells of models, formats, frameworks and groups of nodes as files, with the scripts of both engines. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/shell.h"
#include "bench/fleet/fleet.h"
#include "cli/fleet/fleet.h"

extern const char fleet_slurm[], fleet_slurm_end[], fleet_parallel[], fleet_parallel_end[], fleet_run_cell_sh[],
    fleet_run_cell_sh_end[];

enum { USUAL_CHUNKS = 20, USUAL_GEN = 128 };
static const double usual_budget_s = 60, usual_timeout_s = 1800;

static int take_scripts(const struct cli *c, struct fleet_script script[3], struct err *e)
{
    const char *engine = c->fleet.engine;
    bool slurm = !engine || !strcmp(engine, "slurm"), parallel = !engine || !strcmp(engine, "parallel");
    int n = 0;
    if (!slurm && !parallel)
        return err_set(e, ERR_USAGE, "--engine %.40s: give slurm or parallel", engine);
    script[n++] =
        (struct fleet_script){"run-cell.sh", fleet_run_cell_sh, (size_t)(fleet_run_cell_sh_end - fleet_run_cell_sh)};
    if (slurm)
        script[n++] = (struct fleet_script){"slurm.sh", fleet_slurm, (size_t)(fleet_slurm_end - fleet_slurm)};
    if (parallel)
        script[n++] =
            (struct fleet_script){"parallel.sh", fleet_parallel, (size_t)(fleet_parallel_end - fleet_parallel)};
    return n;
}

static void set_defaults(struct cli *c)
{
    struct request *req = &c->req;
    if (req->n_chunks == 0)
        req->n_chunks = USUAL_CHUNKS;
    if (req->want.n_gen < 0)
        req->want.n_gen = USUAL_GEN;
    if (isnan(req->budget_s) && !c->reps)
        req->budget_s = usual_budget_s;
}

static int tell(const struct cli *c, const struct fleet_written *w)
{
    const char *engine = c->fleet.engine;
    if (c->json)
        return cli_print_json(json_pack("{s:s,s:s,s:i,s:i,s:i}", "plan", c->req.out_dir, "plan_sha256", w->sha256,
                                        "n_cells", w->n_cells, "n_left_out", w->n_left_out, "n_groups", w->n_groups));
    struct sbuf b = {0};
    sbuf_add_shell(&b, c->req.out_dir);
    const char *dir = sbuf_str(&b);
    printf("%d cells in %d group%s of nodes: %s", w->n_cells, w->n_groups, w->n_groups == 1 ? "" : "s", dir);
    if (w->n_left_out)
        printf("; %d left out (left_out in plan.json says why)", w->n_left_out);
    printf("\n");
    if (!engine || !strcmp(engine, "slurm"))
        printf("run:     bash %s/slurm.sh      (a folder that all nodes see)\n", dir);
    if (!engine || !strcmp(engine, "parallel"))
        printf("run:     bash %s/parallel.sh   (over ssh)\n", dir);
    printf("collect: whichquant fleet collect %s -o OUT\n", dir);
    sbuf_free(&b);
    return EXIT_DONE;
}

static int write_plan(struct cli *c, struct model **model, struct err *e)
{
    struct fleet_nodes nodes = {0};
    struct fleet_script script[3];
    struct fleet_written w = {0};
    int n = take_scripts(c, script, e), rc = n < 0 ? n : fleet_nodes_read(&nodes, c->fleet.nodes, e);
    for (int i = 0; i < c->n_args && rc == 0; i++)
        rc = cli_model(&model[i], c->arg[i], e);
    const struct fleet_job j = {.req = &c->req,
                                .model = model,
                                .model_name = c->arg,
                                .n_models = c->n_args,
                                .reps = c->reps,
                                .isa = c->isa,
                                .timeout_s = c->cell_timeout_s > 0 ? c->cell_timeout_s : usual_timeout_s,
                                .nodes = &nodes,
                                .script = script,
                                .n_scripts = n};
    if (rc == 0)
        rc = fleet_plan_write(&j, c->req.out_dir, &w, e);
    int code = rc < 0 ? cli_fail(e) : tell(c, &w);
    fleet_nodes_free(&nodes);
    return code;
}

int fleet_plan(struct cli *c)
{
    struct err e = {0};
    if (!c->req.out_dir) {
        cli_warn("fleet plan needs -o DIR: the folder that it writes");
        return EXIT_USAGE;
    }
    uint64_t any; /* what the nodes have is theirs to say */
    if (c->isa && !isa_narrow(c->isa, UINT64_MAX, &any)) {
        cli_warn("--isa %s: give scalar, avx2, avx512, avx512_vnni, neon, dotprod or a CPU flag", c->isa);
        return EXIT_USAGE;
    }
    set_defaults(c);
    struct model **model = mem_alloc_n((size_t)c->n_args, sizeof(struct model *));
    int code;
    if (model)
        code = write_plan(c, model, &e);
    else {
        err_nomem(&e, sizeof(struct model *) * (size_t)c->n_args, "the models");
        code = cli_fail(&e);
    }
    for (int i = 0; model && i < c->n_args; i++)
        model_close(model[i]);
    mem_free(model);
    return code;
}
