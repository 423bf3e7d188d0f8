/* explain CELL [MODEL]: why this cell, or why not, from the store like `decide`, or with --estimate before anything is
 * measured. */
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/quant/recipe.h"
#include "cli/job.h"
#include "matrix/cell.h"
#include "reports/reports.h"

/* The nearest name of a row, or else what would bring the cell into the decision. */
static int no_such_cell(const struct decision *d, const char *text, struct err *e)
{
    const char *names[512];
    int n = 0;
    for (int i = 0; i < d->n_rows && n < 510; i++) {
        names[n++] = d->row[i].format;
        names[n++] = strchr(d->row[i].format, '/') ? strchr(d->row[i].format, '/') + 1 : d->row[i].format;
    }
    if (recipe_find(text))
        return err_set(e, ERR_MISSING,
                       "%.80s is a format, but of it nothing was measured here: run `whichquant MODEL --format %.80s` "
                       "first, or explain it with --estimate",
                       text, text);
    const char *near = cli_nearest(text, names, n);
    return err_set(
        e, ERR_USAGE,
        "no cell %.80s in the decision%s%s%s: give FORMAT, MODEL/FORMAT or FORMAT@FRAMEWORK as `decide -v` lists them",
        text, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int print_cell(struct cli *c, const struct decision *d, struct err *e)
{
    struct cell *cell = NULL;
    struct sbuf b = {0};
    int row[1], rc = 0;
    if (cell_find(d, c->arg[0], row, 1) == 0)
        rc = no_such_cell(d, c->arg[0], e);
    if (rc == 0)
        rc = cell_explain(&cell, d, row[0], c->device, &c->req, e);
    struct report_input in = {.decision = d, .device = c->device, .request = &c->req};
    if (rc == 0)
        rc = (c->json ? report_cell_json : report_cell)(&b, cell, &in, e);
    if (rc == 0 && c->req.out_dir)
        rc = file_write(c->req.out_dir, sbuf_str(&b), b.n, e);
    else if (rc == 0)
        fwrite(sbuf_str(&b), 1, b.n, stdout);
    sbuf_free(&b);
    cell_free(cell);
    return rc;
}

static int estimate(struct cli *c, struct decision **d, struct err *e)
{
    struct model *m = NULL;
    int rc = cli_device(c, e);
    if (rc == 0)
        rc = cli_model_header(&m, c->n_args > 1 ? c->arg[1] : "default", e);
    if (rc == 0)
        rc = matrix_estimate(d, &m->d, c->device, &c->req, e);
    model_close(m);
    return rc;
}

int cmd_explain(struct cli *c)
{
    struct err e = {0};
    struct job j = {.cli = c};
    struct decision *d = NULL;
    int rc;
    c->req.models = c->arg + 1; /* the cell's name is no model */
    c->req.n_models = c->n_args - 1;
    if (c->req.estimate) {
        rc = estimate(c, &d, &e);
    } else {
        rc = job_load(&j, c->n_args > 1 ? c->arg[1] : NULL, &e);
        if (rc == 0)
            rc = matrix_decide(&d, j.rec, j.n_rec, &j.known, c->device, &c->req, &e);
    }
    if (rc == 0)
        rc = print_cell(c, d, &e);
    int code = rc < 0 ? cli_fail(&e) : cli_flush();
    decision_free(d);
    job_free(&j);
    return code;
}
