/* The procurement table: devices x best choice, speed, per watt, per price. */
#include "reports/devices.h"

#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/columns.h"
#include "reports/escape.h"
#include "reports/html_parts.h"
#include "reports/report_files.h"
#include "reports/writers.h"

int report_devices_csv(struct sbuf *out, const struct procurement *p, struct err *e)
{
    columns_csv_head(out, procurement_columns, n_procurement_columns);
    for (int i = 0; i < p->n; i++)
        columns_csv_row(out, &p->row[i], procurement_columns, n_procurement_columns);
    return report_end(out, "the CSV", e);
}

/* --- what cells say, plain: each writer escapes for its own format --- */
static void say_device(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, r->name);
}

static void say_choice(struct sbuf *b, const struct procured *r)
{
    if (*r->format)
        sbuf_printf(b, "%s %s on %s", r->model, r->format, r->framework);
    else
        sbuf_puts(b, r->reason);
}

static void say_decode(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_rate(r->decode_tok_s).s);
}

static void say_score(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_score(r->task_score).s);
}

static void say_kld(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_kld(r->kld).s);
}

static void say_memory(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_bytes(r->peak_bytes).s);
}

static void say_usable(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_bytes(r->usable_bytes).s);
}

static void say_watts(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_rate(r->watts).s);
}

static void say_per_watt(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_rate(r->tok_s_per_watt).s);
}

static void say_price(struct sbuf *b, const struct procured *r)
{
    if (isfinite(r->price))
        sbuf_printf(b, "%.2f %s", r->price, r->currency);
    else
        sbuf_putc(b, '-');
}

static void say_per_price(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_rate(r->tok_s_per_1000).s);
}

/* Smaller, below the figure. */
static void below_decode(struct sbuf *b, const struct procured *r)
{
    html_add_range(b, r->decode_tok_s_lo, r->decode_tok_s_hi);
}

static void below_watts(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, r->watts_from);
}

static void below_price(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, r->price_date);
}

static const struct device_column {
    const char *heading, *attributes;
    void (*say)(struct sbuf *b, const struct procured *r);
    void (*below)(struct sbuf *b, const struct procured *r);         /* NULL: nothing */
    enum { FROM_NOTHING, FROM_SPEED, FROM_QUALITY, FROM_TASK } from; /* whose badge */
} device_columns[] = {
    {"device", " class=\"text\"", say_device, NULL, FROM_NOTHING},
    {"best choice", " class=\"text\"", say_choice, NULL, FROM_NOTHING},
    {"decode tok/s", " data-high", say_decode, below_decode, FROM_SPEED},
    {"task score, %", " data-high", say_score, NULL, FROM_TASK},
    {"KLD", "", say_kld, NULL, FROM_QUALITY},
    {"memory", "", say_memory, NULL, FROM_NOTHING},
    {"usable", " data-high", say_usable, NULL, FROM_NOTHING},
    {"watts", "", say_watts, below_watts, FROM_NOTHING},
    {"tok/s per watt", " data-high", say_per_watt, NULL, FROM_NOTHING},
    {"price", "", say_price, below_price, FROM_NOTHING},
    {"tok/s per 1000", " data-high", say_per_price, NULL, FROM_NOTHING},
};
enum { N_DEVICE_COLUMNS = sizeof device_columns / sizeof device_columns[0] };

static const struct {
    const char *words;
    size_t index; /* of the row, in struct procurement */
    void (*say)(struct sbuf *b, const struct procured *r);
    const char *unit;
} firsts[] = {
    {"Fastest", offsetof(struct procurement, fastest), say_decode, "tok/s"},
    {"Most per watt", offsetof(struct procurement, thriftiest), say_per_watt, "tok/s per watt"},
    {"Most for the money", offsetof(struct procurement, cheapest), say_per_price, "tok/s per 1000"},
};

static const struct procured *first_of(const struct procurement *p, size_t index)
{
    int i = *(const int *)((const char *)p + index);
    return i < 0 ? NULL : &p->row[i];
}

static const char other_models[] =
    "The choices are different models, so their speeds are not of the same work: --model NAME "
    "compares the devices on one.";
static const char note[] =
    "Power is what the device is rated at unless a meter is named; prices and their dates are the "
    "user's. Prices in different currencies are not compared.";

/* --- the screen, JSON --- */
int report_devices_text(struct sbuf *out, const struct procurement *p, struct err *e)
{
    for (int i = 0; i < p->n; i++) {
        const struct procured *r = &p->row[i];
        struct figure range = figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi);
        struct sbuf b = {0};
        say_choice(&b, r);
        escape_plain(out, r->name);
        if (isfinite(r->decode_tok_s))
            sbuf_printf(out, ": %s%s tok/s%s%s%s", strcmp(r->speed_from, "measured") == 0 ? "" : "est. ",
                        figure_rate(r->decode_tok_s).s, *range.s ? " (" : "", range.s, *range.s ? ")" : "");
        if (isfinite(r->tok_s_per_watt))
            sbuf_printf(out, ", %s a watt", figure_rate(r->tok_s_per_watt).s);
        if (isfinite(r->tok_s_per_1000))
            sbuf_printf(out, ", %s for 1000 %s", figure_rate(r->tok_s_per_1000).s, r->currency);
        sbuf_puts(out, "\n     ");
        escape_plain(out, sbuf_str(&b));
        sbuf_putc(out, '\n');
        out->failed = out->failed || b.failed;
        sbuf_free(&b);
    }
    if (!p->one_model)
        sbuf_printf(out, "%s\n", other_models);
    return report_end(out, "the table of devices", e);
}

int report_devices_json(struct sbuf *out, const struct procurement *p, struct err *e)
{
    json_t *a = json_array();
    for (int i = 0; i < p->n; i++) {
        json_t *o = json_object();
        for (int c = 0; c < n_procurement_columns; c++)
            json_put(o, procurement_columns[c].name, column_json(&p->row[i], &procurement_columns[c]));
        json_array_append_new(a, o);
    }
    json_print(out, a, 2);
    json_decref(a);
    return report_end(out, "the table of devices", e);
}

/* --- Markdown --- */
int report_devices_markdown(struct sbuf *out, const struct procurement *p, struct err *e)
{
    struct sbuf b = {0};
    sbuf_printf(out, "# Devices side by side\n\n");
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        const struct procured *r = first_of(p, firsts[i].index);
        if (!r)
            continue;
        sbuf_printf(out, "- %s: ", firsts[i].words);
        escape_markdown(out, r->name);
        sbuf_puts(out, ", ");
        firsts[i].say(out, r);
        sbuf_printf(out, " %s%s%s\n", firsts[i].unit, firsts[i].say == say_per_price ? " " : "",
                    firsts[i].say == say_per_price ? p->currency : "");
    }
    for (int c = 0; c < N_DEVICE_COLUMNS; c++)
        sbuf_printf(out, "%s| %s ", c ? "" : "\n", device_columns[c].heading);
    sbuf_puts(out, "|\n");
    for (int c = 0; c < N_DEVICE_COLUMNS; c++)
        sbuf_puts(out, strstr(device_columns[c].attributes, "text") ? "|---" : "|---:");
    sbuf_puts(out, "|\n");
    for (int i = 0; i < p->n; i++) {
        for (int c = 0; c < N_DEVICE_COLUMNS; c++) {
            sbuf_puts(out, "| ");
            device_columns[c].say(&b, &p->row[i]);
            escape_markdown(out, sbuf_str(&b));
            sbuf_putc(out, ' ');
            out->failed = out->failed || b.failed;
            sbuf_free(&b);
        }
        sbuf_puts(out, "|\n");
    }
    sbuf_printf(out, "\n%s\n", note);
    if (!p->one_model)
        sbuf_printf(out, "\n%s\n", other_models);
    return report_end(out, "the table of devices", e);
}

/* --- HTML --- */
static void device_cell(struct sbuf *out, const struct device_column *c, const struct range_scale *scale,
                        const struct procured *r)
{
    struct sbuf b = {0};
    const char *const from_of[] = {[FROM_NOTHING] = "",
                                   [FROM_SPEED] = r->speed_from,
                                   [FROM_QUALITY] = r->quality_from,
                                   [FROM_TASK] = r->task_from};
    const char *from = from_of[c->from];
    bool first = c == device_columns, text = strstr(c->attributes, "text");
    c->say(&b, r);
    html_text(out, first ? "<th scope=\"row\">" : text ? "<td class=\"text\">" : "<td>", sbuf_str(&b), "");
    sbuf_free(&b);
    if (c->below)
        c->below(&b, r);
    if (b.n || *from) {
        html_text(out, "<span class=\"of\">", sbuf_str(&b), "");
        html_badge(out, from);
        sbuf_puts(out, "</span>");
    }
    out->failed = out->failed || b.failed;
    sbuf_free(&b);
    if (c->say == say_decode)
        html_range(out, scale, r->decode_tok_s_lo, r->decode_tok_s, r->decode_tok_s_hi);
    sbuf_puts(out, first ? "</th>" : "</td>");
}

static void device_table(struct sbuf *out, const struct procurement *p)
{
    struct range_scale scale = RANGE_SCALE_NONE;
    for (int i = 0; i < p->n; i++)
        html_range_widen(&scale, p->row[i].decode_tok_s_lo, p->row[i].decode_tok_s_hi);
    html_table_begin(out, "Devices", "devices sortable");
    sbuf_puts(out, "<thead><tr>");
    for (int c = 0; c < N_DEVICE_COLUMNS; c++)
        sbuf_printf(out, "<th scope=\"col\"%s>%s</th>", device_columns[c].attributes, device_columns[c].heading);
    sbuf_puts(out, "</tr></thead>\n<tbody>\n");
    for (int i = 0; i < p->n; i++) {
        const struct procured *r = &p->row[i];
        sbuf_printf(out, "<tr class=\"%s\">", r->decision->recommended >= 0 ? "front" : "cannot");
        for (int c = 0; c < N_DEVICE_COLUMNS; c++)
            device_cell(out, &device_columns[c], &scale, r);
        sbuf_puts(out, "</tr>\n");
    }
    html_table_end(out);
    if (!p->one_model)
        sbuf_printf(out, "<p class=\"lead\">%s</p>\n", other_models);
    sbuf_printf(out, "<p class=\"lead\">%s</p>\n", note);
    html_provenance(out);
}

static void device_answers(struct sbuf *out, const struct procurement *p)
{
    sbuf_puts(out, "<section>\n<h2>The choice on each</h2>\n");
    for (int i = 0; i < p->n; i++) {
        const struct procured *r = &p->row[i];
        html_text(out, "<h3 class=\"model\">", r->name, "</h3>\n");
        html_text(out, "<p class=\"lead\">", r->decision->headline, "</p>\n");
        if (r->reason != r->decision->headline)
            html_text(out, "<p class=\"lead\">", r->reason, "</p>\n");
        if (*r->command)
            html_text(out, "<div class=\"command\"><pre tabindex=\"0\"><code>", r->command, "</code></pre></div>\n");
    }
    sbuf_puts(out, "</section>\n");
}

int report_devices_html(struct sbuf *out, const struct procurement *p, struct err *e)
{
    struct sbuf csv = {0};
    html_page_begin(out, "Devices side by side",
                    p->n && p->row[0].decision->n_rows ? p->row[0].decision->row[0].date : "");
    sbuf_printf(out,
                "<section class=\"answer\">\n<p class=\"kicker\">Devices side by side</p>\n<h1>%d device%s</h1>\n<dl "
                "class=\"figures\">\n",
                p->n, p->n == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        const struct procured *r = first_of(p, firsts[i].index);
        if (!r)
            continue;
        sbuf_printf(out, "<div><dt>%s</dt>", firsts[i].words);
        html_text(out, "<dd>", r->name, "</dd><dd class=\"range\">");
        firsts[i].say(out, r);
        sbuf_printf(out, " %s ", firsts[i].unit);
        html_text(out, "", firsts[i].say == say_per_price ? p->currency : "", "</dd></div>\n");
    }
    sbuf_puts(out, "</dl>\n</section>\n<section>\n<h2>Best choice, speed, power and price</h2>\n");
    device_table(out, p);
    sbuf_puts(out, "</section>\n");
    device_answers(out, p);
    sbuf_puts(out, "<footer><span>whichquant " WHICHQUANT_VERSION "</span><span class=\"download\"><a "
                   "download=\"procurement.csv\" href=\"data:text/csv;base64,");
    if (report_devices_csv(&csv, p, NULL) == 0)
        escape_base64(out, csv.p, csv.n);
    sbuf_puts(out, "\">Table as CSV</a></span></footer>\n");
    sbuf_free(&csv);
    html_page_end(out);
    return report_end(out, "the page of devices", e);
}

int reports_write_devices(const char *dir, const struct procurement *p, struct err *e)
{
    static const struct {
        const char *file;
        int (*write)(struct sbuf *out, const struct procurement *p, struct err *e);
    } writer[] = {{"report.html", report_devices_html},
                  {"procurement.csv", report_devices_csv},
                  {"summary.md", report_devices_markdown}};
    struct report_files files = {0};
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = writer[i].write(report_files_add(&files, writer[i].file), p, e);
    if (rc == 0)
        rc = report_files_write(&files, dir, e);
    report_files_free(&files);
    return rc;
}
