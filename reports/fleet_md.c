/* summary.md of a fleet. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/fleet_parts.h"
#include "reports/writers.h"

static void put(struct sbuf *out, struct sbuf *b)
{
    escape_markdown(out, sbuf_str(b));
    out->failed = out->failed || b->failed;
    sbuf_free(b);
}

static void head(struct sbuf *out, const char *const *heading, const bool *text, int n)
{
    for (int c = 0; c < n; c++)
        sbuf_printf(out, "| %s ", heading[c]);
    sbuf_puts(out, "|\n");
    for (int c = 0; c < n; c++)
        sbuf_puts(out, text[c] ? "|---" : "|---:");
    sbuf_puts(out, "|\n");
}

static void overview(struct sbuf *out, const struct fleet *f)
{
    sbuf_puts(out, "\n| machine ");
    for (int s = 0; s < f->n_needs; s++) {
        sbuf_puts(out, "| ");
        escape_markdown(out, f->need[s].table.need);
        sbuf_putc(out, ' ');
    }
    sbuf_puts(out, "|\n|---");
    for (int s = 0; s < f->n_needs; s++)
        sbuf_puts(out, "|---");
    sbuf_puts(out, "|\n");
    for (int i = 0; i < f->n_machines; i++) {
        sbuf_puts(out, "| ");
        escape_markdown(out, f->need[0].table.row[i].name);
        for (int s = 0; s < f->n_needs; s++) {
            struct sbuf b = {0};
            sbuf_puts(out, " | ");
            choice_say(&b, &f->need[s].table.row[i]);
            put(out, &b);
        }
        sbuf_puts(out, " |\n");
    }
}

static void cell(struct sbuf *out, const struct device_column *c, const struct procured *r)
{
    struct sbuf b = {0};
    const char *label = provenance_label(device_from(c, r));
    sbuf_puts(out, "| ");
    c->say(&b, r);
    if (c->below && strcmp(sbuf_str(&b), "-") != 0) {
        struct sbuf below = {0};
        c->below(&below, r);
        if (below.n)
            sbuf_printf(&b, " (%s)", sbuf_str(&below));
        b.failed = b.failed || below.failed;
        sbuf_free(&below);
    }
    if (*label && (c->from == FROM_FIGURES || strcmp(label, "measured") != 0) && strcmp(sbuf_str(&b), "-") != 0)
        sbuf_printf(&b, ", %s", label);
    put(out, &b);
    sbuf_putc(out, ' ');
}

static void machines(struct sbuf *out, const struct procurement *p)
{
    const char *heading[32];
    bool text[32];
    int at[32], n = 0;
    for (int c = 0; c < n_device_columns; c++)
        if (device_column_used(&device_columns[c], p)) {
            at[n] = c, heading[n] = device_columns[c].heading;
            text[n++] = strstr(device_columns[c].attributes, "text") != NULL;
        }
    sbuf_putc(out, '\n');
    head(out, heading, text, n);
    for (int i = 0; i < p->n; i++) {
        for (int c = 0; c < n; c++)
            cell(out, &device_columns[at[c]], &p->row[i]);
        sbuf_puts(out, "|\n");
    }
}

static void lines(struct sbuf *out, struct sentences *s, const char *name)
{
    for (int i = 0; i < s->n; i++) {
        const bool from = *name && *s->label[i];
        sbuf_puts(out, "- ");
        escape_markdown(out, *name ? name : s->label[i]);
        sbuf_puts(out, from ? ": from " : ": ");
        put(out, &s->of[i]);
        sbuf_putc(out, '\n');
    }
    s->n = 0;
}

static void one_need(struct sbuf *out, const struct fleet_need *n)
{
    const struct procurement *p = &n->table;
    struct device_first first[MOST_FIRSTS];
    struct sentences s;
    if (*p->need || *p->limits) {
        sbuf_puts(out, "\n## ");
        escape_markdown(out, *p->need ? p->need : "The machines");
        sbuf_puts(out, "\n\n");
        escape_markdown(out, p->limits);
        sbuf_putc(out, '\n');
    }
    sbuf_putc(out, '\n');
    standard_say(&s, n);
    lines(out, &s, "");
    for (int i = 0, k = device_firsts(p, first); i < k; i++) {
        sbuf_printf(out, "- %s: ", first[i].words);
        escape_markdown(out, first[i].row->name);
        sbuf_printf(out, ", %s\n", first[i].figure);
    }
    machines(out, p);
    const bool any = upgrades_any(p);
    if (any)
        sbuf_puts(out, "\nWhat an upgrade would allow, predicted:\n\n");
    for (int i = 0; i < p->n && any; i++) {
        upgrades_say(&s, &p->row[i]);
        lines(out, &s, p->row[i].name);
    }
    if (!p->one_model)
        sbuf_printf(out, "\n%s\n", fleet_other_models);
}

int report_fleet_markdown(struct sbuf *out, const struct fleet *f, struct err *e)
{
    struct sbuf b = {0};
    sbuf_puts(out, "# Devices side by side\n\n");
    fleet_title(&b, f);
    put(out, &b);
    sbuf_puts(out, ".\n");
    if (f->n_needs > 1)
        overview(out, f);
    for (int s = 0; s < f->n_needs; s++)
        one_need(out, &f->need[s]);
    sbuf_printf(out, "\n%s\n", fleet_note);
    return report_end(out, "the summary of the fleet", e);
}
