/* The dashboard's pictures, drawn by gnuplot. */
#include "reports/dashboard_plots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/dashboard.h"
#include "reports/plot_parts.h"

enum { MOST_BARS = 24, MOST_SERIES = 6, WIDE = 720, LABEL = 48 };

struct bar {
    const struct dashboard_line *l;
    double v;
};

/* "Qwen3-4B q4_k_m decode_tok_s, llama.cpp": the model's name gives way where that is long. */
static void label_of(char out[LABEL + 1], const struct dashboard_line *l)
{
    char text[512];
    const char *comma = *l->id.framework ? ", " : "";
    int room = LABEL - (int)(strlen(format_scheme(l->id.format)) + strlen(l->id.metric) + strlen(comma) +
                             strlen(l->id.framework) + 2);
    snprintf(text, sizeof text, "%.*s %s %s%s%s", room > 8 ? room : 8, l->id.model, format_scheme(l->id.format),
             l->id.metric, comma, l->id.framework);
    plot_clean(out, text, LABEL);
}

static int largest_first(const void *a, const void *b)
{
    const struct bar *x = a, *y = b;
    return x->v != y->v ? (x->v > y->v ? -1 : 1) : strcmp(x->l->key, y->l->key);
}

/* Bars in per cent, a line each; false: nothing to draw. */
static bool script_of_bars(struct sbuf *b, const struct bar *bar, int n, enum paint paint)
{
    size_t longest = 8;
    double most = 0, height = 44 + 20.0 * n;
    char label[LABEL + 1];
    if (n == 0)
        return false;
    plot_begin(b, WIDE, (int)height);
    sbuf_puts(b, "set ytics (");
    for (int i = 0; i < n; i++) {
        label_of(label, bar[i].l);
        longest = strlen(label) > longest ? strlen(label) : longest;
        most = fmax(most, 100 * bar[i].v);
        plot_tic(b, label, i);
    }
    sbuf_printf(
        b,
        ") textcolor rgb '%s'\nset lmargin at screen %.4f\nset rmargin at screen 0.97\nset tmargin at screen "
        "%.4f\nset bmargin at screen %.4f\nset yrange [%d.5:-0.5]\nset xrange [0:%.8g]\nset format x '%%g %%%%'\n"
        "set boxwidth 0.6\n$b << END\n",
        paint_hex(INK), (CHAR_W * (double)longest + 12) / WIDE, 1 - 6.0 / height, 30.0 / height, n - 1,
        most > 0 ? most * 1.08 : 1);
    for (int i = 0; i < n; i++)
        sbuf_printf(b, "%.6g %d %.6g\n", 50 * bar[i].v, i, 50 * bar[i].v);
    sbuf_printf(b, "END\nplot $b using 1:2:3:(0.3) with boxxyerror fc rgb '%s'\n", paint_hex(paint));
    return true;
}

static int collect(struct bar bar[MOST_BARS], const struct dashboard *d,
                   double (*figure)(const struct dashboard_line *))
{
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        struct bar now = {&d->line[i], figure(&d->line[i])};
        if (!(now.v > 0) || (n == MOST_BARS && largest_first(&bar[n - 1], &now) < 0))
            continue;
        bar[n < MOST_BARS ? n++ : n - 1] = now;
        qsort(bar, (size_t)n, sizeof *bar, largest_first);
    }
    return n;
}

static double worst_of(const struct dashboard_line *l)
{
    return l->worst;
}
static double noise_of(const struct dashboard_line *l)
{
    return isfinite(l->noise) ? l->noise : 0;
}

static void put_verticals(struct sbuf *b, const struct dashboard_line *l)
{
    int arrow = 1;
    for (int i = 0; i < l->n_changes; i++)
        sbuf_printf(b, "set arrow %d from first %d,graph 0 to first %d,graph 1 nohead lc rgb '%s' lw 1.5\n", arrow++,
                    l->p[l->change[i].index].night, l->p[l->change[i].index].night,
                    paint_hex(l->change[i].worse ? OVER : PICK));
    for (int i = 1; i < l->n && arrow < 60; i++)
        if (l->p[i].env != l->p[i - 1].env)
            sbuf_printf(b, "set arrow %d from first %d,graph 0 to first %d,graph 1 nohead dt 2 lc rgb '%s' lw 1\n",
                        arrow++, l->p[i].night, l->p[i].night, paint_hex(INK));
}

static void script_of_series(struct sbuf *b, const struct dashboard_line *l)
{
    char label[LABEL + 1], unit[LABEL + 1];
    label_of(label, l);
    plot_clean(unit, l->id.unit, LABEL);
    plot_begin(b, WIDE, 280);
    put_verticals(b, l);
    sbuf_printf(
        b,
        "set grid y lc rgb '%s' lt 1 lw 1\nset title \"%s\" textcolor rgb '%s'\nset ylabel \"%s\" textcolor rgb "
        "'%s'\n",
        paint_hex(LINE), label, paint_hex(INK), unit, paint_hex(MUTED));
    int first = l->p[0].night, days = l->p[l->n - 1].night - first, step = days / 6 > 0 ? days / 6 : 1;
    sbuf_puts(b, "set xtics (");
    for (int day = first; day <= first + days; day += step) {
        char date[16];
        dashboard_date(date, (int64_t)day * 86400);
        sbuf_printf(b, "%s\"%s\" %d", day > first ? ", " : "", date, day);
    }
    sbuf_printf(b, ")\nset xrange [%d:%d]\n$p << END\n", first - 1, first + days + 1);
    for (int i = 0; i < l->n; i++)
        sbuf_printf(b, "%d %.8g %.8g %.8g\n", l->p[i].night, l->p[i].value,
                    isfinite(l->p[i].lo) ? l->p[i].lo : l->p[i].value,
                    isfinite(l->p[i].lo) ? l->p[i].hi - l->p[i].lo : 0);
    sbuf_printf(
        b,
        "END\nplot $p using 1:3:(0):4 with vectors nohead lw 1.5 lc rgb '%s', $p using 1:2 with points pt 7 ps 0.3 lc "
        "rgb '%s'\n",
        paint_hex(SOFT), paint_hex(FRONT));
}

/* Draws the script, if there is one, into a file of that name; 0 or an error. */
static int draw(struct report_files *files, const char *name, struct sbuf *script, struct err *e)
{
    int rc = script->n || script->failed ? plot_draw(report_files_add(files, name), script, e) : 0;
    sbuf_free(script);
    return rc;
}

int dashboard_plots(struct report_files *files, const struct dashboard *d, struct err *e)
{
    struct bar bar[MOST_BARS];
    struct sbuf script = {0};
    int before = files->n;
    script_of_bars(&script, bar, collect(bar, d, worst_of), OVER_BAR);
    int rc = draw(files, "plots/changes.svg", &script, e);
    if (rc == 0) {
        script_of_bars(&script, bar, collect(bar, d, noise_of), FRONT_BAR);
        rc = draw(files, "plots/noise.svg", &script, e);
    }
    for (int i = 0; i < d->n && i < MOST_SERIES && d->line[i].worst_change >= 0 && rc == 0; i++) {
        char name[64];
        snprintf(name, sizeof name, "plots/series-%d.svg", i + 1);
        script_of_series(&script, &d->line[i]);
        rc = draw(files, name, &script, e);
    }
    if (rc < 0) /* all of them or none */
        while (files->n > before)
            sbuf_free(&files->file[--files->n].text);
    return rc;
}
