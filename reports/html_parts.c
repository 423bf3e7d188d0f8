/* What the parts of report.html share. */
#include "reports/html_parts.h"

#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/writers.h"

void html_text(struct sbuf *out, const char *open, const char *text, const char *close)
{
    sbuf_puts(out, open);
    escape_html(out, text);
    sbuf_puts(out, close);
}

void html_badge(struct sbuf *out, const char *from)
{
    const char *label = provenance_label(from);
    if (*label && strcmp(from, "measured") != 0)
        sbuf_printf(out, " <span class=\"from %s\">%s</span>", from, label);
}

void html_provenance(struct sbuf *out)
{
    static const char *const words[][3] = {
#define P(from, label, meaning) {from, label, meaning},
#include "reports/provenance.def"
#undef P
    };
    sbuf_puts(out, "<ul class=\"legend\" aria-label=\"Marks of provenance\">\n");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        bool marked = strcmp(words[i][0], "measured") != 0;
        sbuf_printf(out, "<li><span class=\"from %s\">%s</span> %s%s</li>\n", words[i][0], words[i][1], words[i][2],
                    marked ? "" : " (and every figure without a mark)");
    }
    sbuf_puts(out, "</ul>\n");
}

void html_add_range(struct sbuf *b, double lo, double hi)
{
    html_add_figure(b, figure_range(lo, hi).s);
}

void html_add_figure(struct sbuf *b, const char *s)
{
    for (const char *c = s; *c; c++)
        if (*c == '-' && c > s)
            sbuf_puts(b, "\xe2\x80\x93");
        else
            sbuf_putc(b, *c);
}

void html_range_widen(struct range_scale *s, double lo, double hi)
{
    if (!(lo > 0) || !isfinite(hi))
        return;
    s->lo = fmin(s->lo, log(lo));
    s->hi = fmax(s->hi, log(hi));
}

/* A bar from end to end, a mark at the figure. */
void html_range(struct sbuf *out, const struct range_scale *s, double lo, double v, double hi)
{
    double width = s->hi - s->lo;
    if (!(lo > 0) || !(hi > lo) || !isfinite(hi) || !(v > 0) || !(width > 0))
        return;
    double x = 1 + 68 * (log(lo) - s->lo) / width, length = fmax(68 * (log(hi) - log(lo)) / width, 1),
           at = 1 + 68 * (log(v) - s->lo) / width;
    sbuf_printf(out, "<svg viewBox=\"0 0 70 8\" aria-hidden=\"true\"><path d=\"M%.0f 4h%.0fM%.0f 0v8\"/></svg>", x,
                length, at);
}

void html_entry(struct sbuf *out, const char *name, const char *value)
{
    if (!*value || strcmp(value, "-") == 0)
        return;
    sbuf_printf(out, "<dt>%s</dt>", name);
    html_text(out, "<dd>", value, "</dd>\n");
}

void html_entry_and_free(struct sbuf *out, const char *name, struct sbuf *value)
{
    html_entry(out, name, sbuf_str(value));
    out->failed = out->failed || value->failed;
    sbuf_free(value);
}

void html_table_begin(struct sbuf *out, const char *label, const char *classes)
{
    sbuf_printf(out,
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n<table class=\"%s\">\n"
                "<caption class=\"sr\">%s</caption>\n",
                label, classes, label);
}

void html_table_end(struct sbuf *out)
{
    sbuf_puts(out, "</tbody>\n</table>\n</div>\n");
}

void html_filter(struct sbuf *out, int n_rows)
{
    sbuf_printf(out,
                "<div class=\"filter\" role=\"search\" hidden>\n"
                "<label for=\"filter-words\">Filter by words</label>\n"
                "<input type=\"search\" id=\"filter-words\" autocomplete=\"off\">\n"
                "<label><input type=\"checkbox\" id=\"filter-runs\"> only what runs within the limits</label>\n"
                "<output id=\"filter-count\" for=\"filter-words filter-runs\">%d rows</output>\n</div>\n",
                n_rows);
}
