/* One bar a format: generation speed, loss of quality, peak memory. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/plot_parts.h"
#include "reports/writers.h"

struct bar {
    double v, lo, hi;
    const char *look;
    char name[64], text[48];
};

static void bars_frame(struct sbuf *b, const struct bar *bar, int n, double most)
{
    double pitch = fmin(30, fmax(22, (PARETO_H - 34.0) / n)), height = 34 + pitch * n;
    plot_begin(b, BARS_W, (int)height);
    size_t longest = 4;
    for (int i = 0; i < n; i++)
        longest = strlen(bar[i].name) > longest ? strlen(bar[i].name) : longest;
    sbuf_printf(b,
                "set lmargin at screen %.4f\nset rmargin at screen 0.97\nset tmargin at screen %.4f\nset bmargin at "
                "screen %.4f\n",
                (CHAR_W * (double)longest + 16) / BARS_W, 1 - 4.0 / height, 26.0 / height);
    sbuf_printf(b, "set yrange [%d.5:-0.5]\nset ytics (", n - 1);
    for (int i = 0; i < n; i++)
        plot_tic(b, bar[i].name, i);
    sbuf_printf(b, ") textcolor rgb '%s'\nset xrange [0:%.8g]\n", paint_hex(INK), most);
}

/* The data of each bar, and its value as text: at its end, or in a column at the right edge. */
static void bar_data(struct sbuf *b, const struct bar *bar, int n, double zero, bool column)
{
    for (int i = 0; i < n; i++) {
        const char *paint = paint_hex(isfinite(bar[i].v) ? MUTED : BEATEN);
        sbuf_printf(b, "$b%d << END\n%.8g %d %.8g %.8g %.8g\nEND\n", i, zero, i, bar[i].v, bar[i].lo, bar[i].hi);
        if (column)
            sbuf_printf(b, "set label %d \"%s\" at graph 1,first %d right textcolor rgb '%s'\n", i + 2, bar[i].text, i,
                        paint);
        else
            sbuf_printf(b, "set label %d \"%s\" at %.8g,%d left offset 0.9,0 textcolor rgb '%s'\n", i + 2, bar[i].text,
                        isfinite(bar[i].v) ? fmax(bar[i].v, bar[i].hi) : zero, i, paint);
    }
}

static int collect_bars(const struct report_input *in, struct bar bar[MOST_ROWS],
                        void (*fill)(struct bar *, const struct row *))
{
    const struct row *r[MOST_ROWS];
    int n = plot_rows(in, r), n_known = 0;
    for (int i = 0; i < n; i++) {
        bar[i] = (struct bar){.v = NAN, .lo = NAN, .hi = NAN, .look = verdict_look(r[i])};
        plot_label(bar[i].name, r[i], !plot_one_framework(r, n));
        fill(&bar[i], r[i]);
        if (isfinite(bar[i].v) && !isfinite(bar[i].lo + bar[i].hi))
            bar[i].lo = bar[i].hi = bar[i].v;
        n_known += isfinite(bar[i].v);
    }
    return n_known ? n : 0;
}

static double largest(const struct bar *bar, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fmax(bar[i].v, bar[i].hi));
    return most;
}

static void fill_decode(struct bar *bar, const struct row *r)
{
    bar->v = r->decode_tok_s, bar->lo = r->decode_tok_s_lo, bar->hi = r->decode_tok_s_hi;
    snprintf(bar->text, sizeof bar->text, isfinite(bar->v) ? "%s%s" : "not measured", figure_rate(bar->v).s,
             r->cache_resident ? " in cache" : "");
}

bool script_decode(struct sbuf *b, const struct report_input *in)
{
    struct bar bar[MOST_ROWS];
    int n = collect_bars(in, bar, fill_decode);
    if (n == 0)
        return false;
    bars_frame(b, bar, n, largest(bar, n) * 1.22);
    bar_data(b, bar, n, 0, false);
    sbuf_puts(b, "plot ");
    for (int i = 0; i < n; i++)
        sbuf_printf(b, "$b%d using 1:2:(0):3:($2-0.32):($2+0.32) with boxxyerror lc rgb '%s', ", i,
                    bar_color(bar[i].look));
    for (int i = 0; i < n; i++)
        sbuf_printf(b, "$b%d using 3:2:4:5 with xerrorbars pt -1 lw 1.3 lc rgb '%s'%s", i, paint_hex(INK),
                    i + 1 < n ? ", " : "\n");
    return true;
}

static void fill_quality(struct bar *bar, const struct row *r)
{
    bar->v = r->kld, bar->lo = r->kld_lo, bar->hi = r->kld_hi;
    snprintf(bar->text, sizeof bar->text, "%s",
             !isfinite(bar->v) ? "not measured"
             : r->reference    ? "the reference"
                               : figure_kld(bar->v).s);
}

bool script_quality(struct sbuf *b, const struct report_input *in)
{
    struct bar bar[MOST_ROWS];
    int n = collect_bars(in, bar, fill_quality);
    double limit = in->decision->kld_limit, most = isfinite(limit) ? limit : 0, zero = LEAST_KLD;
    if (n == 0)
        return false;
    for (int i = 0; i < n; i++) {
        if (isfinite(bar[i].v))
            bar[i].v = fmax(bar[i].v, zero), bar[i].lo = fmax(bar[i].lo, zero), bar[i].hi = fmax(bar[i].hi, zero);
        most = fmax(most, bar[i].hi);
    }
    bars_frame(b, bar, n, 1);
    bar_data(b, bar, n, zero, true);
    plot_kld_axis(b);
    sbuf_printf(b, "set xrange [%.8g:%.8g]\n", zero, most * pow(most / zero, 0.3));
    if (isfinite(limit) && limit > zero)
        sbuf_printf(b, "set arrow 1 from %.8g,graph 0 to %.8g,graph 1 nohead dt 2 lw 1.2 lc rgb '%s'\n", limit, limit,
                    paint_hex(OVER));
    sbuf_puts(b, "plot ");
    for (int i = 0; i < n; i++)
        sbuf_printf(b, "$b%d using 1:2:(%.8g):3:($2-0.05):($2+0.05) with boxxyerror lc rgb '%s', ", i, zero,
                    bar_color(bar[i].look));
    for (int i = 0; i < n; i++)
        sbuf_printf(b, "$b%d using 3:2:4:5 with xerrorbars pt 7 ps 0.9 lw 1.6 lc rgb '%s'%s", i,
                    point_color(bar[i].look), i + 1 < n ? ", " : "\n");
    return true;
}

static void fill_memory(struct bar *bar, const struct row *r)
{
    bar->v = r->peak_bytes >= 0 ? (double)r->peak_bytes / 1048576 : NAN;
    snprintf(bar->text, sizeof bar->text, "%s", r->peak_bytes >= 0 ? figure_bytes(r->peak_bytes).s : "not known");
}

/* At most five ticks at round sizes, in MiB or GiB. */
static void size_axis(struct sbuf *b, double most_mib)
{
    double unit = most_mib > 4096 ? 1024 : 1, step = 1;
    while (most_mib / unit / step > 5)
        step *= most_mib / unit / step > 12.5 ? 10 : most_mib / unit / step > 10 ? 5 : 2;
    sbuf_puts(b, "set xtics (0");
    for (double at = step; at < 0.95 * most_mib / unit; at += step)
        sbuf_printf(b, ", \"%g %s\" %g", at, unit > 1 ? "GiB" : "MiB", at * unit);
    sbuf_puts(b, ")\n");
}

bool script_memory(struct sbuf *b, const struct report_input *in)
{
    struct bar bar[MOST_ROWS];
    const struct row *r[MOST_ROWS];
    int n = collect_bars(in, bar, fill_memory);
    plot_rows(in, r);
    if (n == 0)
        return false;
    double most = largest(bar, n) * 1.3, usable = r[0]->usable_bytes >= 0 ? (double)r[0]->usable_bytes / 1048576 : NAN;
    bars_frame(b, bar, n, most);
    bar_data(b, bar, n, 0, false);
    size_axis(b, most);
    if (usable < most)
        sbuf_printf(b, "set arrow 1 from %.8g,graph 0 to %.8g,graph 1 nohead dt 2 lw 1.2 lc rgb '%s'\n", usable, usable,
                    paint_hex(OVER));
    sbuf_puts(b, "plot ");
    for (int i = 0; i < n; i++) {
        double weights = r[i]->weights_bytes >= 0 ? (double)r[i]->weights_bytes / 1048576 : bar[i].v;
        double kv = weights + (r[i]->kv_bytes > 0 ? (double)r[i]->kv_bytes / 1048576 : 0);
        double part[] = {0, fmin(weights, bar[i].v), fmin(kv, bar[i].v), bar[i].v};
        const char *shade[] = {bar_color(bar[i].look), paint_hex(SOFT), paint_hex(FAINT)};
        for (int k = 0; k < 3; k++)
            sbuf_printf(b, "$b%d using 1:2:(%.8g):(%.8g):($2-0.32):($2+0.32) with boxxyerror lc rgb '%s'%s", i, part[k],
                        part[k + 1], shade[k], k < 2 || i + 1 < n ? ", " : "\n");
    }
    return true;
}
