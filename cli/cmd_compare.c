/* Devices side by side: several of --device and --records, with --prices. Each gets its decision, as alone; the table
 * of all is printed, -o DIR writes it, and the report of each in a folder of its own. */
#include <ctype.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "cli/job.h"
#include "reports/devices.h"
#include "reports/reports.h"

enum { MOST_DEVICES = 64 };
struct compared {
    struct job job; /* of records; empty for a described device */
    struct target target;
    struct probe_device device;
    bool described, known; /* known: device is filled */
    char folder[72];
};
struct comparison {
    struct cli *cli;
    struct compared *of[MOST_DEVICES];
    struct offer offer[MOST_DEVICES];
    struct decision *decision[MOST_DEVICES];
    struct prices prices;
    struct procurement table;
    int n;
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

/* ---- one device ---- */

/* The id as a name of a folder: nothing of it leads elsewhere. */
static void name_folder(struct compared *k, const char *id)
{
    size_t n = 0;
    for (const char *s = id; *s && n < 64; s++, n++) {
        bool plain = isalnum((unsigned char)*s) || *s == '-' || *s == '_' || (*s == '.' && n > 0);
        k->folder[n] = *s;
        if (!plain)
            k->folder[n] = '_';
    }
    k->folder[n] = 0;
}

static int decide_described(struct comparison *p, const char *id, struct err *e)
{
    struct cli *c = p->cli;
    struct compared *k = p->of[p->n];
    struct offer *o = &p->offer[p->n];
    c->target = id;
    int rc = target_find(&k->target, id, e);
    if (rc == 0)
        rc = cli_choose_for(c, &k->target, &p->decision[p->n], e);
    k->described = k->known = true;
    k->device = k->target.device;
    *o = (struct offer){.device = *k->target.id ? k->target.id : k->target.name,
                        .name = k->target.name,
                        .watts = k->target.tdp_w,
                        .watts_from = "rated"};
    return rc;
}

static int decide_records(struct comparison *p, const char *path, struct err *e)
{
    struct cli *c = p->cli;
    struct compared *k = p->of[p->n];
    c->records = path;
    k->job = (struct job){.cli = c, .t0 = clock_ns()};
    int rc = job_load(&k->job, NULL, e);
    if (rc == 0)
        rc = matrix_decide(&p->decision[p->n], k->job.rec, k->job.n_rec, &k->job.known, c->device, &c->req, e);
    if (rc == 0 && c->device)
        k->device = *c->device, k->known = true;
    const char *name = rc == 0 && *k->job.rec[0].device ? k->job.rec[0].device : path;
    p->offer[p->n] = (struct offer){.device = name, .name = name, .watts = NAN};
    return rc;
}

static int add_device(struct comparison *p, const char *what, bool described, struct err *e)
{
    if (p->n == MOST_DEVICES)
        return err_set(e, ERR_USAGE, "more than %d devices; compare fewer at once", MOST_DEVICES);
    if (!(p->of[p->n] = mem_alloc(sizeof *p->of[0])))
        return err_nomem(e, sizeof *p->of[0], "a device");
    int i = p->n, rc = described ? decide_described(p, what, e) : decide_records(p, what, e);
    p->n++; /* it is released even if it failed */
    if (rc < 0)
        return rc;
    struct offer *o = &p->offer[i];
    o->decision = p->decision[i];
    o->price = price_of(&p->prices, o->device);
    name_folder(p->of[i], o->device);
    for (int k = 0; k < i; k++)
        if (strcmp(p->of[k]->folder, p->of[i]->folder) == 0)
            return err_set(e, ERR_USAGE, "%s is named twice; name each device once", o->device);
    return 0;
}

/* ---- all of them ---- */

static int print_table(const struct comparison *p)
{
    static int (*const write[])(struct sbuf *, const struct procurement *, struct err *) = {
        report_devices_text, report_devices_markdown, report_devices_csv, report_devices_json};
    const struct cli *c = p->cli;
    struct sbuf b = {0};
    struct err e = {0};
    int rc = write[c->json ? 3 : c->csv ? 2 : c->md ? 1 : 0](&b, &p->table, &e);
    if (rc == 0)
        fwrite(sbuf_str(&b), 1, b.n, stdout);
    sbuf_free(&b);
    return rc < 0 ? cli_fail(&e) : cli_flush();
}

static int write_one(const struct comparison *p, int i, struct err *e)
{
    const struct compared *k = p->of[i];
    char dir[4096];
    struct report_input in = {.decision = p->decision[i],
                              .device = k->known ? &k->device : NULL,
                              .target = k->described ? &k->target : NULL,
                              .request = &p->cli->req,
                              .records = k->job.rec,
                              .n_records = k->job.n_rec,
                              .elapsed_s = NAN};
    if (snprintf(dir, sizeof dir, "%s/%s", p->cli->req.out_dir, k->folder) >= (int)sizeof dir)
        return err_set(e, ERR_USAGE, "the output directory's name is too long: %.80s...", p->cli->req.out_dir);
    return reports_write_dir(dir, &in, i ? NULL : on_warning, NULL, e);
}

static int write_all(const struct comparison *p, struct err *e)
{
    const char *dir = p->cli->req.out_dir;
    int rc = 0;
    for (int i = 0; i < p->n && rc == 0; i++) {
        cli_progress(p->cli, i, p->n, "writing reports");
        rc = write_one(p, i, e);
    }
    cli_progress_end(p->cli);
    if (rc == 0)
        rc = reports_write_devices(dir, &p->table, e);
    if (rc == 0 && !p->cli->req.quiet)
        fprintf(stderr, "report: %s/report.html, %s/procurement.csv; of each device: %s/*/report.html\n", dir, dir,
                dir);
    return rc;
}

static int exit_of(const struct comparison *p)
{
    int code = EXIT_NOTHING_FITS;
    for (int i = 0; i < p->n; i++)
        code = p->decision[i]->recommended >= 0 ? EXIT_DONE : code;
    return interrupt_seen() ? EXIT_INTERRUPTED : code;
}

static void free_comparison(struct comparison *p)
{
    procurement_free(&p->table);
    prices_free(&p->prices);
    for (int i = 0; i < p->n; i++) {
        decision_free(p->decision[i]);
        job_free(&p->of[i]->job);
        mem_free(p->of[i]);
    }
    mem_free(p);
}

static int compare(struct comparison *p, struct err *e)
{
    struct cli *c = p->cli;
    if (c->targets.n + c->record_files.n == 0)
        return err_set(e, ERR_USAGE, "--prices needs devices: --device ID, several times, or --records FILE");
    int rc = c->prices ? prices_read(&p->prices, c->prices, e) : 0;
    for (int i = 0; i < c->targets.n && rc == 0; i++)
        rc = add_device(p, c->targets.v[i], true, e);
    for (int i = 0; i < c->record_files.n && rc == 0; i++)
        rc = add_device(p, c->record_files.v[i], false, e);
    for (int i = 0; i < p->n && rc == 0 && c->prices; i++)
        if (!p->offer[i].price)
            cli_warn("%s has no price in %s", p->offer[i].device, c->prices);
    return rc < 0 ? rc : procurement_make(&p->table, p->offer, p->n, e);
}

int cli_compare(struct cli *c)
{
    struct err e = {0};
    struct comparison *p = mem_alloc(sizeof *p);
    int rc = p ? 0 : err_nomem(&e, sizeof *p, "the comparison"), code = EXIT_FAILED;
    if (!p)
        return cli_fail(&e);
    p->cli = c;
    rc = compare(p, &e);
    if (rc == 0)
        code = print_table(p);
    if (rc == 0 && c->req.out_dir)
        rc = write_all(p, &e);
    if (rc < 0)
        code = cli_fail(&e);
    else if (code == EXIT_DONE)
        code = exit_of(p);
    free_comparison(p);
    return code;
}
