/* fleet collect: results of many machines into one folder. */
#include <string.h>
#include "base/os.h"
#include "base/shell.h"
#include "bench/fleet/collect.h"
#include "cli/fleet/fleet.h"

static void on_warning(void *arg, const char *sentence)
{
    (void)arg;
    cli_warn("%s", sentence);
}

static bool has_file(const char *dir, const char *name)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4000s/%s", dir, name);
    return file_exists(path);
}

/* Plans first, whatever the order of the arguments: results are held against them. */
static int read_all(struct cli *c, struct fleet_collection *all, struct err *e)
{
    int rc = c->fleet.plan ? collect_plan(all, c->fleet.plan, e) : 0;
    for (int i = 0; i < c->n_args && rc == 0; i++)
        if (has_file(c->arg[i], "plan.json"))
            rc = collect_plan(all, c->arg[i], e);
    if (rc == 0 && all->n_plans == 0)
        rc = err_set(e, ERR_MISSING, "no plan.json in %.200s: name the plan's folder too, or --plan DIR", c->arg[0]);
    for (int i = 0; i < c->n_args && rc == 0; i++)
        rc = collect_path(all, c->arg[i], e);
    return rc < 0 ? rc : collect_settle(all, e);
}

static void tell_what_is_missing(const struct cli *c, const struct fleet_collection *all)
{
    static const char *const script[] = {"slurm.sh", "parallel.sh"};
    if (all->n_failed + all->n_missing == 0)
        return;
    for (int p = 0; p < all->n_plans; p++)
        for (size_t i = 0; i < sizeof script / sizeof *script; i++) {
            struct sbuf b = {0};
            sbuf_add_shell(&b, all->plan_dir[p]);
            sbuf_printf(&b, "/%s ", script[i]);
            sbuf_add_shell(&b, c->req.out_dir);
            if (has_file(all->plan_dir[p], script[i]))
                printf("the rest: bash %s/missing.txt\n", sbuf_str(&b));
            sbuf_free(&b);
        }
}

static int tell(const struct cli *c, const struct fleet_collection *all)
{
    const int n_refused = (int)json_array_size(all->refused);
    if (c->json) {
        int code =
            cli_print_json(json_pack("{s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:O,s:O}", "out", c->req.out_dir, "n_cells",
                                     all->n_cells, "n_done", all->n_done, "n_failed", all->n_failed, "n_missing",
                                     all->n_missing, "n_results", all->n_taken, "n_duplicates", all->n_duplicates,
                                     "n_machines", all->n_nodes, "refused", all->refused, "warnings", all->warnings));
        if (code)
            return code;
    } else {
        printf("%d of %d cells done, %d failed, %d missing; %d results of %d machine%s", all->n_done, all->n_cells,
               all->n_failed, all->n_missing, all->n_taken, all->n_nodes, all->n_nodes == 1 ? "" : "s");
        printf(", %d seen twice, %d refused: %s\n", all->n_duplicates, n_refused, c->req.out_dir);
        tell_what_is_missing(c, all);
    }
    if (n_refused)
        return EXIT_FAILED;
    return c->req.strict && all->n_failed + all->n_missing ? EXIT_SOME_FAILED : EXIT_DONE;
}

int fleet_collect(struct cli *c)
{
    struct err e = {0};
    struct fleet_collection all = {.allowed_signers = c->fleet.allowed_signers, .warn = on_warning};
    if (!c->req.out_dir) {
        cli_warn("fleet collect needs -o OUT: the folder that it writes");
        return EXIT_USAGE;
    }
    int rc = collect_begin(&all, &e);
    if (rc == 0 && all.allowed_signers && !file_exists(all.allowed_signers))
        rc = err_set(&e, ERR_MISSING, "--allowed-signers %.300s: no such file", all.allowed_signers);
    if (rc == 0)
        rc = read_all(c, &all, &e);
    if (rc == 0)
        rc = collect_write(&all, c->req.out_dir, &e);
    int code = rc < 0 ? cli_fail(&e) : tell(c, &all);
    collect_free(&all);
    return code;
}
