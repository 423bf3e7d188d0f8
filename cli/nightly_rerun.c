/* Suspicious cells once more, when the gate asks: the same number of processes, those formats and frameworks only. */
#include <math.h>
#include <string.h>
#include "base/os.h"
#include "bench/record_fields.h"
#include "cli/nightly.h"

/* Of the time left, what is waited before each turn, so that the turns do not fall into one bad minute. */
static const double wait_share = 0.05, wait_most_s = 300;

static bool holds(const struct text_list *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->v[i], name))
            return true;
    return false;
}

static bool is_of_quality(const char *metric)
{
    const struct record_field *f = record_figure_find(metric);
    return f && (!strcmp(f->group, "quality") || !strcmp(f->group, "task"));
}

/* The cell of a series, from the `first` on; NULL: somebody else's figures, or not measured. */
static const struct night_cell *cell_of(const struct night_cells *c, int first, const struct series *s)
{
    for (int i = first; i < c->n; i++)
        if (!strcmp(c->v[i].key, s->cell_key) && !strcmp(c->v[i].r.env_sha256, s->env_sha256))
            return &c->v[i];
    return NULL;
}

struct wanted { /* of one model */
    const char *format[64], *framework[16];
    struct text_list formats, frameworks;
    bool quality, speed;
};

static void want(struct wanted *w, const struct series *s)
{
    w->formats.v = w->format;
    w->frameworks.v = w->framework;
    if (!holds(&w->formats, s->format) && w->formats.n < (int)(sizeof w->format / sizeof *w->format))
        w->format[w->formats.n++] = s->format;
    if (!holds(&w->frameworks, s->framework) && w->frameworks.n < (int)(sizeof w->framework / sizeof *w->framework))
        w->framework[w->frameworks.n++] = s->framework;
    w->quality |= is_of_quality(s->metric);
    w->speed |= !is_of_quality(s->metric);
}

static void wait_a_while(const struct night *n)
{
    double s = fmin(night_left_s(n) * wait_share, wait_most_s);
    for (uint64_t end = clock_ns() + (uint64_t)(s * 1e9); clock_ns() < end && !interrupt_seen();)
        clock_sleep_ms(100);
}

/* Of the turn whose cells begin with the `first`. */
static void take_values(const struct night *n, int first, const struct series *const *s, int n_series, double *value)
{
    for (int i = 0; i < n_series; i++) {
        const struct night_cell *c = cell_of(&n->cells, 0, s[i]) ? cell_of(&n->again, first, s[i]) : NULL;
        const struct record_field *f = record_figure_find(s[i]->metric);
        if (c && f && c->r.status == STATUS_OK)
            value[i] = record_figure(&c->r, f).v;
    }
}

static int run_again(struct night *n, int model, const struct wanted *w, const char *folder, const char *prefix,
                     double budget_s, struct err *e)
{
    struct err why = {0};
    struct night_pass p = {.folder = folder,
                           .prefix = prefix,
                           .formats = &w->formats,
                           .frameworks = &w->frameworks,
                           .quality = w->quality,
                           .speed = w->speed,
                           .budget_s = budget_s};
    int rc = night_run_passes(n, model, &p, &why);
    if (rc == ERR_CANCELLED)
        return err_set(e, rc, "%s", why.text);
    if (rc < 0) {
        cli_warn("%s", why.text);
        n->any_failed = true;
    }
    return 0;
}

int night_rerun(void *arg, const struct series *const *s, int n_series, double *value, struct err *e)
{
    struct night *n = arg;
    char folder[NIGHT_PATH], prefix[16], run_id[48];
    const int n_before = n->again.n;
    for (int i = 0; i < n_series; i++)
        value[i] = NAN;
    const int turn = ++n->n_reruns, left = n->n_turns > turn ? n->n_turns - turn + 1 : 1;
    if (night_left_s(n) <= 0) {
        if (!n->said_late)
            cli_warn("the night's %.0f s are spent: %d suspicious figures are not run again, so they stay unconfirmed; "
                     "give --budget more, or measure fewer formats",
                     n->cli->req.budget_s, n_series);
        n->said_late = true;
        return 0;
    }
    wait_a_while(n);
    double budget_s = night_left_s(n) / left;
    snprintf(folder, sizeof folder, "%.3000s/%s", n->data, n->id);
    snprintf(prefix, sizeof prefix, "r%d-", turn);
    snprintf(run_id, sizeof run_id, "nightly-%.34s+%d", n->id, turn);
    int rc = 0;
    for (int m = 0; m < n->cli->n_args && rc == 0; m++) {
        struct wanted w = {.quality = false};
        for (int i = 0; i < n_series; i++) {
            const struct night_cell *c = cell_of(&n->cells, 0, s[i]);
            if (c && c->model == m)
                want(&w, s[i]);
        }
        if (w.formats.n)
            rc = run_again(n, m, &w, folder, prefix, budget_s / n->cli->n_args, e);
    }
    if (rc == 0)
        rc = night_collect(&n->again, folder, prefix, run_id, e);
    if (rc == 0)
        take_values(n, n_before, s, n_series, value);
    return rc;
}

int night_keep_reruns(struct night *n, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < n->again.n && rc == 0; i++)
        if (n->again.v[i].r.status == STATUS_OK)
            rc = store_put(n->store, &n->again.v[i].r, e);
    return rc;
}
