/* The tables of a fleet, one a set of limits. */
#include "matrix/fleet.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

int fleet_open(struct fleet *f, int n_needs, int n_machines, struct err *e)
{
    *f = (struct fleet){.n_machines = n_machines};
    f->need = mem_alloc_n((size_t)n_needs + 1, sizeof *f->need);
    return f->need ? 0 : err_nomem(e, ((size_t)n_needs + 1) * sizeof *f->need, "the tables of the fleet");
}

/* The quality limit of every machine alike: a machine on which nothing keeps the default does not move it. */
static struct standard_want want_of(const struct constraints *w)
{
    const bool by_score = w->objective == OBJECTIVE_BALANCED || w->objective == OBJECTIVE_QUALITY;
    const double usual = w->objective == OBJECTIVE_BALANCED ? DEFAULT_MAX_KLD : NAN;
    return (struct standard_want){.max_kld = isfinite(w->max_kld) ? w->max_kld : usual, .by_score = by_score};
}

int fleet_add(struct fleet *f, const struct offer *offer, const char *name, const char *limits,
              const struct constraints *want, struct err *e)
{
    struct fleet_need *n = &f->need[f->n_needs];
    const struct standard_want w = want_of(want);
    const struct decision **d = mem_alloc_n((size_t)f->n_machines + 1, sizeof *d);
    if (!d)
        return err_nomem(e, ((size_t)f->n_machines + 1) * sizeof *d, "the decisions of the fleet");
    for (int i = 0; i < f->n_machines; i++)
        d[i] = offer[i].decision;
    f->n_needs++; /* released even if it fails */
    int rc = procurement_make(&n->table, offer, f->n_machines, e);
    n->table.need = name, n->table.limits = limits;
    for (int i = 0; i < n->table.n; i++)
        n->table.row[i].need = name;
    if (rc == 0)
        rc = standard_make(&n->model, STANDARD_MODEL, d, f->n_machines, &w, e);
    if (rc == 0)
        rc = standard_make(&n->format, STANDARD_FORMAT, d, f->n_machines, &w, e);
    mem_free(d);
    return rc;
}

bool fleet_is_measured(const struct fleet *f, int machine)
{
    return f->n_needs > 0 && strcmp(f->need[0].table.row[machine].figures, "measured") == 0;
}

void fleet_close(struct fleet *f)
{
    for (int i = 0; i < f->n_needs; i++) {
        procurement_free(&f->need[i].table);
        standard_free(&f->need[i].model);
        standard_free(&f->need[i].format);
    }
    mem_free(f->need);
    *f = (struct fleet){0};
}
