/* The parts of report.html, and what they share. */
#ifndef REPORTS_HTML_PARTS_H
#define REPORTS_HTML_PARTS_H
#include <math.h>
#include "matrix/grid.h"
#include "reports/reports.h"

/* The page stays under 1 MB: the table leaves room for what comes after it, the evidence for the script, the CSV comes
 * in when there is room for it. matrix.csv holds everything. */
enum { PAGE_BYTES = 990000, AFTER_TABLE_BYTES = 72000, AFTER_EVIDENCE_BYTES = 12000 };

/* html_page.c: from the doctype into <main>, and its end. */
void html_page_begin(struct sbuf *out, const char *title, const char *date);
void html_page_end(struct sbuf *out);
/* The same with more of a style sheet and one more script ("" and NULL: none). */
void html_page_begin_with(struct sbuf *out, const char *title, const char *date, const char *style, const char *script);
void html_page_end_with(struct sbuf *out, const char *script);
/* html_heat.c: a page of several models. */
void html_heat(struct sbuf *out, const struct report_input *in, const struct grid *g);
/* html_brief.c: the brief. */
int html_brief(struct sbuf *out, const struct report_input *in, struct err *e);
/* html_table.c: all rows. */
void html_table(struct sbuf *out, const struct report_input *in, const struct grid *g);
/* html_device.c: the machine, and what it can and cannot run. */
void html_device(struct sbuf *out, const struct report_input *in, const struct grid *g);
/* html_evidence.c: claimed beside measured; where each figure comes from. */
void html_claims(struct sbuf *out, const struct report_input *in);
void html_evidence(struct sbuf *out, const struct report_input *in);

/* open, the escaped text, close. */
void html_text(struct sbuf *out, const char *open, const char *text, const char *close);
/* Where a figure comes from, unless it was measured here. */
void html_badge(struct sbuf *out, const char *from);
void html_provenance(struct sbuf *out); /* the legend of the badges */
/* "104-111" with the dash that ranges have in print. */
void html_add_range(struct sbuf *b, double lo, double hi);
void html_add_figure(struct sbuf *b, const char *range);
/* A logarithmic scale that drawn ranges share: widened by each, then drawn on. */
struct range_scale {
    double lo, hi; /* logarithms */
};
#define RANGE_SCALE_NONE ((struct range_scale){INFINITY, -INFINITY})
void html_range_widen(struct range_scale *s, double lo, double hi);
void html_range(struct sbuf *out, const struct range_scale *s, double lo, double v, double hi);
/* <dt>, <dd>; nothing for "" and "-". */
void html_entry(struct sbuf *out, const char *name, const char *value);
void html_entry_and_free(struct sbuf *out, const char *name, struct sbuf *value);
/* A scrolling region with a table that begins; html_table_end closes both. */
void html_table_begin(struct sbuf *out, const char *label, const char *classes);
void html_table_end(struct sbuf *out);
/* Of all rows of the page; hidden until the script that makes it work shows it. */
void html_filter(struct sbuf *out, int n_rows);
#endif
