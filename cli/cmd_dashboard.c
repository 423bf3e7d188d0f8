/* dashboard: the history of the store as a page that opens anywhere. */
#include <string.h>
#include "base/os.h"
#include "cli/history.h"
#include "cli/job.h"
#include "reports/dashboard.h"

static void warn(void *arg, const char *sentence)
{
    (void)arg;
    cli_warn("%s", sentence);
}

static int read_options(const struct cli *c, struct dashboard_options *o, struct err *e)
{
    *o = (struct dashboard_options){.release = c->release};
    if (!c->req.out_dir)
        return err_set(e, ERR_USAGE,
                       "dashboard needs a place: give -o FOLDER (the page and its pictures) or -o FILE.html");
    return c->history.since ? history_time("since", c->history.since, &o->since, e) : 0;
}

/* What was named must be there: a store that opening makes has no history. */
static int open_store(const struct cli *c, struct store **s, struct err *e)
{
    const char *path = c->req.store_path;
    if (path && !strstr(path, "://") && strcmp(path, ":memory:") != 0 && !file_exists(path))
        return err_set(e, ERR_MISSING, "there is no store %s; `whichquant sweep` and `whichquant import` make one",
                       path);
    return store_open(s, path, e);
}

static int show(const struct cli *c, const struct dashboard *d, struct err *e)
{
    struct sbuf b = {0};
    int rc = c->json ? report_dashboard_json(&b, d, e) : report_dashboard_text(&b, d, e);
    if (rc == 0)
        fputs(sbuf_str(&b), stdout);
    if (rc == 0 && c->json)
        putchar('\n');
    sbuf_free(&b);
    return rc;
}

int cmd_dashboard(struct cli *c)
{
    struct err e = {0};
    struct dashboard_options o;
    struct dashboard d = {0};
    struct store *s = NULL;
    int rc = read_options(c, &o, &e);
    if (rc == 0)
        rc = open_store(c, &s, &e);
    if (rc == 0)
        rc = out_prepare(c->req.out_dir, &e);
    if (rc == 0)
        rc = dashboard_load(&d, s, &o, &e);
    if (rc == 0)
        rc = reports_dashboard(c->req.out_dir, &d, c->req.quiet ? NULL : warn, NULL, &e);
    if (rc == 0)
        rc = show(c, &d, &e);
    dashboard_free(&d);
    store_close(s);
    return rc < 0 ? cli_fail(&e) : cli_flush();
}
