/* gate --ab 'COMMAND_A' 'COMMAND_B': is the second worse than the first, here and now? */
#include <math.h>
#include <string.h>

#include "base/os.h"
#include "bench/ab.h"
#include "cli/gate.h"
#include "matrix/gate_ab.h"

static const double default_timeout_s = 600;
enum { DEFAULT_PAIRS = 10, FEWEST_PAIRS = 4 };

static void say_progress(void *arg, int done, int total)
{
    cli_progress(arg, done, total, "A and B in turn");
}

static int take_options(struct cli *c, struct ab_options *o, struct gate_policy *p, struct err *e)
{
    if (c->n_args != 2)
        return err_set(e, ERR_USAGE, "gate --ab: give two commands, each in quotes: gate --ab './old' './new'");
    if (c->gate.metric && strcmp(c->gate.metric, "wall") != 0)
        return err_set(e, ERR_USAGE, "--metric %.40s: give wall, or leave it out for what the commands print",
                       c->gate.metric);
    double timeout_s = c->cell_timeout_s > 0 ? c->cell_timeout_s : default_timeout_s;
    *o = (struct ab_options){.command = {c->arg[0], c->arg[1]},
                             .n_pairs = c->gate.n_pairs ? c->gate.n_pairs : DEFAULT_PAIRS,
                             .timeout_ms = timeout_s > 4e6 ? 0 : (unsigned)(1000 * timeout_s),
                             .seed = c->req.seed,
                             .wall = c->gate.metric != NULL,
                             .on_run = say_progress,
                             .arg = c};
    if (o->n_pairs < FEWEST_PAIRS || o->n_pairs > AB_MOST_RUNS)
        return err_set(e, ERR_USAGE, "--runs %d: give %d to %d; fewer can tell nothing", o->n_pairs, FEWEST_PAIRS,
                       AB_MOST_RUNS);
    return cli_gate_policy(c, p, e);
}

int cli_gate_ab(struct cli *c)
{
    struct ab_options o;
    struct ab_result runs = {0};
    struct gate_policy p;
    struct gate_report r;
    struct err e = {0};
    int rc = take_options(c, &o, &p, &e);
    if (rc == 0)
        rc = ab_run(&runs, &o, &e);
    cli_progress_end(c);
    if (rc == 0)
        rc = gate_ab(&r, &runs, &o, &p, &e);
    int code = rc < 0 ? cli_fail(&e) : cli_gate_report(c, &r, stdout, c->req.out_dir);
    if (rc == 0)
        gate_free(&r);
    bool interrupted = rc == 0 && runs.interrupted;
    ab_free(&runs);
    return interrupted ? EXIT_INTERRUPTED : code;
}
