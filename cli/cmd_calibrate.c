/* calibrate: how fast each number format runs on this machine, and how fast memory is read; what predictions of models
 * that are not here stand on. Kept in the store until the machine or the program changes. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "bench/rates.h"
#include "cli/cli.h"
#include "matrix/figures.h"

static const double usual_budget_s = 8;

static int measure(struct cli *c, struct store *s, struct machine_rates *out, struct err *e)
{
    struct machine_rates *earlier = mem_alloc(sizeof *earlier);
    if (!earlier)
        return err_nomem(e, sizeof *earlier, "the calibration");
    store_get_rates(s, c->device->env_sha256, c->req.threads, c->req.isa, earlier, NULL);
    struct rates_opts o = {.isa = c->req.isa, .budget_s = isfinite(c->req.budget_s) ? c->req.budget_s : usual_budget_s};
    o.budget_s = o.budget_s > usual_budget_s && c->command->groups & G_SWEEP ? usual_budget_s : o.budget_s;
    int rc = cli_pool(c, e);
    o.pool = c->pool;
    char what[96];
    snprintf(what, sizeof what, "calibrating the kernels of this machine, %.0f s", o.budget_s);
    if (rc == 0)
        cli_progress(c, 0, 1, what);
    if (rc == 0)
        rc = rates_measure(out, &o, e);
    cli_progress_end(c);
    if (rc == 0)
        rates_remember(out, earlier);
    mem_free(earlier);
    if (rc < 0)
        return rc;
    snprintf(out->env_sha256, sizeof out->env_sha256, "%s", c->device->env_sha256);
    return store_put_rates(s, out, e);
}

int cli_rates(struct cli *c, struct machine_rates *out, struct err *e)
{
    struct store *s = NULL;
    int rc = cli_device(c, e), found = 0;
    if (rc == 0)
        rc = store_open(&s, c->req.store_path, e);
    if (rc == 0 && !c->recalibrate)
        found = store_get_rates(s, c->device->env_sha256, c->req.threads, c->req.isa, out, NULL);
    if (rc == 0 && found < 1) /* one that cannot be read is measured again */
        rc = measure(c, s, out, e);
    store_close(s);
    return rc;
}

static void print_codec(const struct codec_rate *c)
{
    printf("%-14s %-9s", c->codec, c->act);
    for (int s = 0; s < RATE_SHAPES; s++)
        printf(" %7.1f%-11s", c->decode_gb_s[s].v,
               isfinite(c->decode_gb_s[s].lo) ? figure_range(c->decode_gb_s[s].lo, c->decode_gb_s[s].hi).s : "");
    for (int s = 0; s < RATE_SHAPES; s++)
        printf(" %6.0f", c->prefill_gop_s[s].v);
    putchar('\n');
}

static void print_rates(const struct machine_rates *r)
{
    printf("read bandwidth:");
    for (int i = 0; i < r->n_bandwidth; i++)
        printf("%s %.1f GB/s (%s) with %d thread%s", i ? "," : "", r->bandwidth[i].gb_s.v,
               figure_range(r->bandwidth[i].gb_s.lo, r->bandwidth[i].gb_s.hi).s, r->bandwidth[i].threads,
               r->bandwidth[i].threads == 1 ? "" : "s");
    if (r->seen_gb_s.hi > 1.1 * r->seen_gb_s.lo)
        printf("; %s in all calibrations here", figure_range(r->seen_gb_s.lo, r->seen_gb_s.hi).s);
    printf("\nKV cache: %.1f GB/s; last-level cache found: %s; %d rounds in %.1f s, %s\n", r->kv_gb_s.v,
           figure_bytes(r->cache_bytes).s, r->n_rounds, r->seconds, r->date);
    printf("\n%-24s decode, GB/s of weights (95 %%)%26s prefill, GOP/s\n%-24s", "", "", "codec     activations");
    for (int k = 0; k < 2; k++)
        for (int s = 0; s < RATE_SHAPES; s++)
            printf(k ? " %6.6s" : " %18s", k ? strrchr(rate_shape_ids[s], '-') + 1 : rate_shape_ids[s]);
    putchar('\n');
    for (int i = 0; i < r->n_codecs; i++)
        print_codec(&r->codec[i]);
}

int cmd_calibrate(struct cli *c)
{
    struct err e = {0};
    struct machine_rates *r = mem_alloc(sizeof *r);
    int rc = r ? cli_rates(c, r, &e) : err_nomem(&e, sizeof *r, "the calibration");
    int code = rc < 0 ? cli_fail(&e) : EXIT_DONE;
    if (rc == 0 && c->json)
        code = cli_print_json(rates_to_json(r));
    else if (rc == 0)
        print_rates(r);
    mem_free(r);
    return code;
}
