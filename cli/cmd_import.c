/* import: what other tools measured, as records into the store (or, with -o, as records.jsonl into a file); figures
 * that are no record of ours as series of their own. */
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/import.h"
#include "bench/import_foreign.h"
#include "bench/store.h"
#include "cli/cli.h"

static int write_lines(const char *path, const struct record *rec, int n, struct err *e)
{
    struct sbuf b = {0};
    for (int i = 0; i < n && !b.failed; i++) {
        json_t *j = record_to_json(&rec[i]);
        b.failed |= !j;
        if (j)
            json_print(&b, j, 0);
        sbuf_putc(&b, '\n');
        json_decref(j);
    }
    int rc = b.failed ? err_nomem(e, b.n, path) : file_write(path, b.p, b.n, e);
    sbuf_free(&b);
    return rc;
}

/* "": there is no --date. */
static int take_date(const struct cli *c, char out[32], struct err *e)
{
    out[0] = 0;
    if (c->date && !import_date(out, c->date))
        return err_set(e, ERR_USAGE, "--date %s: give a date such as 2026-11-22 or 2026-11-22T03:15:00Z", c->date);
    return 0;
}

/* A record that says not when it was measured gets --date. */
static int date_all(const struct cli *c, struct record *rec, int n, struct err *e)
{
    char date[32] = "";
    int rc = take_date(c, date, e);
    for (int i = 0; i < n && rc == 0 && *date; i++)
        if (!*rec[i].date)
            memcpy(rec[i].date, date, sizeof date);
    return rc;
}

static int store_all(const struct cli *c, const struct record *rec, int n, const char **where, struct store **s,
                     struct err *e)
{
    int rc = store_open(s, c->req.store_path, e);
    for (int i = 0; i < n && rc == 0; i++)
        rc = store_put(*s, &rec[i], e);
    if (rc == 0)
        *where = store_path(*s);
    return rc;
}

static int print_all(const struct record *rec, int n)
{
    json_t *a = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(a, record_to_json(&rec[i]));
    return cli_print_json(a);
}

/* ---- figures of other programs ---- */

/* What all runs of the file share. The machine is this one; with --device one that is known by that name alone. */
static int describe_source(struct cli *c, struct foreign_run *like, struct err *e)
{
    const char *path = c->arg[0], *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path,
               *dot = strrchr(name, '.');
    int n_name = c->source ? (int)strlen(c->source) : dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    if (snprintf(like->source, sizeof like->source, "%.*s", n_name, c->source ? c->source : name) >=
        (int)sizeof like->source)
        return err_set(e, ERR_USAGE, "the source's name %.60s... is too long; give a short one with --source",
                       like->source);
    int rc = take_date(c, like->date, e);
    if (rc < 0)
        return rc;
    if (!*like->date)
        clock_iso8601(like->date);
    if (c->device_name) {
        char text[160];
        snprintf(like->device, sizeof like->device, "%s", c->device_name);
        snprintf(text, sizeof text, "device %s", like->device);
        sha256_hex(text, strlen(text), like->hw_sha256);
        memcpy(like->env_sha256, like->hw_sha256, sizeof like->env_sha256);
        return 0;
    }
    rc = cli_device(c, e);
    if (rc == 0) {
        snprintf(like->device, sizeof like->device, "%s", c->device->cpu.brand);
        snprintf(like->hw_sha256, sizeof like->hw_sha256, "%s", c->device->hw_sha256);
        snprintf(like->env_sha256, sizeof like->env_sha256, "%s", c->device->env_sha256);
    }
    return rc;
}

static json_t *foreign_to_json(const struct foreign_run *r)
{
    json_t *metrics = json_array();
    for (int i = 0; i < r->n; i++) {
        json_t *values = json_array();
        for (int k = 0; k < r->metric[i].n; k++)
            json_array_append_new(values, json_real(r->metric[i].value[k]));
        json_array_append_new(metrics, json_pack("{s:s, s:s, s:i, s:o}", "metric", r->metric[i].metric, "unit",
                                                 r->metric[i].unit, "better", r->metric[i].better, "values", values));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "source", r->source, "date", r->date, "commit", r->commit, "device",
                     r->device, "metrics", metrics);
}

static int report_foreign(const struct cli *c, const struct foreign_run *run, int n, const char *where)
{
    int n_figures = 0;
    json_t *a = c->json ? json_array() : NULL;
    for (int i = 0; i < n; i++) {
        n_figures += run[i].n;
        if (c->json)
            json_array_append_new(a, foreign_to_json(&run[i]));
    }
    if (c->json)
        return cli_print_json(a);
    printf("%s: %d figure%s in %d run%s, into %s\n", n ? run[0].source : c->arg[0], n_figures,
           n_figures == 1 ? "" : "s", n, n == 1 ? "" : "s", where);
    return EXIT_DONE;
}

static int import_others(struct cli *c, const char *text, struct err *e)
{
    struct foreign_run like = {.n = 0}, *run = NULL;
    struct record *rec = NULL;
    struct store *s = NULL;
    int n = 0, n_rec = 0, n_ours = 0;
    int rc = c->req.out_dir ? err_set(e, ERR_USAGE, "figures of another program go into the store: leave out -o") : 0;
    if (rc == 0)
        rc = describe_source(c, &like, e);
    if (rc == 0)
        rc = import_foreign(text, c->arg[0], &like, c->source != NULL, &run, &n, &n_ours, e);
    if (rc == 0 && n_ours > 0)
        rc = import_text(text, strlen(text), c->arg[0], c->device_name, &rec, &n_rec, e);
    if (rc == 0)
        rc = date_all(c, rec, n_rec, e);
    if (rc == 0)
        rc = store_open(&s, c->req.store_path, e);
    for (int i = 0; i < n && rc == 0; i++)
        rc = store_put_foreign(s, &run[i], e);
    for (int i = 0; i < n_rec && rc == 0; i++)
        rc = store_put(s, &rec[i], e);
    int code = rc < 0 ? cli_fail(e) : report_foreign(c, run, n, store_path(s));
    if (rc == 0 && n_rec && !c->json)
        printf("and %d record of what `whichquant list metrics` names\n", n_rec);
    store_close(s);
    mem_free(rec);
    import_foreign_free(run, n);
    return code;
}

static int import_records_of(struct cli *c, const char *text, size_t size, struct err *e)
{
    struct record *rec = NULL;
    struct store *s = NULL;
    int n = 0, n_unusable = 0, rc = import_text(text, size, c->arg[0], c->device_name, &rec, &n, e);
    const char *where = c->req.out_dir;
    if (rc == 0)
        rc = date_all(c, rec, n, e);
    if (rc == 0 && where)
        rc = write_lines(where, rec, n, e);
    else if (rc == 0)
        rc = store_all(c, rec, n, &where, &s, e);
    for (int i = 0; i < n && rc == 0; i++) {
        if (rec[i].status != STATUS_OK)
            cli_warn("%s", rec[i].reason);
        n_unusable += rec[i].status != STATUS_OK;
    }
    int code = rc < 0 ? cli_fail(e) : c->json ? print_all(rec, n) : EXIT_DONE;
    if (rc == 0 && !c->json)
        printf("%d records into %s%s\n", n, where, n_unusable ? "; some only say why they cannot be used" : "");
    store_close(s);
    mem_free(rec);
    return code;
}

int cmd_import(struct cli *c)
{
    struct err e = {0};
    char *text;
    size_t size;
    if (file_read(c->arg[0], (size_t)256 << 20, &text, &size, &e) < 0)
        return cli_fail(&e);
    int code = c->source || import_is_foreign(text) ? import_others(c, text, &e) : import_records_of(c, text, size, &e);
    mem_free(text);
    return code;
}
