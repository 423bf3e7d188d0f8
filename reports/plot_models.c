/* Several models beside each other: the speed of each one's best format as a range, and score against speed. */
#include <math.h>
#include <string.h>
#include "matrix/grid.h"
#include "reports/plot_parts.h"
#include "reports/writers.h"

int plot_models(const struct report_input *in, const struct row *shown[MOST_ROWS])
{
    const struct decision *d = in->decision;
    int n = 0;
    for (int i = 0; i < d->n_rows && n < MOST_ROWS; i++) {
        const struct row *r = &d->row[i];
        int k = 0;
        while (k < n && strcmp(shown[k]->model, r->model) != 0)
            k++;
        if (k == n && !r->own && row_outcome(r) == OUTCOME_RUNS)
            shown[n++] = r;
    }
    return n;
}

/* A label that leaves half of the picture to the ranges: the model's name gives way, not the format's. */
static void name_model(char out[64], const struct row *r)
{
    enum { MOST = 27 };
    int room = MOST - 1 - (int)strlen(format_scheme(r->format));
    plot_model_label(out, r, room > 8 ? room : 8);
}

/* 1, 10, 100; 2 and 5 between them where there is room. */
static void rate_axis(struct sbuf *b, double lo, double hi)
{
    bool fine = hi / lo < 300;
    sbuf_puts(b, "set logscale x\nset xtics (\"0.1\" 0.1");
    for (double at = 0.2; at < 2e6; at *= 10) {
        if (fine)
            sbuf_printf(b, ", \"%g\" %g, \"%g\" %g", at, at, at * 2.5, at * 2.5);
        sbuf_printf(b, ", \"%g\" %g", at * 5, at * 5);
    }
    sbuf_puts(b, ")\n");
}

bool script_ranges(struct sbuf *b, const struct report_input *in)
{
    const struct row *r[MOST_ROWS];
    int n = 0, n_models = plot_models(in, r);
    size_t longest = 4;
    double lo = INFINITY, hi = 0;
    for (int i = 0; i < n_models; i++) {
        char name[64];
        if (r[i]->cache_resident || !(r[i]->decode_tok_s_lo > 0) || !isfinite(r[i]->decode_tok_s_hi))
            continue;
        r[n++] = r[i];
        name_model(name, r[i]);
        longest = strlen(name) > longest ? strlen(name) : longest;
        lo = fmin(lo, r[i]->decode_tok_s_lo), hi = fmax(hi, r[i]->decode_tok_s_hi);
    }
    if (n < 2)
        return false;
    double height = 34 + 22.0 * n, most = hi * pow(hi / lo, 0.22);
    plot_begin(b, BARS_W, (int)height);
    sbuf_printf(b,
                "set lmargin at screen %.4f\nset rmargin at screen 0.97\nset tmargin at screen %.4f\nset bmargin at "
                "screen %.4f\nset yrange [%d.5:-0.5]\nset xrange [%.8g:%.8g]\nset ytics (",
                (CHAR_W * (double)longest + 30) / BARS_W, 1 - 4.0 / height, 26.0 / height, n - 1, lo * 0.8, most * 1.1);
    for (int i = 0; i < n; i++) {
        char name[64];
        name_model(name, r[i]);
        plot_tic(b, name, i);
    }
    sbuf_printf(b, ") textcolor rgb '%s'\n", paint_hex(INK));
    rate_axis(b, lo, hi);
    for (int i = 0; i < n; i++)
        sbuf_printf(b,
                    "$r%d << END\n%.8g %d %.8g %.8g\nEND\nset label %d \"%s\" at graph 1,first %d right textcolor rgb "
                    "'%s'\n",
                    i, r[i]->decode_tok_s, i, r[i]->decode_tok_s_lo, r[i]->decode_tok_s_hi, i + 2,
                    figure_rate(r[i]->decode_tok_s).s, i, paint_hex(MUTED));
    sbuf_puts(b, "plot NaN notitle");
    for (int i = 0; i < n; i++) {
        const char *color = point_color(verdict_look(r[i]));
        bool measured = strcmp(r[i]->speed_from, "measured") == 0;
        sbuf_printf(b, ", $r%d using 1:2:3:4 with xerrorbars pt -1 lw %s lc rgb '%s'", i, measured ? "2.4" : "1.4",
                    color);
        sbuf_printf(b, ", $r%d using 1:2 with points pt %d ps 0.9 lw 1.6 lc rgb '%s'", i, measured ? 7 : 6, color);
    }
    sbuf_putc(b, '\n');
    return true;
}
