/* The dashboard as files, as a few lines for a terminal and as a summary in JSON. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/os.h"
#include "reports/dashboard.h"
#include "reports/dashboard_plots.h"
#include "reports/escape.h"
#include "reports/plots.h"
#include "reports/report_files.h"
#include "reports/writers.h"

enum { MOST_LINES = 10 };

void dashboard_date(char out[16], int64_t time)
{
    char text[32];
    bool shown = time >= 0 && time <= INT64_C(253402300799);
    snprintf(out, 16, "%.10s", shown ? clock_format(text, time) : "-");
}

void dashboard_line_name(struct sbuf *b, const struct dashboard_line *l)
{
    sbuf_printf(b, "%s%s%s", l->id.model, *l->id.model && *l->id.format ? " " : "", l->id.format);
    if (*l->id.framework)
        sbuf_printf(b, " on %s", l->id.framework);
    if (*l->id.workload)
        sbuf_printf(b, ", %s", l->id.workload);
    sbuf_printf(b, "%s%s", b->n ? ": " : "", l->id.metric);
}

void dashboard_say_effect(struct sbuf *b, const struct dashboard_line *l, double effect)
{
    if (!isfinite(effect)) {
        sbuf_puts(b, "-");
        return;
    }
    sbuf_printf(b, fabs(effect) < 9.995 ? "%+.1f %%" : "%+.3g %%", 100 * effect);
    if (l->id.better && effect != 0)
        sbuf_puts(b, effect * l->id.better < 0 ? " (worse)" : " (better)");
}

int report_dashboard_text(struct sbuf *out, const struct dashboard *d, struct err *e)
{
    char date[16];
    dashboard_date(date, d->last);
    if (d->n == 0)
        sbuf_puts(out, "Nothing has been measured yet: the store has no series.\n");
    else if (d->n_worse)
        sbuf_printf(out, "%d of %d series got worse; last night with runs %s\n", d->n_worse, d->n, date);
    else
        sbuf_printf(out, "No regression is open in %d series; last night with runs %s\n", d->n, date);
    for (int i = 0; i < d->n && i < MOST_LINES && d->line[i].worst_change >= 0; i++) {
        const struct dashboard_change *c = &d->line[i].change[d->line[i].worst_change];
        struct sbuf name = {0};
        dashboard_line_name(&name, &d->line[i]);
        dashboard_date(date, c->c.time);
        sbuf_puts(out, "  ");
        dashboard_say_effect(out, &d->line[i], c->c.effect);
        sbuf_printf(out, " since %s, %s %s: ", date, change_state_name(c->c.state), c->c.id);
        escape_plain(out, sbuf_str(&name));
        sbuf_putc(out, '\n');
        out->failed = out->failed || name.failed;
        sbuf_free(&name);
    }
    if (d->n_worse > MOST_LINES)
        sbuf_printf(out, "  and %d more\n", d->n_worse - MOST_LINES);
    if (d->n_missing || d->n_late || d->n_failed)
        sbuf_printf(out, "  %d nights without a run; %d series not in the last one; %d failed since their last run\n",
                    d->n_missing, d->n_late, d->n_failed);
    return report_end(out, "the summary", e);
}

static json_t *change_json(const struct dashboard_line *l)
{
    const struct dashboard_change *c = &l->change[l->worst_change];
    char date[16];
    json_t *o = json_object();
    dashboard_date(date, c->c.time);
    json_put(o, "key", report_string_json(l->key));
    json_put(o, "series", report_string_json(l->id.key));
    json_put(o, "device", report_string_json(l->id.device));
    json_put(o, "model", report_string_json(l->id.model));
    json_put(o, "format", report_string_json(l->id.format));
    json_put(o, "framework", report_string_json(l->id.framework));
    json_put(o, "workload", report_string_json(l->id.workload));
    json_put(o, "metric", report_string_json(l->id.metric));
    json_put(o, "unit", report_string_json(l->id.unit));
    json_put(o, "change", report_string_json(c->c.id));
    json_put(o, "state", report_string_json(change_state_name(c->c.state)));
    json_put(o, "since", report_string_json(date));
    json_put(o, "before", json_num(c->c.before));
    json_put(o, "after", json_num(c->c.after));
    json_put(o, "effect", json_num(c->c.effect));
    json_put(o, "p", json_num(c->c.p));
    return o;
}

int report_dashboard_json(struct sbuf *out, const struct dashboard *d, struct err *e)
{
    json_t *o = json_object(), *worse = json_array();
    char date[16];
    dashboard_date(date, d->last);
    for (int i = 0; i < d->n && d->line[i].worst_change >= 0; i++)
        json_array_append_new(worse, change_json(&d->line[i]));
    json_put(o, "schema", json_integer(1));
    json_put(o, "generated_at", report_string_json(d->generated_at));
    json_put(o, "series", json_integer(d->n));
    json_put(o, "points", json_integer(d->n_points));
    json_put(o, "nights", json_integer(d->n_nights));
    json_put(o, "missing_nights", json_integer(d->n_missing));
    json_put(o, "late_series", json_integer(d->n_late));
    json_put(o, "failed_series", json_integer(d->n_failed));
    json_put(o, "last_night", d->n ? report_string_json(date) : json_null());
    json_put(o, "better", json_integer(d->n_better));
    json_put(o, "worse", worse);
    json_print(out, o, 2);
    json_decref(o);
    return report_end(out, "the summary", e);
}

/* Pictures of an earlier night that this one does not draw. */
static void remove_old_plots(const char *dir, const struct report_files *files)
{
    static const char *const names[] = {"changes",  "noise",    "series-1", "series-2",
                                        "series-3", "series-4", "series-5", "series-6"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[64], path[4096];
        bool drawn = false;
        snprintf(name, sizeof name, "plots/%s.svg", names[i]);
        for (int k = 0; k < files->n; k++)
            drawn |= strcmp(files->file[k].name, name) == 0;
        if (!drawn && snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path)
            unlink(path);
    }
}

static bool is_page(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && strcasecmp(path + n - 5, ".html") == 0 && !dir_exists(path);
}

int reports_dashboard(const char *path, const struct dashboard *d, void (*warn)(void *arg, const char *sentence),
                      void *arg, struct err *e)
{
    struct report_files files = {0};
    struct err why = {0};
    bool page = is_page(path);
    struct sbuf *html = report_files_add(&files, "dashboard.html");
    int rc = report_dashboard_html(html, d, e);
    if (rc == 0 && !page)
        rc = plots_settle(dashboard_plots(&files, d, &why), &why, warn, arg, e);
    if (rc == 0)
        rc = page ? file_write(path, sbuf_str(html), html->n, e) : report_files_write(&files, path, e);
    if (rc == 0 && !page)
        remove_old_plots(path, &files);
    report_files_free(&files);
    return rc;
}
