/* explain CELL [MODEL]: why this cell, or why not: from the store like `decide`, with --estimate before anything is
 * measured, or of the choice between models (--device, --model, a MODEL of the catalogue). */
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/catalogue.h"
#include "bench/quant/recipe.h"
#include "cli/job.h"
#include "matrix/cell.h"
#include "matrix/figures.h"
#include "reports/reports.h"

/* The nearest name of a row, or else what would bring the cell into the decision. */
static int no_such_cell(const struct decision *d, const char *text, struct err *e)
{
    const char *names[1024];
    int n = 0;
    for (int i = 0; i < d->n_rows && n < 1022; i++) {
        names[n++] = d->row[i].format;
        names[n++] = format_scheme(d->row[i].format);
    }
    if (recipe_find(text))
        return err_set(e, ERR_MISSING,
                       "%.80s is a format, but of it nothing was measured here: run `whichquant MODEL --format %.80s` "
                       "first, or explain it with --estimate",
                       text, text);
    const char *near = cli_nearest(text, names, n);
    return err_set(e, ERR_USAGE,
                   "no cell %.80s in the decision%s%s%s: give FORMAT, MODEL/FORMAT or FORMAT@FRAMEWORK as `decide -v` "
                   "lists them",
                   text, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int print_cell(struct cli *c, const struct decision *d, const char *name, struct err *e)
{
    struct cell *cell = NULL;
    struct sbuf b = {0};
    int row[1], rc = 0;
    if (cell_find(d, name, row, 1) == 0)
        rc = no_such_cell(d, name, e);
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

/* The cell's name stands in front of the arguments that are models. */
static int show(struct job *j, struct decision *d)
{
    struct err e = {0};
    return print_cell(j->cli, d, j->cli->arg[-1], &e) < 0 ? cli_fail(&e) : cli_flush();
}

static int estimate(struct cli *c, struct decision **d, struct err *e)
{
    struct model *m = NULL;
    int rc = cli_device(c, e);
    if (rc == 0)
        rc = cli_model_header(&m, c->arg[0], e);
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
    c->req.models = ++c->arg;
    c->req.n_models = --c->n_args;
    const bool catalogue = c->n_args ? cli_wants_choice(c) : c->req.estimate;
    if (catalogue || c->target || c->described.bandwidth || c->catalogue.n)
        return cli_choose_then(c, show);
    int rc = c->req.estimate ? estimate(c, &d, &e) : job_load(&j, c->n_args ? c->arg[0] : NULL, &e);
    if (rc == 0 && !c->req.estimate)
        rc = matrix_decide(&d, j.rec, j.n_rec, &j.known, c->device, &c->req, &e);
    int code = rc < 0 ? cli_fail(&e) : show(&j, d);
    decision_free(d);
    job_free(&j);
    return code;
}
