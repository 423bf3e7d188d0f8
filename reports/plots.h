/* Pictures drawn by gnuplot, run as a child with a time limit, its script and data through stdin. */
#ifndef REPORTS_PLOTS_H
#define REPORTS_PLOTS_H
#include "reports/report_files.h"
#include "reports/reports.h"

struct plot {
    const char *name, *title, *caption;
    bool (*script)(struct sbuf *b, const struct report_input *in); /* false: nothing to draw */
};
extern const struct plot plots[];
extern const int n_plots;

/* Appends the SVG: with colours as CSS variables for use inside a page, or plain as a file of its own.
 * 1 drawn, 0 nothing to draw, ERR_MISSING without gnuplot, ERR_TIMEOUT, ERR_CRASHED when it fails. */
int plot_svg(struct sbuf *out, const struct plot *p, const struct report_input *in, bool for_page, struct err *e);
/* The SVG that gnuplot makes of a script of one's own; the same errors. */
int plot_draw(struct sbuf *out, const struct sbuf *script, struct err *e);
/* plots/NAME.svg for each; none when one fails. */
int plots_render(struct report_files *files, const struct report_input *in, struct err *e);
/* What becomes of a report whose plots ended with rc and why: where gnuplot drew none it is one without pictures, which
 * is said through warn (it may be NULL), and 0; other errors stay errors. */
int plots_settle(int rc, const struct err *why, void (*warn)(void *arg, const char *sentence), void *arg,
                 struct err *e);
#endif
