/* A fleet on the screen: with several sets of limits first the machines against the sets, then of each set what all can
 * run, a line a machine, and what an upgrade would buy. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/fleet_parts.h"
#include "reports/writers.h"

enum { WIDTH = 100, MOST_CELLS = 24 };

/* ---- a table with columns as wide as their cells ---- */

struct grid_text {
    struct sbuf *cell; /* [n_rows][n_columns], the heads first */
    int n_rows, n_columns;
    bool right[MOST_CELLS];
};

static struct sbuf *cell_at(struct grid_text *g, int row, int column)
{
    return &g->cell[row * g->n_columns + column];
}

static bool grid_open(struct grid_text *g, int n_rows, int n_columns)
{
    *g = (struct grid_text){.n_rows = n_rows, .n_columns = n_columns};
    g->cell = mem_alloc_n((size_t)n_rows * (size_t)n_columns + 1, sizeof *g->cell);
    return g->cell != NULL;
}

static void put_padded(struct sbuf *out, const char *s, int width, bool right)
{
    const int pad = width - text_columns(s);
    if (right)
        sbuf_printf(out, "%*s%s", pad > 0 ? pad : 0, "", s);
    else
        sbuf_printf(out, "%s%*s", s, pad > 0 ? pad : 0, "");
}

static void grid_close(struct sbuf *out, struct grid_text *g)
{
    int width[MOST_CELLS] = {0};
    for (int i = 0; i < g->n_rows; i++)
        for (int c = 0; c < g->n_columns; c++) {
            const int n = text_columns(sbuf_str(cell_at(g, i, c)));
            width[c] = n > width[c] ? n : width[c];
        }
    for (int i = 0; i < g->n_rows; i++) {
        struct sbuf line = {0};
        for (int c = 0; c < g->n_columns; c++) {
            sbuf_puts(&line, c ? "  " : "");
            put_padded(&line, sbuf_str(cell_at(g, i, c)), width[c], g->right[c]);
            out->failed = out->failed || cell_at(g, i, c)->failed;
            sbuf_free(cell_at(g, i, c));
        }
        while (line.n && line.p[line.n - 1] == ' ')
            line.p[--line.n] = 0;
        sbuf_printf(out, "  %s\n", sbuf_str(&line));
        out->failed = out->failed || line.failed;
        sbuf_free(&line);
    }
    mem_free(g->cell);
}

/* ---- machines against sets ---- */

static void overview(struct sbuf *out, const struct fleet *f)
{
    struct grid_text g;
    const int n_columns = f->n_needs < MOST_CELLS - 1 ? f->n_needs + 1 : MOST_CELLS;
    if (!grid_open(&g, f->n_machines + 1, n_columns)) {
        out->failed = true;
        return;
    }
    sbuf_puts(cell_at(&g, 0, 0), "machine");
    for (int s = 0; s < n_columns - 1; s++)
        escape_plain(cell_at(&g, 0, s + 1), f->need[s].table.need);
    for (int i = 0; i < f->n_machines; i++) {
        escape_plain(cell_at(&g, i + 1, 0), f->need[0].table.row[i].name);
        for (int s = 0; s < n_columns - 1; s++) {
            struct sbuf b = {0};
            choice_say(&b, &f->need[s].table.row[i]);
            escape_plain(cell_at(&g, i + 1, s + 1), sbuf_str(&b));
            out->failed = out->failed || b.failed;
            sbuf_free(&b);
        }
    }
    grid_close(out, &g);
}

/* ---- one set ---- */

static void paragraph(struct sbuf *out, const char *label, const char *text)
{
    sbuf_printf(out, "%-12s", label);
    text_wrap(out, text, 12, WIDTH);
}

static void put_cell(struct sbuf *cell, const struct device_column *c, const struct procured *r)
{
    struct sbuf b = {0}, below = {0};
    const char *from = device_from(c, r);
    const bool estimated = c->from == FROM_SPEED && *from && strcmp(from, "measured") != 0;
    if (c == &device_columns[1] && !*r->format)
        choice_say(&b, r);
    else
        c->say(&b, r);
    if (estimated && isfinite(r->decode_tok_s))
        sbuf_printf(cell, "%s ", provenance_label(from));
    escape_plain(cell, sbuf_str(&b));
    if (c->below && c->from == FROM_SPEED && *figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi).s)
        sbuf_printf(cell, " (%s)", figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi).s);
    else if (c->below && c->from == FROM_NOTHING && strcmp(sbuf_str(&b), "-") != 0) {
        c->below(&below, r);
        if (below.n && below.n < 16)
            sbuf_printf(cell, " %s", sbuf_str(&below));
    }
    cell->failed = cell->failed || b.failed || below.failed;
    sbuf_free(&b);
    sbuf_free(&below);
}

static void machines(struct sbuf *out, const struct procurement *p)
{
    struct grid_text g;
    int at[MOST_CELLS], n = 0;
    for (int c = 0; c < n_device_columns; c++)
        if (device_columns[c].on_screen && device_column_used(&device_columns[c], p))
            at[n++] = c;
    if (!grid_open(&g, p->n + 1, n)) {
        out->failed = true;
        return;
    }
    for (int c = 0; c < n; c++) {
        g.right[c] = !strstr(device_columns[at[c]].attributes, "text");
        sbuf_puts(cell_at(&g, 0, c), device_columns[at[c]].heading);
        for (int i = 0; i < p->n; i++)
            put_cell(cell_at(&g, i + 1, c), &device_columns[at[c]], &p->row[i]);
    }
    grid_close(out, &g);
}

static void say_all(struct sbuf *out, struct sentences *s, const char *prefix)
{
    for (int i = 0; i < s->n; i++) {
        struct sbuf b = {0};
        sbuf_printf(&b, "%s%s", prefix, sbuf_str(&s->of[i]));
        paragraph(out, *prefix ? "" : s->label[i], sbuf_str(&b));
        out->failed = out->failed || b.failed || s->of[i].failed;
        sbuf_free(&b);
    }
    sentences_free(s);
}

/* What needs more than a cell. */
static void remark_none(struct sbuf *b, const struct procured *r)
{
    if (!*r->format)
        sbuf_printf(b, "%s: %s", r->name, r->reason);
}

static void remark_users(struct sbuf *b, const struct procured *r)
{
    if (r->users >= 0)
        sbuf_printf(b, "%s: %lld at once, %s (%s)", r->name, (long long)r->users, r->users_note, r->users_model);
}

static void remark_price(struct sbuf *b, const struct procured *r)
{
    if (strcmp(r->price_note, "old") == 0)
        sbuf_printf(b, "%s: %.2f %s of %s is %lld days old: ask again", r->name, r->price, r->currency, r->price_date,
                    (long long)r->price_age_days);
    else if (*r->price_note)
        sbuf_printf(b, "%s: %.2f %s is dated %s, after this report", r->name, r->price, r->currency, r->price_date);
}

static void remarks(struct sbuf *out, const struct procurement *p)
{
    static const struct {
        const char *label;
        void (*say)(struct sbuf *b, const struct procured *r);
    } remark[] = {{"None", remark_none}, {"Users", remark_users}, {"Price", remark_price}};
    for (size_t k = 0; k < sizeof remark / sizeof *remark; k++)
        for (int i = 0; i < p->n; i++) {
            struct sbuf b = {0};
            remark[k].say(&b, &p->row[i]);
            if (b.n)
                paragraph(out, remark[k].label, sbuf_str(&b));
            out->failed = out->failed || b.failed;
            sbuf_free(&b);
        }
}

static void upgrades(struct sbuf *out, const struct procurement *p)
{
    if (!upgrades_any(p))
        return;
    sbuf_puts(out, "Upgrades (predicted)\n");
    for (int i = 0; i < p->n; i++) {
        struct sentences s;
        struct sbuf name = {0};
        upgrades_say(&s, &p->row[i]);
        sbuf_printf(&name, s.n && !*s.label[0] ? "%s: " : "%s: from ", p->row[i].name);
        say_all(out, &s, sbuf_str(&name));
        out->failed = out->failed || name.failed;
        sbuf_free(&name);
    }
}

static void one_need(struct sbuf *out, const struct fleet_need *n)
{
    struct sentences s;
    const struct procurement *p = &n->table;
    if (*p->need || *p->limits) {
        sbuf_putc(out, '\n');
        escape_plain(out, p->need);
        sbuf_puts(out, *p->need ? ": " : "");
        escape_plain(out, p->limits);
        sbuf_putc(out, '\n');
    }
    machines(out, p);
    standard_say(&s, n);
    say_all(out, &s, "");
    remarks(out, p);
    upgrades(out, p);
    if (!p->one_model)
        sbuf_printf(out, "%s\n", fleet_other_models);
}

int report_fleet_text(struct sbuf *out, const struct fleet *f, struct err *e)
{
    fleet_title(out, f);
    sbuf_putc(out, '\n');
    if (f->n_needs > 1)
        overview(out, f);
    for (int s = 0; s < f->n_needs; s++)
        one_need(out, &f->need[s]);
    return report_end(out, "the report of the fleet", e);
}
