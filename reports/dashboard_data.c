/* The data inside the dashboard's page: JSON with names once each in tables and the points of a line as a string of
 * base64 (assets/dashboard.js reads it). Two years of 300 cells are 219,000 points a metric, so a point takes about six
 * bytes: integers of seven bits a byte, differences to the point before, runs of equal ones counted. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "reports/dashboard.h"
#include "reports/escape.h"

enum { DIGITS = 4, MOST_ARTIFACTS = 50 };
static const double largest_whole = 1125899906842624.0; /* 2^50: exact in JavaScript */

struct names {
    const struct dashboard_line **v; /* the first line of each name: as many as there are lines at most */
    int n;
};
/* Columns of a line that are places in tables. */
static const struct {
    const char *key;
    size_t at;
} tables[] = {
    {"models", offsetof(struct series, model)},         {"formats", offsetof(struct series, format)},
    {"frameworks", offsetof(struct series, framework)}, {"workloads", offsetof(struct series, workload)},
    {"devices", offsetof(struct series, device)},       {"metrics", offsetof(struct series, metric)},
};
enum { N_TABLES = sizeof tables / sizeof tables[0], METRICS = N_TABLES - 1 };

static const char *column_of(const struct dashboard_line *l, int table)
{
    return (const char *)&l->id + tables[table].at;
}

/* Two sources may give one name to figures in other units. */
static bool same_name(const struct dashboard_line *a, const struct dashboard_line *b, int table)
{
    return strcmp(column_of(a, table), column_of(b, table)) == 0 &&
           (table != METRICS || (strcmp(a->id.unit, b->id.unit) == 0 && a->id.better == b->id.better));
}

static int place_of(struct names *t, const struct dashboard_line *l, int table)
{
    for (int i = 0; i < t->n; i++)
        if (same_name(t->v[i], l, table))
            return i;
    t->v[t->n] = l;
    return t->n++;
}

static void number(struct sbuf *out, double v)
{
    if (isfinite(v))
        sbuf_printf(out, "%.6g", v);
    else
        sbuf_puts(out, "null");
}

/* --- points --- */
static void put_varint(struct sbuf *b, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        sbuf_putc(b, (char)((v & 127) | 128));
    sbuf_putc(b, (char)v);
}

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

/* A column of whole numbers as differences, each with how often it comes. */
static void put_runs(struct sbuf *b, const struct dashboard_line *l, size_t at)
{
    int before = 0, step = 0, n = 0;
    for (int i = 0; i < l->n; i++) {
        int now = *(const int *)((const char *)&l->p[i] + at);
        if (n && now - before != step) {
            put_varint(b, zigzag(step));
            put_varint(b, (uint64_t)n);
            n = 0;
        }
        step = now - before;
        before = now;
        n++;
    }
    if (n) {
        put_varint(b, zigzag(step));
        put_varint(b, (uint64_t)n);
    }
}

/* Values are whole multiples of 10^e: five digits of the smallest, fewer where the largest is 10^10 times as large. */
static int exponent_of(const struct dashboard_line *l)
{
    double least = INFINITY, most = 0;
    for (int i = 0; i < l->n; i++) {
        double v = fabs(l->p[i].value), wide = fmax(fabs(l->p[i].lo), fabs(l->p[i].hi));
        least = v > 0 ? fmin(least, v) : least;
        most = fmax(most, isfinite(wide) ? fmax(v, wide) : v);
    }
    int e = isfinite(least) ? (int)floor(log10(least)) - DIGITS : -DIGITS;
    while (e < -290 || most / pow(10, e) > largest_whole)
        e++;
    return e;
}

static int64_t whole(double v, int e)
{
    return llround(e < 0 ? v * pow(10, -e) : v / pow(10, e));
}

static void put_points(struct sbuf *out, const struct dashboard_line *l, int e)
{
    struct sbuf b = {0};
    int64_t before = 0;
    put_runs(&b, l, offsetof(struct dashboard_point, night));
    put_runs(&b, l, offsetof(struct dashboard_point, build));
    put_runs(&b, l, offsetof(struct dashboard_point, n_samples));
    for (int i = 0; i < l->n; i++) {
        int64_t v = whole(l->p[i].value, e);
        put_varint(&b, zigzag(v - before));
        before = v;
    }
    for (int i = 0; i < l->n; i++) { /* 0: no interval */
        bool has = isfinite(l->p[i].lo) && isfinite(l->p[i].hi);
        int64_t v = whole(l->p[i].value, e);
        put_varint(&b, has ? zigzag(v - whole(l->p[i].lo, e)) + 1 : 0);
        if (has)
            put_varint(&b, zigzag(whole(l->p[i].hi, e) - v));
    }
    sbuf_putc(out, '"');
    escape_base64(out, sbuf_str(&b), b.n);
    sbuf_putc(out, '"');
    out->failed = out->failed || b.failed;
    sbuf_free(&b);
}

/* --- what is rare: lists of places --- */
static void put_envs(struct sbuf *out, const struct dashboard_line *l)
{
    sbuf_putc(out, '[');
    for (int i = 0; i < l->n; i++)
        if (i == 0 || l->p[i].env != l->p[i - 1].env)
            sbuf_printf(out, "%s%d,%d", i ? "," : "", i, l->p[i].env);
    sbuf_puts(out, "],[");
    const char *comma = "";
    for (int i = 0; i < l->n; i++)
        if (l->p[i].outlier) {
            sbuf_printf(out, "%s%d", comma, i);
            comma = ",";
        }
    sbuf_puts(out, "],[");
    comma = "";
    for (int i = l->n - 1, n = 0; i > 0 && n < MOST_ARTIFACTS; i--)
        if (l->p[i].artifact != l->p[i - 1].artifact || l->p[i].config != l->p[i - 1].config) {
            sbuf_printf(out, "%s%d", comma, i);
            comma = ",";
            n++;
        }
    sbuf_putc(out, ']');
}

static void put_change(struct sbuf *out, const struct dashboard_change *c)
{
    sbuf_printf(out, "[%d,%d,%d,%d,", c->index, (int)c->c.state, c->worse, c->open);
    const double figure[] = {c->c.before, c->c.after, c->c.effect, c->c.p};
    for (int i = 0; i < 4; i++) {
        number(out, figure[i]);
        sbuf_putc(out, ',');
    }
    const char *const text[] = {c->c.id, c->c.found_by, c->c.note, c->c.link};
    for (int i = 0; i < 4; i++) {
        escape_script(out, text[i]);
        sbuf_putc(out, i < 3 ? ',' : ']');
    }
}

static void put_line(struct sbuf *out, const struct dashboard_line *l, struct names *names)
{
    int e = exponent_of(l);
    sbuf_printf(out, "[\"%s\",", l->key);
    escape_script(out, l->id.key);
    for (int t = 0; t < N_TABLES; t++)
        sbuf_printf(out, ",%d", place_of(&names[t], l, t));
    sbuf_printf(out, ",%d,%d,", l->n, e);
    put_points(out, l, e);
    sbuf_putc(out, ',');
    put_envs(out, l);
    sbuf_puts(out, ",[");
    for (int i = 0; i < l->n_changes; i++) {
        sbuf_puts(out, i ? "," : "");
        put_change(out, &l->change[i]);
    }
    sbuf_puts(out, "],");
    number(out, l->noise);
    sbuf_printf(out, ",%d,%d,[%d,", l->n_late, l->worst_change, (int)l->release.outcome);
    const double release[] = {l->release.before, l->release.after, l->release.effect, l->release.p};
    for (int i = 0; i < 4; i++) {
        number(out, release[i]);
        sbuf_putc(out, ',');
    }
    sbuf_printf(out, "%d,%d,%d],%lld]", l->release.n_before, l->release.n_after, l->release.n_changes,
                (long long)(l->failed / 86400));
}

static void put_days(struct sbuf *out, const char *key, const int *day, int n)
{
    sbuf_printf(out, ",\"%s\":[", key);
    for (int i = 0; i < n; i++)
        sbuf_printf(out, "%s%d", i ? "," : "", day[i] - (i ? day[i - 1] : 0));
    sbuf_putc(out, ']');
}

static void put_strings(struct sbuf *out, const char *key, const char *first, size_t stride, int n)
{
    sbuf_printf(out, ",\"%s\":[", key);
    for (int i = 0; i < n; i++) {
        sbuf_puts(out, i ? "," : "");
        escape_script(out, first + (size_t)i * stride);
    }
    sbuf_putc(out, ']');
}

static void put_names(struct sbuf *out, const struct names *t, int table)
{
    sbuf_printf(out, ",\"%s\":[", tables[table].key);
    for (int i = 0; i < t->n; i++) {
        sbuf_puts(out, i ? "," : "");
        escape_script(out, column_of(t->v[i], table));
    }
    sbuf_putc(out, ']');
}

static void put_units(struct sbuf *out, const struct names *metrics)
{
    sbuf_puts(out, ",\"units\":[");
    for (int i = 0; i < metrics->n; i++) {
        sbuf_puts(out, i ? ",[" : "[");
        escape_script(out, metrics->v[i]->id.unit);
        sbuf_printf(out, ",%d]", metrics->v[i]->id.better);
    }
    sbuf_putc(out, ']');
}

void dashboard_write_data(struct sbuf *out, const struct dashboard *d)
{
    struct names names[N_TABLES] = {0};
    const struct dashboard_line **all = mem_alloc_n((size_t)N_TABLES * (size_t)(d->n + 1), sizeof *all);
    if (!all) {
        out->failed = true;
        return;
    }
    for (int t = 0; t < N_TABLES; t++)
        names[t].v = all + (size_t)t * (size_t)d->n;
    sbuf_puts(out, "{\"schema\":1,\"generated\":");
    escape_script(out, d->generated_at);
    sbuf_printf(out, ",\"cadence\":%d,\"release\":", d->cadence);
    escape_script(out, d->release);
    sbuf_printf(out, ",\"release_night\":%lld", (long long)(d->release_time / 86400));
    put_days(out, "nights", d->night, d->n_nights);
    put_days(out, "missing", d->missing, d->n_missing);
    put_strings(out, "builds", (const char *)d->build, sizeof *d->build, d->n_builds);
    put_strings(out, "envs", (const char *)d->env, sizeof *d->env, d->n_envs);
    sbuf_puts(out, ",\"states\":[");
    for (int i = 0; i < N_CHANGE_STATES; i++)
        sbuf_printf(out, "%s\"%s\"", i ? "," : "", change_state_name((enum change_state)i));
    sbuf_puts(out, "],\n\"lines\":[");
    for (int i = 0; i < d->n; i++) {
        sbuf_puts(out, i ? ",\n" : "\n");
        put_line(out, &d->line[i], names);
    }
    sbuf_putc(out, ']');
    for (int t = 0; t < N_TABLES; t++)
        put_names(out, &names[t], t);
    put_units(out, &names[METRICS]);
    sbuf_putc(out, '}');
    mem_free(all);
}
