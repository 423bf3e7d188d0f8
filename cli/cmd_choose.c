/* The answer without a model file: the catalogue's models x formats x frameworks for this machine, calibrated in
 * seconds, or for one that is described (--device, --bandwidth). */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/calibrate.h"
#include "bench/catalogue.h"
#include "cli/job.h"
#include "matrix/choose.h"

static bool is_elsewhere(const struct cli *c)
{
    return c->target || c->described.bandwidth;
}

/* Options that are about measuring a file: without one they mean the embedded model. */
static bool is_about_measuring(const struct cli *c)
{
    const struct request *r = &c->req;
    return c->text || r->no_speed || r->n_chunks > 0 || r->memory_bytes > 0 || r->n_tasks > 0 || r->imatrix ||
           r->calibration || r->numerics || r->n_kv > 0 || r->dither || r->resume || c->from || c->records;
}

bool cli_wants_choice(const struct cli *c)
{
    if (is_elsewhere(c) || c->catalogue.n || cli_wants_comparison(c))
        return true;
    if (c->req.demo || is_about_measuring(c))
        return false;
    bool known = true; /* names that are none stay what they are: files that are missing */
    for (int i = 0; i < c->n_args; i++)
        known = known && catalogue_model_find(c->arg[i]) && !cli_model_here(c->arg[i]);
    return known;
}

struct choice {
    struct job job;
    struct target target;
    struct machine_rates *rates; /* NULL: none yet */
    const char *models[256];
    int n_models;
};

static int take_models(struct choice *h, struct err *e)
{
    const struct cli *c = h->job.cli;
    for (int i = 0; i < c->n_args + c->catalogue.n; i++) {
        if (h->n_models == (int)(sizeof h->models / sizeof *h->models))
            return err_set(e, ERR_USAGE, "more than %d models; without any, all of the catalogue are tried",
                           h->n_models);
        h->models[h->n_models++] = i < c->n_args ? c->arg[i] : c->catalogue.v[i - c->n_args];
    }
    return 0;
}

/* Limits that no row can meet, whatever the catalogue: said before anything is computed. */
static int check_limits(const struct cli *c, struct err *e)
{
    const struct constraints *w = &c->req.want;
    if (w->n_prompt >= w->ctx)
        return err_set(
            e, ERR_USAGE,
            "--prompt %d does not fit in --ctx %d with an answer behind it; raise --ctx or shorten the prompt",
            w->n_prompt, w->ctx);
    if (w->max_ttft_s * w->min_decode_tok_s < 0.999)
        return err_set(e, ERR_USAGE,
                       "--max-ttft %.3g s is less than one token at --min-decode %.3g; give the first token more time",
                       w->max_ttft_s, w->min_decode_tok_s);
    return 0;
}

static int described_target(struct choice *h, struct err *e)
{
    struct cli *c = h->job.cli;
    char ram[48];
    struct target_flags f = c->described;
    if (c->target && c->described.bandwidth)
        return err_set(e, ERR_USAGE, "--device and --bandwidth describe two machines; give one of them");
    if (c->target)
        return target_find(&h->target, c->target, e);
    snprintf(ram, sizeof ram, "%.6fG", (double)c->req.want.ram_bytes / 0x1p30);
    f.ram = c->req.want.ram_bytes >= 0 ? ram : NULL;
    f.isa = c->isa;
    f.backend = c->req.backend;
    c->req.want.ram_bytes = -1; /* the machine's, of which a part is usable; not a limit of its own */
    return target_from_flags(&h->target, &f, e);
}

void cli_glance_at_bandwidth(struct cli *c)
{
    if (!isfinite(c->device->memory.bandwidth_gb_s) && cli_pool(c, NULL) == 0)
        c->device->memory.bandwidth_gb_s = bandwidth_glance(c->pool, c->req.isa);
}

static int this_machine(struct choice *h, struct err *e)
{
    struct cli *c = h->job.cli;
    struct job *j = &h->job;
    int rc = cli_device(c, e), found = 0;
    h->rates = rc == 0 ? mem_alloc(sizeof *h->rates) : NULL;
    if (rc == 0 && !h->rates)
        rc = err_nomem(e, sizeof *h->rates, "the calibration");
    if (rc == 0)
        rc = store_open(&j->store, c->req.store_path, e);
    if (rc == 0)
        rc = factors_load(&j->known, j->store, c->device, e);
    if (rc == 0 && !c->recalibrate)
        found = store_get_rates(j->store, c->device->env_sha256, c->req.threads, c->req.isa, h->rates, NULL);
    store_close(j->store); /* the calibration opens it again */
    j->store = NULL;
    if (found == 1) {
        c->device->memory.bandwidth_gb_s = h->rates->bandwidth[0].gb_s.v;
    } else {
        mem_free(h->rates);
        h->rates = NULL;
        if (rc == 0)
            cli_glance_at_bandwidth(c);
    }
    return rc < 0 ? rc : target_from_probe(&h->target, c->device, e);
}

static int choose(struct choice *h, struct decision **d, struct err *e)
{
    return matrix_choose(d,
                         &(struct choose_input){.target = &h->target,
                                                .rates = h->rates,
                                                .known = h->job.known.n ? &h->job.known : NULL,
                                                .req = &h->job.cli->req,
                                                .models = h->models,
                                                .n_models = h->n_models},
                         e);
}

/* The first answer, before the kernels were measured, then the calibration. */
static int refine(struct choice *h, struct decision **d, struct err *e)
{
    struct cli *c = h->job.cli;
    job_draft(&h->job, *d, "nothing measured yet");
    h->rates = mem_alloc(sizeof *h->rates);
    if (!h->rates)
        return err_nomem(e, sizeof *h->rates, "the calibration");
    int rc = cli_rates(c, h->rates, e);
    if (rc < 0)
        return rc;
    decision_free(*d);
    *d = NULL;
    c->device->memory.bandwidth_gb_s = h->rates->bandwidth[0].gb_s.v;
    rc = target_from_probe(&h->target, c->device, e);
    return rc == 0 ? choose(h, d, e) : rc;
}

int cli_choose_for(struct cli *c, const struct target *t, struct decision **d, struct err *e)
{
    struct choice *h = mem_alloc(sizeof *h);
    if (!h)
        return err_nomem(e, sizeof *h, "the choice");
    h->job.cli = c;
    int rc = check_limits(c, e);
    if (rc == 0)
        rc = take_models(h, e);
    struct choose_input in = {.target = t, .req = &c->req, .models = h->models, .n_models = h->n_models};
    if (rc == 0)
        rc = matrix_choose(d, &in, e);
    mem_free(h);
    return rc;
}

int cli_choose_then(struct cli *c, int (*show)(struct job *j, struct decision *d))
{
    struct err e = {0};
    if (cli_wants_comparison(c) && show == job_show)
        return cli_compare(c);
    if (cli_wants_comparison(c)) {
        err_set(&e, ERR_USAGE, "%s takes one device; name one --device, without --prices", c->command->name);
        return cli_fail(&e);
    }
    struct choice *h = mem_alloc(sizeof *h);
    struct decision *d = NULL;
    int rc = h ? 0 : err_nomem(&e, sizeof *h, "the choice"), code;
    if (h)
        h->job = (struct job){.cli = c, .t0 = clock_ns(), .answers = true};
    if (rc == 0)
        rc = check_limits(c, &e);
    if (rc == 0 && c->req.out_dir && show == job_show)
        rc = out_prepare(c->req.out_dir, &e);
    if (rc == 0)
        rc = take_models(h, &e);
    const bool here = !is_elsewhere(c);
    if (rc == 0)
        rc = here ? this_machine(h, &e) : described_target(h, &e);
    if (rc == 0)
        rc = choose(h, &d, &e);
    if (rc == 0 && here && !h->rates && !c->req.estimate && c->command->run != cmd_decide &&
        c->command->run != cmd_explain)
        rc = refine(h, &d, &e);
    if (rc == 0 && !here && (c->device = mem_alloc(sizeof *c->device)))
        *c->device = h->target.device;
    if (rc == 0 && !here)
        h->job.target = &h->target;
    code = rc < 0 ? cli_fail(&e) : show(&h->job, d);
    decision_free(d);
    if (h) {
        job_free(&h->job);
        mem_free(h->rates);
    }
    mem_free(h);
    return code;
}

int cli_choose(struct cli *c)
{
    return cli_choose_then(c, job_show);
}
