/* gate: did anything get worse? Of the store's newest runs against those before, or of two commands (--ab). */
#include <math.h>
#include <string.h>

#include "base/os.h"
#include "cli/gate.h"
#include "cli/history.h"
#include "reports/report_gate.h"

static int take_fail_on(const struct text_list *names, unsigned *out, struct err *e)
{
    static const struct {
        const char *name;
        unsigned bit;
    } kinds[] = {{"speed", GATE_SPEED},     {"quality", GATE_QUALITY}, {"memory", GATE_MEMORY},
                 {"missing", GATE_MISSING}, {"all", GATE_ALL},         {"none", 0}};
    enum { N = sizeof kinds / sizeof *kinds };
    for (int i = 0; i < names->n; i++) {
        int k = 0;
        while (k < N && strcmp(kinds[k].name, names->v[i]) != 0)
            k++;
        if (k == N)
            return err_set(e, ERR_USAGE, "--fail-on %.40s: give some of speed, quality, memory, missing, or none",
                           names->v[i]);
        if (kinds[k].bit == 0 && names->n > 1)
            return err_set(e, ERR_USAGE, "--fail-on none with others: give either");
        *out = (i ? *out : 0) | kinds[k].bit;
    }
    return 0;
}

static void take_number(double asked, double *out)
{
    *out = isnan(asked) ? *out : asked;
}

int cli_gate_policy(const struct cli *c, struct gate_policy *out, struct err *e)
{
    const struct gate_options *o = &c->gate;
    *out = gate_defaults;
    out->seed = c->req.seed;
    take_number(c->min_effect, &out->min_effect);
    take_number(o->max_ln_ppl, &out->max_ln_ppl);
    out->window = o->window ? o->window : out->window;
    out->min_runs = o->min_runs ? o->min_runs : out->min_runs;
    out->n_reruns = o->n_reruns ? o->n_reruns : out->n_reruns;
    int rc = take_fail_on(&o->fail_on, &out->fail_on, e);
    if (rc == 0 && c->history.since)
        rc = history_time("since", c->history.since, &out->since, e);
    if (rc == 0 && out->min_effect >= 1)
        rc = err_set(e, ERR_USAGE, "--min-effect %g: give a share below 1, such as 2%% or 0.02", out->min_effect);
    if (rc == 0 && out->window > 1000)
        rc = err_set(e, ERR_USAGE, "--baseline-runs %d: give at most 1000", out->window);
    if (rc == 0 && out->min_runs > out->window)
        rc = err_set(e, ERR_USAGE, "a baseline of at most %d runs can never have the %d that are needed", out->window,
                     out->min_runs);
    if (rc == 0 && out->n_reruns > 32)
        rc = err_set(e, ERR_USAGE, "--reruns %d: give at most 32", out->n_reruns);
    return rc;
}

static int exit_code(const struct cli *c, const struct gate_report *r)
{
    if (r->failed)
        return EXIT_GATE;
    if (!c->req.strict)
        return EXIT_DONE;
    if (r->count[GATE_FAILED])
        return EXIT_SOME_FAILED;
    if (r->count[GATE_ENVIRONMENT_CHANGED] || r->count[GATE_ENVIRONMENT_DRIFT] || r->count[GATE_NOISY])
        return EXIT_NOT_COMPARABLE;
    return r->count[GATE_INSUFFICIENT] || r->n == 0 ? EXIT_UNDECIDED : EXIT_DONE;
}

int cli_gate_report(struct cli *c, const struct gate_report *r, FILE *out, const char *out_dir)
{
    const struct gate_writer *w = gate_writer_find(c->json ? "json" : c->md ? "md" : c->csv ? "csv" : "text");
    struct sbuf b = {0};
    struct err e = {0};
    int rc = out ? w->write(&b, r, &e) : 0;
    if (out && rc == 0)
        fwrite(sbuf_str(&b), 1, b.n, out);
    sbuf_free(&b);
    if (rc == 0 && out_dir)
        rc = report_gate_write_dir(out_dir, r, &e);
    if (rc == 0 && out_dir && !c->req.quiet)
        fprintf(stderr, "report: %s/gate.md, %s/gate.json, %s/gate.xml\n", out_dir, out_dir, out_dir);
    return rc < 0 ? cli_fail(&e) : exit_code(c, r);
}

int cli_gate(struct cli *c, struct store *s, const struct gate_policy *p, const struct gate_hooks *hooks, FILE *out,
             const char *out_dir)
{
    struct gate_report r;
    struct err e = {0};
    if (gate_run(&r, s, p, hooks, &e) < 0)
        return cli_fail(&e);
    int code = cli_gate_report(c, &r, out, out_dir);
    gate_free(&r);
    return code;
}

int cmd_gate(struct cli *c)
{
    struct gate_policy p;
    struct store *s = NULL;
    struct err e = {0};
    if (c->gate.ab)
        return cli_gate_ab(c);
    int rc = c->n_args ? err_set(&e, ERR_USAGE,
                                 "gate %.40s: a store is judged without arguments; two commands need --ab", c->arg[0])
                       : cli_gate_policy(c, &p, &e);
    if (rc == 0)
        rc = store_open(&s, c->req.store_path, &e);
    int code = rc < 0 ? cli_fail(&e) : cli_gate(c, s, &p, NULL, stdout, c->req.out_dir);
    store_close(s);
    return code;
}
