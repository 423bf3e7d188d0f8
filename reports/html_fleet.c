/* The page of a fleet: what all machines can run, the machines against the sets of limits, and for each set the table,
 * who is first, what an upgrade would allow. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/fleet_parts.h"
#include "reports/html_parts.h"
#include "reports/writers.h"

static void put(struct sbuf *out, struct sbuf *b)
{
    escape_html(out, sbuf_str(b));
    out->failed = out->failed || b->failed;
    sbuf_free(b);
}

/* ---- a table of machines ---- */

static void cell(struct sbuf *out, const struct device_column *c, const struct range_scale *scale,
                 const struct procured *r)
{
    struct sbuf b = {0}, below = {0};
    const bool first = c == device_columns, text = strstr(c->attributes, "text");
    c->say(&b, r);
    const bool empty = strcmp(sbuf_str(&b), "-") == 0;
    sbuf_puts(out, first ? "<th scope=\"row\">" : text ? "<td class=\"text\">" : "<td>");
    put(out, &b);
    if (c->below && !empty)
        c->below(&below, r);
    const char *from = empty ? "" : device_from(c, r);
    if (below.n || *from) {
        sbuf_puts(out, "<span class=\"of\">");
        put(out, &below);
        if (first && *from)
            sbuf_printf(out, " <span class=\"from %s\">%s</span>", from, provenance_label(from));
        else
            html_badge(out, from);
        sbuf_puts(out, "</span>");
    }
    if (c->from == FROM_SPEED)
        html_range(out, scale, r->decode_tok_s_lo, r->decode_tok_s, r->decode_tok_s_hi);
    sbuf_puts(out, first ? "</th>" : "</td>");
}

static void machines(struct sbuf *out, const struct procurement *p)
{
    struct range_scale scale = RANGE_SCALE_NONE;
    bool used[32];
    for (int i = 0; i < p->n; i++)
        html_range_widen(&scale, p->row[i].decode_tok_s_lo, p->row[i].decode_tok_s_hi);
    html_table_begin(out, "Machines", "devices sortable");
    sbuf_puts(out, "<thead><tr>");
    for (int c = 0; c < n_device_columns; c++)
        if ((used[c] = device_column_used(&device_columns[c], p)))
            sbuf_printf(out, "<th scope=\"col\"%s>%s</th>", device_columns[c].attributes, device_columns[c].heading);
    sbuf_puts(out, "</tr></thead>\n<tbody>\n");
    for (int i = 0; i < p->n; i++) {
        sbuf_printf(out, "<tr class=\"%s\">", p->row[i].decision->recommended >= 0 ? "front" : "cannot");
        for (int c = 0; c < n_device_columns; c++)
            if (used[c])
                cell(out, &device_columns[c], &scale, &p->row[i]);
        sbuf_puts(out, "</tr>\n");
    }
    html_table_end(out);
}

/* ---- machines against sets ---- */

static void overview(struct sbuf *out, const struct fleet *f)
{
    sbuf_puts(out, "<section>\n<h2>Best choice by machine and need</h2>\n");
    html_table_begin(out, "Best choice by machine and need", "devices sortable");
    sbuf_puts(out, "<thead><tr><th scope=\"col\" class=\"text\">machine</th>");
    for (int s = 0; s < f->n_needs; s++)
        html_text(out, "<th scope=\"col\" class=\"text\">", f->need[s].table.need, "</th>");
    sbuf_puts(out, "</tr></thead>\n<tbody>\n");
    for (int i = 0; i < f->n_machines; i++) {
        const struct procured *first = &f->need[0].table.row[i];
        html_text(out, "<tr><th scope=\"row\">", first->name, "");
        sbuf_printf(out, "<span class=\"of\"><span class=\"from %s\">%s</span></span></th>", first->figures,
                    provenance_label(first->figures));
        for (int s = 0; s < f->n_needs; s++) {
            struct sbuf b = {0};
            const struct procured *r = &f->need[s].table.row[i];
            choice_say(&b, r);
            sbuf_puts(out, *r->format ? "<td class=\"text\">" : "<td class=\"text none\">");
            put(out, &b);
            sbuf_puts(out, "</td>");
        }
        sbuf_puts(out, "</tr>\n");
    }
    html_table_end(out);
    sbuf_puts(out, "</section>\n");
}

/* ---- what all can run ---- */

static void entries(struct sbuf *out, struct sentences *s)
{
    for (int i = 0; i < s->n; i++)
        html_entry_and_free(out, s->label[i], &s->of[i]);
    s->n = 0;
}

/* The candidates that run everywhere, then the nearest others. */
static void candidates(struct sbuf *out, const struct fleet_need *n)
{
    enum { MOST = 12 };
    const struct standard *s = &n->model;
    if (s->n_keys < 2)
        return;
    html_table_begin(out, "What all machines can run", "candidates sortable");
    sbuf_puts(out,
              "<thead><tr><th scope=\"col\" class=\"text\">model in a format</th><th scope=\"col\" data-high>runs on"
              "</th><th scope=\"col\" data-high>least tok/s</th><th scope=\"col\" class=\"text\">slowest or missing"
              "</th><th scope=\"col\" data-high>task score, %</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < s->n_keys && i < MOST; i++) {
        const struct standard_key *k = &s->key[i];
        struct sbuf b = {0}, range = {0}, where = {0};
        sbuf_printf(&b, "%s %s", k->model, k->format);
        sbuf_printf(out, "<tr class=\"%s\">", i == s->best ? "pick" : k->kept ? "front" : "beaten");
        sbuf_puts(out, "<th scope=\"row\">");
        put(out, &b);
        if (k->tied && s->n_tied > 1)
            sbuf_puts(out, " <span class=\"tag front\">tied</span>");
        sbuf_printf(out, "</th><td>%d of %d</td><td>%s<span class=\"of\">", k->n_run, s->n_machines,
                    figure_rate(k->decode.v).s);
        html_add_range(&range, k->decode.lo, k->decode.hi);
        put(out, &range);
        if (k->binding >= 0)
            html_badge(out, k->row[k->binding]->speed_from);
        sbuf_puts(out, "</span></td><td class=\"text\">");
        int missing = -1;
        for (int m = 0; m < s->n_machines && missing < 0; m++)
            missing = *standard_why_not(k, m, n->table.row[m].decision) ? m : -1;
        if (missing >= 0)
            sbuf_printf(&where, "not on %s: %s", n->table.row[missing].name,
                        standard_why_not(k, missing, n->table.row[missing].decision));
        else
            sbuf_puts(&where, n->table.row[k->binding].name);
        put(out, &where);
        sbuf_printf(out, "</td><td>%s</td></tr>\n", figure_score(k->score).s);
    }
    html_table_end(out);
    if (s->n_keys > MOST)
        sbuf_printf(out, "<p class=\"lead\">%d further candidates stand in standard.csv.</p>\n", s->n_keys - MOST);
}

static void upgrades(struct sbuf *out, const struct procurement *p)
{
    if (!upgrades_any(p))
        return;
    sbuf_puts(out, "<h3>What an upgrade would allow <span class=\"from predicted\">est.</span></h3>\n<dl "
                   "class=\"facts\">\n");
    for (int i = 0; i < p->n; i++) {
        struct sentences s;
        upgrades_say(&s, &p->row[i]);
        for (int k = 0; k < s.n; k++) {
            html_text(out, "<dt>", k ? "" : p->row[i].name, "</dt>");
            sbuf_printf(out, "<dd>%s", *s.label[k] ? "From " : "");
            put(out, &s.of[k]);
            sbuf_puts(out, "</dd>\n");
        }
        s.n = 0;
    }
    sbuf_puts(out, "</dl>\n");
}

static void answers(struct sbuf *out, const struct procurement *p)
{
    sbuf_puts(out, "<details>\n<summary>The choice on each, with its command</summary>\n");
    for (int i = 0; i < p->n; i++) {
        const struct procured *r = &p->row[i];
        html_text(out, "<h3 class=\"model\">", r->name, "</h3>\n");
        html_text(out, "<p class=\"lead\">", r->decision->headline, "</p>\n");
        if (r->reason != r->decision->headline)
            html_text(out, "<p class=\"lead\">", r->reason, "</p>\n");
        if (*r->nearest)
            html_text(out, "<p class=\"lead\">Nearest that fits: ", r->nearest, "</p>\n");
        if (*r->command)
            html_text(out, "<div class=\"command\"><pre tabindex=\"0\"><code>", r->command, "</code></pre></div>\n");
    }
    sbuf_puts(out, "</details>\n");
}

/* ---- one set of limits ---- */

static void tiles(struct sbuf *out, const struct procurement *p)
{
    struct device_first first[MOST_FIRSTS];
    const int n = device_firsts(p, first);
    if (p->n < 2 || n == 0)
        return;
    sbuf_puts(out, "<dl class=\"figures\">\n");
    for (int i = 0; i < n; i++) {
        sbuf_printf(out, "<div><dt>%s</dt>", first[i].words);
        html_text(out, "<dd>", first[i].row->name, "</dd>");
        html_text(out, "<dd class=\"range\">", first[i].figure, "</dd></div>\n");
    }
    sbuf_puts(out, "</dl>\n");
}

static void one_need(struct sbuf *out, const struct fleet_need *n)
{
    const struct procurement *p = &n->table;
    struct sentences s;
    html_text(out, "<section>\n<h2>", *p->need ? p->need : "Best choice, speed, power and price", "</h2>\n");
    if (*p->limits)
        html_text(out, "<p class=\"lead\">", p->limits, ".</p>\n");
    tiles(out, p);
    standard_say(&s, n);
    sbuf_puts(out, "<dl class=\"facts standard\">\n");
    entries(out, &s);
    sbuf_puts(out, "</dl>\n");
    machines(out, p);
    if (!p->one_model)
        sbuf_printf(out, "<p class=\"lead\">%s</p>\n", fleet_other_models);
    upgrades(out, p);
    if (n->model.n_machines > 1) {
        sbuf_puts(out, "<h3>What all machines can run</h3>\n");
        candidates(out, n);
    }
    answers(out, p);
    sbuf_puts(out, "</section>\n");
}

static void downloads(struct sbuf *out, const struct fleet *f)
{
    struct sbuf csv = {0};
    sbuf_puts(out, "<footer><span>whichquant " WHICHQUANT_VERSION "</span><span class=\"download\"><a "
                   "download=\"procurement.csv\" href=\"data:text/csv;base64,");
    if (report_fleet_csv(&csv, f, NULL) == 0)
        escape_base64(out, csv.p, csv.n);
    out->failed = out->failed || csv.failed;
    sbuf_puts(out, "\">Table as CSV</a></span></footer>\n");
    sbuf_free(&csv);
}

int report_fleet_html(struct sbuf *out, const struct fleet *f, struct err *e)
{
    struct sbuf title = {0};
    int n_rows = 0;
    fleet_title(&title, f);
    html_page_begin(out, "Devices side by side", f->n_needs ? f->need[0].table.date : "");
    sbuf_puts(out, "<section class=\"answer\">\n<p class=\"kicker\">Devices side by side</p>\n<h1>");
    put(out, &title);
    sbuf_puts(out, "</h1>\n");
    for (int s = 0; s < f->n_needs; s++) {
        struct sentences all;
        standard_say(&all, &f->need[s]);
        if (all.n) {
            sbuf_puts(out, "<p class=\"why\">");
            if (*f->need[s].table.need)
                html_text(out, "<b>", f->need[s].table.need, "</b>: ");
            html_text(out, "", sbuf_str(&all.of[0]), ".</p>\n");
        }
        sentences_free(&all);
        n_rows += f->need[s].table.n;
    }
    sbuf_puts(out, "</section>\n");
    if (n_rows > 8)
        html_filter(out, n_rows + (f->n_needs > 1 ? f->n_machines : 0));
    if (f->n_needs > 1)
        overview(out, f);
    for (int s = 0; s < f->n_needs; s++)
        one_need(out, &f->need[s]);
    sbuf_printf(out, "<section>\n<p class=\"lead\">%s</p>\n", fleet_note);
    html_provenance(out);
    sbuf_puts(out, "</section>\n");
    downloads(out, f);
    html_page_end(out);
    return report_end(out, "the page of the fleet", e);
}
