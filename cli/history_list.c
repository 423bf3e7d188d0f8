/* The series of the store: a row each for people; --json with every point; --csv a row a point, as `changes` reads it.
 */
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/sbuf.h"
#include "bench/stats_compare.h"
#include "cli/history.h"
#include "reports/escape.h"

struct listing {
    struct cli *c;
    json_t *all; /* --json */
    struct sbuf csv;
    int n;
    struct series last;
    bool twins; /* rows of the same names */
};

static const char *date_of(int64_t t, char out[32]) /* "": the record has none */
{
    out[0] = 0;
    return t ? clock_format(out, t) : out;
}

struct summary {
    double median, noise, last; /* noise: robust sigma over the median */
};

static struct summary summarize(const struct series *x)
{
    struct summary s = {NAN, NAN, x->p[x->n - 1].value};
    double *v = mem_alloc_n((size_t)x->n, sizeof *v);
    for (int i = 0; v && i < x->n; i++)
        v[i] = x->p[i].value;
    if (v) {
        s.median = stats_median(v, x->n);
        s.noise = x->n > 1 ? stats_mad(v, x->n) / fabs(s.median) : NAN;
    }
    mem_free(v);
    return s;
}

static json_t *hash_json(uint64_t h)
{
    char text[20];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)h);
    return h ? json_string(text) : json_null();
}

static json_t *points_json(const struct series *x)
{
    char date[32];
    json_t *a = json_array();
    for (int i = 0; i < x->n; i++) {
        const struct point *p = &x->p[i];
        json_t *o = json_object();
        json_put(o, "time", json_str_or_null(date_of(p->time, date)));
        json_put(o, "value", json_num(p->value));
        json_put(o, "run", json_integer(p->run));
        json_put(o, "n_samples", json_integer(p->n_samples));
        json_put(o, "commit", json_str_or_null(p->commit));
        json_put(o, "artifact", hash_json(p->artifact));
        json_put(o, "engine", hash_json(p->engine));
        json_put(o, "config", hash_json(p->config));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *series_json(const struct series *x)
{
    char date[32];
    struct summary m = summarize(x);
    json_t *o = json_object();
    json_put(o, "key", json_string(x->key));
    json_put(o, "cell_key", json_string(x->cell_key));
    json_put(o, "env_sha256", json_string(x->env_sha256));
    json_put(o, "hw_sha256", json_string(x->hw_sha256));
    json_put(o, "device", json_string(x->device));
    json_put(o, "model", json_string(x->model));
    json_put(o, "format", json_str_or_null(x->format));
    json_put(o, "framework", json_str_or_null(x->framework));
    json_put(o, "workload", json_str_or_null(x->workload));
    json_put(o, "metric", json_string(x->metric));
    json_put(o, "unit", json_string(x->unit));
    json_put(o, "better", json_integer(x->better));
    json_put(o, "median", json_num(m.median));
    json_put(o, "noise", json_num(m.noise));
    json_put(o, "failed_at", x->failed_run ? json_string(date_of(x->failed_time, date)) : json_null());
    json_put(o, "points", points_json(x));
    return o;
}

static void csv_rows(struct sbuf *b, const struct series *x)
{
    char date[32], name[520];
    snprintf(name, sizeof name, "%s%s%s%s%s%s%s %s %.8s", x->model, *x->format ? " " : "", x->format,
             *x->framework ? " " : "", x->framework, *x->workload ? " " : "", x->workload, x->metric, x->env_sha256);
    for (int i = 0; i < x->n; i++) {
        sbuf_printf(b, "%s,%.17g,", date_of(x->p[i].time, date), x->p[i].value);
        escape_csv(b, name);
        const char *const text[] = {x->model, x->format, x->framework, x->workload, x->metric, x->unit, x->p[i].commit};
        for (size_t k = 0; k < sizeof text / sizeof *text; k++) {
            sbuf_putc(b, ',');
            escape_csv(b, text[k]);
        }
        sbuf_puts(b, "\r\n");
    }
}

static bool same_names(const struct series *a, const struct series *b)
{
    return !strcmp(a->model, b->model) && !strcmp(a->format, b->format) && !strcmp(a->framework, b->framework) &&
           !strcmp(a->workload, b->workload) && !strcmp(a->metric, b->metric);
}

static void print_row(struct listing *l, const struct series *x)
{
    static const double mib = 1024 * 1024;
    char from[32], to[32], noise[16] = "-";
    struct summary m = summarize(x);
    const bool bytes = strcmp(x->unit, "B") == 0;
    if (l->n == 0)
        printf("%-18s %-20s %-12s %-22s %-15s %5s  %-10s %-10s %12s %12s %7s\n", "model", "format", "framework",
               "workload", "metric", "runs", "first", "newest", "median", "last", "noise");
    if (isfinite(m.noise))
        snprintf(noise, sizeof noise, "%.1f %%", 100 * m.noise);
    date_of(x->p[0].time, from);
    date_of(x->p[x->n - 1].time, to);
    printf("%-18.18s %-20.20s %-12.12s %-22.22s %-15s %5d  %-10.10s %-10.10s %12.6g %12.6g %7s %s%s\n", x->model,
           x->format, x->framework, x->workload, x->metric, x->n, *from ? from : "undated", *to ? to : "undated",
           m.median / (bytes ? mib : 1), m.last / (bytes ? mib : 1), noise,
           bytes                  ? "MiB"
           : strcmp(x->unit, "1") ? x->unit
                                  : "",
           x->failed_time > x->p[x->n - 1].time ? "  (its newest run failed)" : "");
    l->twins |= l->n > 0 && same_names(&l->last, x);
    l->last = *x;
}

static int take(void *arg, const struct series *x)
{
    struct listing *l = arg;
    if (!history_wants(l->c, x))
        return 0;
    if (l->all)
        json_array_append_new(l->all, series_json(x));
    else if (l->c->csv)
        csv_rows(&l->csv, x);
    else
        print_row(l, x);
    l->n++;
    return 0;
}

int history_list(struct cli *c, struct store *s)
{
    struct err e = {0};
    struct series_filter f;
    struct listing l = {.c = c, .all = c->json ? json_array() : NULL};
    if (c->csv)
        sbuf_puts(&l.csv, "time,value,series,model,format,framework,workload,metric,unit,commit\r\n");
    int rc = history_filter(c, &f, &e);
    if (rc == 0)
        rc = series_each(s, &f, take, &l, &e);
    if (rc == 0 && l.csv.failed)
        rc = err_nomem(&e, l.csv.n, "the series");
    if (rc < 0) {
        json_decref(l.all);
        sbuf_free(&l.csv);
        return cli_fail(&e);
    }
    if (c->json)
        return cli_print_json(l.all);
    if (c->csv)
        fwrite(sbuf_str(&l.csv), 1, l.csv.n, stdout);
    else if (l.n == 0)
        printf("no series in %s%s; `whichquant sweep MODEL` or `whichquant import` adds to them\n", store_path(s),
               c->history.since || c->history.metrics.n || c->catalogue.n || c->formats.n || c->frameworks.n
                   ? " that match"
                   : "");
    else if (l.twins)
        puts("Rows of the same names are of other environments or settings: --json tells them apart.");
    sbuf_free(&l.csv);
    return cli_flush();
}
