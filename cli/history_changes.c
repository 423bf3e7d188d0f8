/* history --changes: the detector over the store's series. What is new is stored; all that is known is listed with its
 * state, but for what somebody called noise (-v shows that too). */
#include <math.h>
#include <string.h>
#include "base/os.h"
#include "cli/changes.h"
#include "cli/history.h"
#include "matrix/changes.h"

struct report {
    struct cli *c;
    struct changepoint_options o;
    struct store *s;
    struct err *e;
    json_t *all; /* --json */
    int n_series, n_short, least;
    int64_t since; /* detected in all of a series, told from there on */
    int n, n_new, n_noise;
    char series[600]; /* heading that was printed last */
};

static const char *verdict(const struct series_change *c)
{
    double up = c->known->after - c->known->before;
    return up == 0 || c->series->better == 0 ? "" : (up > 0) == (c->series->better > 0) ? "better" : "worse";
}

/* ---- JSON ---- */

static void put_figures(json_t *o, const struct series_change *c)
{
    json_put(o, "before", json_num(c->known->before));
    json_put(o, "after", json_num(c->known->after));
    json_put(o, "effect", json_num(c->known->effect));
    json_put(o, "p", json_num(c->known->p));
    if (c->found)
        changes_put_explanation(o, c->found);
}

static json_t *to_json(const struct series_change *c)
{
    char date[32];
    const struct series *x = c->series;
    const struct change *k = c->known;
    const struct {
        const char *key, *text;
    } words[] = {{"id", k->id},
                 {"state", change_state_name(k->state)},
                 {"found_by", k->found_by},
                 {"series", x->key},
                 {"env_sha256", x->env_sha256},
                 {"device", x->device},
                 {"model", x->model},
                 {"format", x->format},
                 {"framework", x->framework},
                 {"workload", x->workload},
                 {"metric", x->metric},
                 {"unit", x->unit},
                 {"time", clock_format(date, k->time)},
                 {"verdict", verdict(c)},
                 {"note", k->note},
                 {"link", k->link}};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        json_put(o, words[i].key, json_str_or_null(words[i].text));
    json_put(o, "index", c->index < 0 ? json_null() : json_integer(c->index));
    put_figures(o, c);
    json_put(o, "run_before", json_integer(k->run_before));
    json_put(o, "run_after", json_integer(k->run_after));
    json_put(o, "commit_before", json_str_or_null(c->index > 0 ? x->p[c->index - 1].commit : ""));
    json_put(o, "commit_after", json_str_or_null(c->index > 0 ? x->p[c->index].commit : ""));
    json_put(o, "same_build", json_boolean(c->same_build));
    json_put(o, "new", json_boolean(c->is_new));
    return o;
}

/* ---- text ---- */

static void print_heading(struct report *r, const struct series *x)
{
    char name[sizeof r->series];
    snprintf(name, sizeof name, "%s%s%s%s%s%s%s %s%s%s%s, environment %.8s", x->model, *x->format ? " " : "", x->format,
             *x->framework ? " " : "", x->framework, *x->workload ? " " : "", x->workload, x->metric,
             strcmp(x->unit, "1") ? " (" : "", strcmp(x->unit, "1") ? x->unit : "", strcmp(x->unit, "1") ? ")" : "",
             x->env_sha256);
    if (strcmp(name, r->series) == 0)
        return;
    memcpy(r->series, name, sizeof name);
    puts(name);
}

static void print_change(const struct report *r, const struct series_change *c)
{
    char date[32];
    const struct change *k = c->known;
    const struct point *p = c->series->p;
    char effect[16] = "-";
    if (isfinite(k->effect))
        snprintf(effect, sizeof effect, "%+.2f %%", 100 * k->effect);
    printf("  %.8s  %-12s  %.10s  %10.6g -> %-10.6g  %9s %-6s  p %-7.2g", k->id,
           c->is_new ? "NEW" : change_state_name(k->state), clock_format(date, k->time), k->before, k->after, effect,
           verdict(c), k->p);
    if (c->same_build)
        printf("  same build: the machine, not the code");
    else if (c->index > 0 && *p[c->index - 1].commit && *p[c->index].commit)
        printf("  %s..%s", p[c->index - 1].commit, p[c->index].commit);
    putchar('\n');
    if (*k->note || *k->link)
        printf("  %8s  %s%s%s\n", "", k->note, *k->note && *k->link ? ", " : "", k->link);
    if (r->c->explain && c->found)
        changes_print_explanation(10, c->found);
}

/* ---- all of it ---- */

static int take_change(void *arg, const struct series_change *c)
{
    struct report *r = arg;
    if (c->known->time < r->since)
        return 0;
    r->n++;
    r->n_new += c->is_new;
    if (c->known->state == CHANGE_NOISE) {
        r->n_noise++;
        if (!r->c->req.verbose && !r->all)
            return 0;
    }
    if (r->all) {
        json_array_append_new(r->all, to_json(c));
        return 0;
    }
    print_heading(r, c->series);
    print_change(r, c);
    return 0;
}

static int take_series(void *arg, const struct series *x)
{
    struct report *r = arg;
    if (!history_wants(r->c, x))
        return 0;
    if (interrupt_seen())
        return err_set(r->e, ERR_CANCELLED, "stopped after %d series; what was found so far is stored", r->n_series);
    r->n_series++;
    r->n_short += x->n < r->least;
    return changes_each(r->s, x, &r->o, r->c->dry_run, NULL, take_change, r, r->e);
}

static void print_end(const struct report *r)
{
    printf("%d change%s in %d series, %d of them new%s", r->n, r->n == 1 ? "" : "s", r->n_series, r->n_new,
           r->c->dry_run && r->n_new ? " (and not stored)" : "");
    if (r->n_noise && !r->c->req.verbose)
        printf("; %d called noise (-v shows)", r->n_noise);
    if (r->n_short)
        printf("; %d series with fewer than %d runs, too few for any change to be certain", r->n_short, r->least);
    putchar('\n');
}

int history_changes(struct cli *c, struct store *s)
{
    struct err e = {0};
    struct series_filter f;
    struct report r = {.c = c, .s = s, .e = &e};
    int rc = changes_options(c, &r.o, &e);
    if (rc == 0)
        rc = history_filter(c, &f, &e);
    if (rc == 0 && c->csv)
        rc = err_set(&e, ERR_USAGE, "--changes comes as text or --json, not as CSV");
    if (rc < 0)
        return cli_fail(&e);
    r.since = f.since;
    f.since = 0;
    r.least = changes_fewest_values(r.o.p_merge);
    r.all = c->json ? json_array() : NULL;
    rc = series_each(s, &f, take_series, &r, &e);
    if (rc < 0) {
        json_decref(r.all);
        return cli_fail(&e);
    }
    if (!c->json) {
        print_end(&r);
        return cli_flush();
    }
    json_t *o = json_object();
    json_put(o, "changes", r.all);
    json_put(o, "n_series", json_integer(r.n_series));
    json_put(o, "n_new", json_integer(r.n_new));
    return cli_print_json(o);
}
