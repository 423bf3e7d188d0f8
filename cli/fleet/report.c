/* fleet report: the machines of a fleet beside each other under each set of limits; also `report` with several --device
 * or --records, which is the same with one set. -o writes the tables, a page, and the report of each machine in a
 * folder of its own. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/os.h"
#include "cli/fleet/fleet.h"
#include "cli/fleet/machines.h"
#include "cli/job.h"
#include "matrix/fleet.h"
#include "reports/fleet.h"
#include "reports/reports.h"

struct spot { /* a machine under a set of limits */
    struct decision *decision;
    struct capacity capacity;
    struct upgrade upgrade;
};
struct fleet_job {
    struct cli *cli;
    struct machines machines;
    struct needs needs;
    struct prices prices;
    struct spot *cell; /* [need][machine] */
    struct offer *offer;
    struct fleet fleet;
};

bool cli_wants_comparison(const struct cli *c)
{
    return c->targets.n + c->record_files.n > 1 || c->prices;
}

static void on_warning(void *arg, const char *sentence)
{
    (void)arg;
    cli_warn("%s", sentence);
}

/* ---- the work ---- */

static const struct price *find_price(const struct fleet_job *p, const struct machine *k)
{
    const char *const by[] = {k->id, k->label, k->device, k->name};
    for (size_t i = 0; i < sizeof by / sizeof *by; i++) {
        const struct price *found = *by[i] ? price_of(&p->prices, by[i]) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

static int predict_upgrade(struct fleet_job *p, int i, const struct need *need, struct spot *spot, struct err *e)
{
    struct machine *k = p->machines.of[i];
    struct decision *d = NULL;
    const bool own = k->described || !k->measured;
    spot->upgrade = UPGRADE_NONE;
    int rc = own ? 0 : machines_predict(&d, &p->machines, i, p->cli, need, spot->upgrade.note, e);
    const struct decision *from = own ? spot->decision : d;
    const char *models[MOST_MODELS];
    if (rc == 0 && from && k->has_target)
        rc = upgrade_find(&spot->upgrade, &k->target, from, &need->req, models,
                          machines_models(&p->machines, i, p->cli, models), e);
    decision_free(d);
    return rc;
}

static int decide(struct fleet_job *p, int s, int i, struct err *e)
{
    struct machine *k = p->machines.of[i];
    const struct need *need = &p->needs.need[s];
    const int at = s * p->machines.n + i;
    struct spot *spot = &p->cell[at];
    int rc = machines_decide(&spot->decision, &p->machines, i, p->cli, need, e);
    if (rc == 0)
        rc = predict_upgrade(p, i, need, spot, e);
    if (rc < 0)
        return err_context(e, "%s", k->name);
    capacity_find(&spot->capacity, k->served, k->n_served, &need->req.want);
    p->offer[at] = (struct offer){.device = k->device,
                                  .name = k->name,
                                  .machine = k->id,
                                  .figures = k->measured ? "measured" : "predicted",
                                  .decision = spot->decision,
                                  .watts = k->has_target ? k->target.tdp_w : NAN,
                                  .watts_from = "rated",
                                  .price = find_price(p, k),
                                  .capacity = &spot->capacity,
                                  .upgrade = &spot->upgrade};
    return 0;
}

static int decide_all(struct fleet_job *p, struct err *e)
{
    const size_t n = (size_t)p->needs.n * (size_t)p->machines.n;
    p->cell = mem_alloc_n(n + 1, sizeof *p->cell);
    p->offer = mem_alloc_n(n + 1, sizeof *p->offer);
    if (!p->cell || !p->offer)
        return err_nomem(e, (n + 1) * sizeof *p->cell, "the fleet");
    int rc = fleet_open(&p->fleet, p->needs.n, p->machines.n, e);
    for (int s = 0; s < p->needs.n && rc == 0; s++) {
        for (int i = 0; i < p->machines.n && rc == 0; i++) {
            cli_progress(p->cli, s * p->machines.n + i, (int)n, p->machines.of[i]->name);
            rc = interrupt_seen() ? err_set(e, ERR_CANCELLED, "interrupted: nothing was written") : decide(p, s, i, e);
        }
        const struct need *need = &p->needs.need[s];
        if (rc == 0)
            rc = fleet_add(&p->fleet, &p->offer[s * p->machines.n], need->name, need->limits, &need->req.want, e);
    }
    cli_progress_end(p->cli);
    return rc;
}

static int load(struct fleet_job *p, const char *const *paths, int n_paths, struct err *e)
{
    struct cli *c = p->cli;
    if (n_paths + c->targets.n == 0)
        return err_set(e, ERR_USAGE,
                       c->prices ? "--prices needs devices: --device ID, several times, or --records FILE"
                                 : "no machine: give the folder of `whichquant fleet collect`, a "
                                   "records.jsonl, or --device ID");
    int rc = c->prices ? prices_read(&p->prices, c->prices, e) : 0;
    if (rc == 0)
        rc = needs_make(&p->needs, c, e);
    if (rc == 0)
        rc = machines_load(&p->machines, c, paths, n_paths, e);
    if (rc == 0 && p->machines.n == 0)
        rc = err_set(e, ERR_MISSING, "no machine has a measurement%s", c->catalogue.n ? " of that model" : "");
    for (int i = 0; i < p->machines.n && rc == 0 && c->prices; i++)
        if (!find_price(p, p->machines.of[i]))
            cli_warn("%s has no price in %s", p->machines.of[i]->device, c->prices);
    return rc;
}

/* ---- what comes of it ---- */

static int print(const struct fleet_job *p, bool rows_only)
{
    static int (*const write[])(struct sbuf *, const struct fleet *, struct err *) = {
        report_fleet_text, report_fleet_markdown, report_fleet_csv, report_fleet_json};
    const struct cli *c = p->cli;
    const int form = c->json ? 3 : c->csv ? 2 : c->md ? 1 : 0;
    struct sbuf b = {0};
    struct err e = {0};
    int rc =
        form == 3 && rows_only ? report_devices_json(&b, &p->fleet.need[0].table, &e) : write[form](&b, &p->fleet, &e);
    if (rc == 0)
        fwrite(sbuf_str(&b), 1, b.n, stdout);
    sbuf_free(&b);
    return rc < 0 ? cli_fail(&e) : cli_flush();
}

static void plain_name(char out[64], const char *name)
{
    for (; *name; name++)
        *out++ = strchr("/\\. ", *name) || (unsigned char)*name < ' ' ? '_' : *name;
    *out = 0;
}

/* A set's own folder in a machine's: "" where there is one set; numbered where an earlier one's is called the same. */
static void folder_of(char out[64], const struct needs *all, int s)
{
    char other[64];
    int same = 1;
    plain_name(out, all->n > 1 ? all->need[s].name : "");
    for (int k = 0; k < s; k++) {
        plain_name(other, all->need[k].name);
        same += strcasecmp(other, out) == 0;
    }
    if (same > 1)
        snprintf(out + strlen(out), 64 - strlen(out), "-%d", same);
}

static int write_one(const struct fleet_job *p, int s, int i, bool first, struct err *e)
{
    const struct machine *k = p->machines.of[i];
    const struct need *need = &p->needs.need[s];
    char dir[4096], folder[64];
    folder_of(folder, &p->needs, s);
    struct report_input in = {.decision = p->cell[s * p->machines.n + i].decision,
                              .device = k->has_probe    ? &k->probe
                                        : k->has_target ? &k->target.device
                                                        : NULL,
                              .target = k->described ? &k->target : NULL,
                              .request = &need->req,
                              .records = k->rec,
                              .n_records = k->n_rec,
                              .elapsed_s = NAN};
    if (snprintf(dir, sizeof dir, "%s/%s%s%s", p->cli->req.out_dir, k->folder, *folder ? "/" : "", folder) >=
        (int)sizeof dir)
        return err_set(e, ERR_USAGE, "the output directory's name is too long: %.80s...", p->cli->req.out_dir);
    return reports_write_dir(dir, &in, first ? on_warning : NULL, NULL, e);
}

static int write_all(const struct fleet_job *p, struct err *e)
{
    const char *dir = p->cli->req.out_dir;
    int rc = 0, n = p->needs.n * p->machines.n;
    for (int i = 0; i < n && rc == 0; i++) {
        cli_progress(p->cli, i, n, "writing reports");
        rc = write_one(p, i / p->machines.n, i % p->machines.n, i == 0, e);
    }
    cli_progress_end(p->cli);
    if (rc == 0)
        rc = reports_write_fleet(dir, &p->fleet, e);
    if (rc == 0 && !p->cli->req.quiet)
        fprintf(stderr, "report: %s/report.html, %s/procurement.csv; of each machine: %s/*/%sreport.html\n", dir, dir,
                dir, p->needs.n > 1 ? "*/" : "");
    return rc;
}

static int exit_of(const struct fleet_job *p)
{
    int code = EXIT_NOTHING_FITS;
    for (int i = 0; i < p->needs.n * p->machines.n; i++)
        code = p->cell[i].decision->recommended >= 0 ? EXIT_DONE : code;
    return interrupt_seen() ? EXIT_INTERRUPTED : code;
}

static void free_job(struct fleet_job *p)
{
    fleet_close(&p->fleet);
    for (int i = 0; p->cell && i < p->needs.n * p->machines.n; i++)
        decision_free(p->cell[i].decision);
    mem_free(p->cell);
    mem_free(p->offer);
    machines_free(&p->machines);
    needs_free(&p->needs);
    prices_free(&p->prices);
    mem_free(p);
}

static int report(struct cli *c, const char *const *paths, int n_paths, bool rows_only)
{
    struct err e = {0};
    struct fleet_job *p = mem_alloc(sizeof *p);
    int rc = p ? 0 : err_nomem(&e, sizeof *p, "the fleet"), code = EXIT_FAILED;
    if (!p)
        return cli_fail(&e);
    p->cli = c;
    rc = load(p, paths, n_paths, &e);
    if (rc == 0)
        rc = decide_all(p, &e);
    if (rc == 0)
        code = print(p, rows_only);
    if (rc == 0 && c->req.out_dir)
        rc = write_all(p, &e);
    if (rc < 0)
        code = cli_fail(&e);
    else if (code == EXIT_DONE)
        code = exit_of(p);
    free_job(p);
    return code;
}

int fleet_report(struct cli *c)
{
    const char *const *paths = c->arg;
    const int n = c->n_args;
    c->n_args = 0; /* they are no models */
    c->req.n_models = 0;
    return report(c, paths, n, false);
}

int cli_compare(struct cli *c)
{
    c->req.n_models = 0;
    return report(c, c->record_files.v, c->record_files.n, true);
}
