/* kernels --check | --bench: every kernel row on this machine, verified and timed. */
#include <math.h>
#include "bench/calibrate.h"
#include "cli/cli.h"
#include "kernels/kernels.h"

struct listing {
    json_t *rows; /* NULL: print text */
    bool bench;
    struct bandwidth_probe memory; /* read by one thread, as the kernels are timed */
    int n_passed, n_failed, n_skipped;
};

/* What reading alone gives right behind a decode kernel that was timed; best against best. Else NaN. */
static double read_beside(struct listing *l, const struct kernel_report *r)
{
    double best = NAN;
    bool wanted = l->bench && r->kernel->op == OP_MATVEC && kernel_is_packed(r->kernel) && isfinite(r->gb_per_s);
    for (int i = 0; i < 3 && wanted && l->memory.p; i++)
        best = fmax(best, bandwidth_now(&l->memory)); /* drops the NaN that it starts with */
    return best;
}

static void print_row(struct listing *l, const struct kernel_report *r, double read_gb_s)
{
    const char *state = !r->runnable ? "SKIP" : r->passed ? "PASS" : "FAIL";
    printf("%s %-28s", state, r->kernel->name);
    if (r->runnable)
        printf(" error %.2g of %.2g", r->worst_error, r->tolerance);
    if (l->bench && isfinite(r->gb_per_s))
        printf("  %8.0f ns  %7.2f GB/s  %7.1f GFLOP/s", r->ns, r->gb_per_s, r->gflop_per_s);
    if (isfinite(read_gb_s))
        printf("  %3.0f %% of %.1f GB/s", 100 * r->gb_per_s / read_gb_s, read_gb_s);
    printf("%s%s\n", *r->detail ? "  " : "", r->detail);
}

static void take_row(void *arg, const struct kernel_report *r)
{
    struct listing *l = arg;
    *(!r->runnable ? &l->n_skipped : r->passed ? &l->n_passed : &l->n_failed) += 1;
    double read_gb_s = read_beside(l, r);
    if (!l->rows) {
        print_row(l, r, read_gb_s);
        return;
    }
    json_t *o = json_object();
    json_put(o, "name", json_string(r->kernel->name));
    json_put(o, "operation", json_string(kernel_op_name(r->kernel->op)));
    json_put(o, "codec", json_str_or_null(r->kernel->codec));
    json_put(o, "status", json_string(!r->runnable ? "skipped" : r->passed ? "passed" : "failed"));
    json_put(o, "worst_error", json_num(r->worst_error));
    json_put(o, "tolerance", json_num(r->tolerance));
    json_put(o, "ns", json_num(r->ns));
    json_put(o, "gb_s", json_num(r->gb_per_s));
    json_put(o, "gflop_s", json_num(r->gflop_per_s));
    json_put(o, "bandwidth_gb_s", json_num(read_gb_s));
    json_put(o, "bandwidth_share", json_num(r->gb_per_s / read_gb_s));
    json_put(o, "detail", json_str_or_null(r->detail));
    json_array_append_new(l->rows, o);
}

int cmd_kernels(struct cli *c)
{
    struct err e = {0};
    if (cli_device(c, &e) < 0)
        return cli_fail(&e);
    struct listing l = {.rows = c->json ? json_array() : NULL, .bench = c->bench};
    if (c->bench && bandwidth_open(&l.memory, NULL, c->req.isa, &e) < 0)
        cli_warn("%s", e.text);
    int rc = kernels_check(c->req.isa, c->kernel, c->bench, c->req.seed, take_row, &l, &e);
    bandwidth_close(&l.memory);
    if (rc < 0) {
        json_decref(l.rows);
        return cli_fail(&e);
    }
    if (c->json)
        cli_print_json(l.rows);
    else
        printf("%d passed, %d failed, %d skipped\n", l.n_passed, l.n_failed, l.n_skipped);
    return l.n_failed ? EXIT_FAILED : EXIT_DONE;
}
