/* Writers of the dashboard: one page with its data inside, pictures for print, a summary. */
#ifndef REPORTS_DASHBOARD_H
#define REPORTS_DASHBOARD_H
#include "base/sbuf.h"
#include "matrix/dashboard.h"

/* path: FILE.html for the page alone, else a folder that gets dashboard.html and plots/ *.svg, together or not at all.
 * gnuplot missing: the page without pictures, said once through warn (which may be NULL). */
int reports_dashboard(const char *path, const struct dashboard *d, void (*warn)(void *arg, const char *sentence),
                      void *arg, struct err *e);
int report_dashboard_html(struct sbuf *out, const struct dashboard *d, struct err *e);
int report_dashboard_text(struct sbuf *out, const struct dashboard *d, struct err *e); /* a few lines */
int report_dashboard_json(struct sbuf *out, const struct dashboard *d, struct err *e); /* the summary */

/* Inside reports/ only. */
void dashboard_write_data(struct sbuf *out, const struct dashboard *d);   /* JSON, safe inside <script> */
void dashboard_line_name(struct sbuf *b, const struct dashboard_line *l); /* for people, escaped for nothing */
void dashboard_say_effect(struct sbuf *b, const struct dashboard_line *l, double effect); /* "-8.1 % (worse)" */
void dashboard_date(char out[16], int64_t time);                        /* "2026-11-01" */
#endif
