/* Inside the plots: palette, the rows that are drawn, labels that gnuplot cannot misread, the frame of every picture.
 */
#ifndef REPORTS_PLOT_PARTS_H
#define REPORTS_PLOT_PARTS_H
#include "matrix/figures.h"
#include "reports/plots.h"

enum { MOST_ROWS = 24, FONT = 13, CHAR_W = 7, PARETO_W = 480, PARETO_H = 380, BARS_W = 480 };
/* Below this KLD a format is called lossless: the logarithmic axes begin here. */
#define LEAST_KLD 5e-5

/* What gnuplot is told, and (in a page) a CSS variable in its place. */
enum paint { PICK, FRONT, FRONT_BAR, BEATEN, BEATEN_BAR, OVER, OVER_BAR, INK, MUTED, LINE, SOFT, FAINT, N_PAINTS };
const char *paint_hex(enum paint p);
const char *point_color(const char *look); /* look: verdict_look of the row */
const char *bar_color(const char *look);

/* Rows of the model in question, as they stand in the table: those that ran, without the own engine's. */
int plot_rows(const struct report_input *in, const struct row *shown[MOST_ROWS]);
bool plot_one_framework(const struct row *const *r, int n);
void plot_label(char out[64], const struct row *r, bool with_framework);
/* plot_models.c: the best row that runs of each model, as the decision ranks them. */
int plot_models(const struct report_input *in, const struct row *shown[MOST_ROWS]);
void plot_model_label(char out[64], const struct row *r, int most); /* "Qwen3-4B q4_k_m"; most: of the model's name */
/* Text that gnuplot cannot take for anything else; out: most + 1. */
void plot_clean(char *out, const char *text, int most);
/* One of the labels 0, 1, ... between the parentheses of "set ytics"; a per cent sign would be a format there. */
void plot_tic(struct sbuf *b, const char *label, int at);
void plot_begin(struct sbuf *b, int width, int height);
void plot_kld_axis(struct sbuf *b); /* logarithmic, decades in plain figures */

#define P(name, title, caption) bool script_##name(struct sbuf *b, const struct report_input *in);
#include "reports/plots.def"
#undef P
#endif
