/* changes: where the level of any series over time changed, from a table of values. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/values.h"
#include "cli/changes.h"
#include "reports/escape.h"

enum { MOST_BYTES = 1 << 30 };

struct found {
    const struct values *series;
    struct changepoint *change;
    int n;
    bool *spike; /* [series->n] */
};
struct search {
    struct cli *c;
    struct changepoint_options o;
    struct value_table table;
    struct found *found; /* [table.n] */
    int n_changes, n_values, n_spikes, n_short, least;
};

int changes_fewest_values(double p)
{
    double ways = 1; /* n over n/2 */
    int n = 1;
    while (2 / ways > p && n < 1000) {
        n++;
        ways *= n % 2 ? 2.0 * n / (n + 1) : 2.0;
    }
    return n;
}

int changes_options(const struct cli *c, struct changepoint_options *o, struct err *e)
{
    *o = changepoint_defaults;
    if (!isnan(c->min_effect))
        o->min_effect = c->min_effect;
    if (isnan(c->p_change))
        return 0;
    if (!(c->p_change >= 1e-4 && c->p_change <= 0.5))
        return err_set(e, ERR_USAGE, "--p %g: give one from 0.0001 to 0.5", c->p_change);
    o->p_merge = c->p_change;
    o->p_split = 2 * c->p_change;
    o->n_permutations = (int)fmax(changepoint_defaults.n_permutations, ceil(2 / o->p_split) - 1);
    return 0;
}

static int settings(struct search *s, struct err *e)
{
    if (s->c->lower_better && s->c->higher_better)
        return err_set(e, ERR_USAGE, "--lower-is-better and --higher-is-better exclude each other");
    int rc = changes_options(s->c, &s->o, e);
    s->least = changes_fewest_values(s->o.p_merge);
    return rc;
}

static int read_table(struct search *s, struct err *e)
{
    const char *name = s->c->arg[0];
    bool from_stdin = !strcmp(name, "-");
    char *text;
    size_t n;
    int rc = file_read(from_stdin ? "/dev/stdin" : name, MOST_BYTES, &text, &n, e);
    if (rc < 0)
        return rc;
    rc = values_read(&s->table, text, n, from_stdin ? "stdin" : name, e);
    mem_free(text);
    return rc;
}

static int search_series(struct search *s, struct found *f, const struct values *v, struct err *e)
{
    double *value = mem_alloc_n((size_t)v->n, sizeof *value);
    f->series = v;
    f->spike = mem_alloc_n((size_t)v->n, sizeof *f->spike);
    int n_there = 0, rc = value && f->spike ? 0 : err_nomem(e, (size_t)v->n * sizeof *value, "a series");
    for (int i = 0; rc == 0 && i < v->n; i++) {
        value[i] = v->row[i].value;
        n_there += !isnan(value[i]);
    }
    if (rc == 0)
        rc = changepoint_find(&f->change, &f->n, f->spike, value, v->n, v->name, &s->o, e);
    for (int i = 0; rc == 0 && i < v->n; i++)
        s->n_spikes += f->spike[i];
    s->n_changes += f->n;
    s->n_values += n_there;
    s->n_short += n_there < s->least;
    mem_free(value);
    return rc;
}

static int search_all(struct search *s, struct err *e)
{
    s->found = mem_alloc_n((size_t)s->table.n, sizeof *s->found);
    int rc = s->found ? 0 : err_nomem(e, (size_t)s->table.n * sizeof *s->found, "the series");
    for (int i = 0; rc == 0 && i < s->table.n; i++) {
        rc = search_series(s, &s->found[i], &s->table.series[i], e);
        if (rc == 0 && interrupt_seen())
            rc = err_set(e, ERR_CANCELLED, "stopped after %d of %d series", i + 1, s->table.n);
    }
    return rc;
}

static void warn_of_table(const struct search *s)
{
    const struct value_table *t = &s->table;
    const char *where = strcmp(s->c->arg[0], "-") ? s->c->arg[0] : "stdin";
    if (!t->timed && !s->c->req.quiet)
        cli_warn("%s has no column \"time\": the rows are taken in the order in which they stand", where);
    if (t->n_missing && !s->c->req.quiet)
        cli_warn("%s: %d value%s missing (the first in line %d); left out, the others keep their index", where,
                 t->n_missing, t->n_missing == 1 ? " is" : "s are", t->first_missing);
    if (t->n_disorder)
        cli_warn("%s: line %d is earlier than the row before it%s; the rows were sorted by time", where,
                 t->first_disorder, t->n_disorder > 1 ? ", and others too" : "");
    if (s->n_short)
        cli_warn("%s: %d of %d series %s fewer than %d values, too few for any change to be certain", where, s->n_short,
                 t->n, s->n_short == 1 ? "has" : "have", s->least);
}

/* ---- forms of the answer ---- */

static const char *judge(const struct cli *c, const struct changepoint *x)
{
    if ((!c->lower_better && !c->higher_better) || x->after == x->before)
        return "";
    return (x->after > x->before) == c->higher_better ? "better" : "worse";
}

void changes_put_explanation(json_t *o, const struct changepoint *x)
{
    json_put(o, "mean_before", json_num(x->mean_before));
    json_put(o, "mean_after", json_num(x->mean_after));
    json_put(o, "sd_before", json_num(x->sd_before));
    json_put(o, "sd_after", json_num(x->sd_after));
    json_put(o, "t", json_num(x->t));
    json_put(o, "p_t", json_num(x->p_t));
}

static json_t *change_to_json(const struct search *s, const struct found *f, const struct changepoint *x)
{
    const struct value_row *row = &f->series->row[x->index];
    json_t *o = json_object();
    if (f->series->name[0])
        json_put(o, "series", json_string(f->series->name));
    json_put(o, "index", json_integer(x->index));
    json_put(o, "line", json_integer(row->line));
    json_put(o, "time", row->when[0] ? json_string(row->when) : json_null());
    json_put(o, "before", json_num(x->before));
    json_put(o, "after", json_num(x->after));
    json_put(o, "effect", json_num(x->effect));
    json_put(o, "p", json_num(x->p));
    changes_put_explanation(o, x);
    if (*judge(s->c, x))
        json_put(o, "verdict", json_string(judge(s->c, x)));
    return o;
}

static json_t *outliers(const struct search *s)
{
    json_t *a = json_array();
    for (int i = 0; i < s->table.n; i++)
        for (int k = 0; k < s->table.series[i].n; k++)
            if (s->found[i].spike[k]) {
                json_t *o = json_object();
                if (s->table.series[i].name[0])
                    json_put(o, "series", json_string(s->table.series[i].name));
                json_put(o, "index", json_integer(k));
                json_put(o, "value", json_num(s->table.series[i].row[k].value));
                json_array_append_new(a, o);
            }
    return a;
}

static json_t *as_json(const struct search *s)
{
    json_t *o = json_object(), *changes = json_array();
    for (int i = 0; i < s->table.n; i++)
        for (int k = 0; k < s->found[i].n; k++)
            json_array_append_new(changes, change_to_json(s, &s->found[i], &s->found[i].change[k]));
    json_put(o, "changes", changes);
    json_put(o, "outliers", outliers(s));
    json_put(o, "n_series", json_integer(s->table.n));
    json_put(o, "n_values", json_integer(s->n_values));
    json_put(o, "n_missing", json_integer(s->table.n_missing));
    return o;
}

static void as_csv(struct sbuf *b, const struct search *s)
{
    sbuf_puts(b,
              "series,index,line,time,before,after,effect,p,mean_before,mean_after,sd_before,sd_after,t,p_t,verdict\n");
    for (int i = 0; i < s->table.n; i++)
        for (int k = 0; k < s->found[i].n; k++) {
            const struct found *f = &s->found[i];
            const struct changepoint *x = &f->change[k];
            const struct value_row *row = &f->series->row[x->index];
            escape_csv(b, f->series->name);
            sbuf_printf(b, ",%d,%d,", x->index, row->line);
            escape_csv(b, row->when);
            const double figures[] = {x->before,     x->after,     x->effect,   x->p, x->mean_before,
                                      x->mean_after, x->sd_before, x->sd_after, x->t, x->p_t};
            for (size_t j = 0; j < sizeof figures / sizeof *figures; j++)
                sbuf_printf(b, isfinite(figures[j]) ? ",%.10g" : ",", figures[j]);
            sbuf_printf(b, ",%s\n", judge(s->c, x));
        }
}

void changes_print_explanation(int indent, const struct changepoint *x)
{
    printf("%*smeans %.6g -> %.6g, standard deviations %.3g and %.3g, Student's t %.3g, its p %.2g\n", indent, "",
           x->mean_before, x->mean_after, x->sd_before, x->sd_after, x->t, x->p_t);
}

static void print_row(const struct search *s, const struct found *f, const struct changepoint *x, int width)
{
    const struct value_row *row = &f->series->row[x->index];
    if (width)
        printf("%-*.*s  ", width, width, f->series->name);
    char effect[16] = "-"; /* of a level that was 0 */
    if (isfinite(x->effect))
        snprintf(effect, sizeof effect, "%+.2f %%", 100 * x->effect);
    printf("%5d  %-20.20s  %12.6g  %12.6g  %10s  %7.2g", x->index, row->when, x->before, x->after, effect, x->p);
    printf(*judge(s->c, x) ? "  %s\n" : "%s\n", judge(s->c, x));
    if (s->c->explain)
        changes_print_explanation(width ? width + 9 : 7, x);
}

static void print_text(const struct search *s)
{
    int width = 0;
    for (int i = 0; i < s->table.n; i++) {
        int n = (int)strlen(s->table.series[i].name);
        width = s->found[i].n && n > width ? n : width;
    }
    width = width > 60 ? 60 : width;
    if (s->n_changes)
        printf("%*s%s%5s  %-20s  %12s  %12s  %10s  %7s\n", -width, width ? "series" : "", width ? "  " : "", "index",
               "time", "before", "after", "change", "p");
    for (int i = 0; i < s->table.n; i++)
        for (int k = 0; k < s->found[i].n; k++)
            print_row(s, &s->found[i], &s->found[i].change[k], width);
    if (s->n_changes)
        printf("%d change%s", s->n_changes, s->n_changes == 1 ? "" : "s");
    else
        printf("no change of %g %% or more", 100 * s->o.min_effect);
    printf(" in %d value%s", s->n_values, s->n_values == 1 ? "" : "s");
    if (s->table.n > 1)
        printf(" of %d series", s->table.n);
    if (s->n_spikes)
        printf("; %d isolated spike%s left aside", s->n_spikes, s->n_spikes == 1 ? "" : "s");
    putchar('\n');
}

/* -o FILE.csv is CSV, any other name JSON. */
static int write_file(const struct search *s, const char *path, struct err *e)
{
    struct sbuf b = {0};
    size_t n = strlen(path);
    if (n > 4 && !strcasecmp(path + n - 4, ".csv")) {
        as_csv(&b, s);
    } else {
        json_t *o = as_json(s);
        json_print(&b, o, 0);
        sbuf_putc(&b, '\n');
        json_decref(o);
    }
    int rc = b.failed ? err_nomem(e, b.n, path) : file_write(path, b.p, b.n, e);
    sbuf_free(&b);
    return rc;
}

static int answer(const struct search *s, struct err *e)
{
    struct sbuf b = {0};
    warn_of_table(s);
    if (s->c->req.out_dir && write_file(s, s->c->req.out_dir, e) < 0)
        return cli_fail(e);
    if (s->c->json)
        return cli_print_json(as_json(s));
    if (s->c->csv)
        as_csv(&b, s);
    else if (!s->c->req.out_dir)
        print_text(s);
    int rc = b.failed ? err_nomem(e, b.n, "the changes") : 0;
    fputs(sbuf_str(&b), stdout);
    sbuf_free(&b);
    return rc < 0 ? cli_fail(e) : EXIT_DONE;
}

int cmd_changes(struct cli *c)
{
    struct err e = {0};
    struct search s = {.c = c};
    int rc = settings(&s, &e);
    if (rc == 0)
        rc = read_table(&s, &e);
    if (rc == 0)
        rc = search_all(&s, &e);
    int code = rc < 0 ? cli_fail(&e) : answer(&s, &e);
    if (code == EXIT_DONE && c->req.strict && s.n_short == s.table.n)
        code = EXIT_UNDECIDED;
    for (int i = 0; s.found && i < s.table.n; i++) {
        mem_free(s.found[i].change);
        mem_free(s.found[i].spike);
    }
    mem_free(s.found);
    values_free(&s.table);
    return code;
}
