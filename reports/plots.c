/* The pictures: what all share, gnuplot run as a child, and what happens to its SVG: colours become CSS variables, ids
 * get a prefix. The scripts are in plot_pareto.c and plot_bars.c. */
#include "reports/plot_parts.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "matrix/figures.h"
#include "reports/writers.h"

static const struct {
    const char *hex, *variable;
} palette[N_PAINTS] = {
    [PICK] = {"#0b7a75", "--pick"},
    [FRONT] = {"#3b6fb6", "--front"},
    [FRONT_BAR] = {"#8fafd8", "--front-bar"},
    [BEATEN] = {"#98a2ad", "--beaten"},
    [BEATEN_BAR] = {"#c5ccd4", "--beaten-bar"},
    [OVER] = {"#9a6210", "--over"},
    [OVER_BAR] = {"#e2c48c", "--over-bar"},
    [INK] = {"#1f2933", "--ink"},
    [MUTED] = {"#5d6976", "--muted"},
    [LINE] = {"#dce1e7", "--line"},
    [SOFT] = {"#b9cde8", "--soft"},
    [FAINT] = {"#e3e7ec", "--faint"},
};
static const struct {
    const char *look;
    enum paint point, bar;
} paints[] = {{"pick", PICK, PICK}, {"front", FRONT, FRONT_BAR}, {"over", OVER, OVER_BAR}, {"veto", OVER, OVER_BAR}};

static enum paint paint_of(const char *look, bool bar)
{
    for (size_t i = 0; i < sizeof paints / sizeof paints[0]; i++)
        if (strcmp(paints[i].look, look) == 0)
            return bar ? paints[i].bar : paints[i].point;
    return bar ? BEATEN_BAR : BEATEN;
}

const char *paint_hex(enum paint p)
{
    return palette[p].hex;
}
const char *point_color(const char *look)
{
    return paint_hex(paint_of(look, false));
}
const char *bar_color(const char *look)
{
    return paint_hex(paint_of(look, true));
}

int plot_rows(const struct report_input *in, const struct row *shown[MOST_ROWS])
{
    const struct decision *d = in->decision;
    int n = 0, group = d->recommended >= 0 ? d->row[d->recommended].group : d->n_rows ? d->row[0].group : 0;
    for (int i = 0; i < d->n_rows && n < MOST_ROWS; i++)
        if (d->row[i].ran && !d->row[i].own && d->row[i].group == group)
            shown[n++] = &d->row[i];
    return n;
}

bool plot_one_framework(const struct row *const *r, int n)
{
    for (int i = 1; i < n; i++)
        if (strcmp(row_place(r[i]).s, row_place(r[0]).s) != 0)
            return false;
    return true;
}

void plot_clean(char *out, const char *text, int most)
{
    int n = 0;
    for (const char *c = text; *c && n < most; c++)
        out[n++] = isalnum((unsigned char)*c) || strchr("_.,:@=+-/% ", *c) ? *c : '?';
    out[n] = 0;
}

void plot_tic(struct sbuf *b, const char *label, int at)
{
    sbuf_puts(b, at ? ", \"" : "\"");
    for (const char *c = label; *c; c++)
        sbuf_puts(b, (char[]){*c, *c == '%' ? '%' : 0, 0});
    sbuf_printf(b, "\" %d", at);
}

void plot_label(char out[64], const struct row *r, bool with_framework)
{
    char text[128];
    snprintf(text, sizeof text, with_framework ? "%s, %s" : "%s", format_scheme(r->format), row_place(r).s);
    plot_clean(out, text, 34);
}

void plot_model_label(char out[64], const struct row *r, int most)
{
    char text[128];
    snprintf(text, sizeof text, "%.*s %s", most, r->model, format_scheme(r->format));
    plot_clean(out, text, 60);
}

void plot_begin(struct sbuf *b, int width, int height)
{
    sbuf_printf(b, "set terminal svg size %d,%d dynamic noenhanced font 'sans-serif,%d'\n", width, height, FONT);
    sbuf_printf(b, "set border 0\nset tics nomirror scale 0 textcolor rgb '%s'\n", paint_hex(MUTED));
    sbuf_printf(b, "set grid x lc rgb '%s' lt 1 lw 1\nunset key\nset style fill solid 1 noborder\n", paint_hex(LINE));
}

void plot_kld_axis(struct sbuf *b)
{
    sbuf_puts(b, "set logscale x\nset xtics (\"0.0001\" 1e-4, \"0.001\" 1e-3, \"0.01\" 1e-2, \"0.1\" 0.1, \"1\" 1, "
                 "\"10\" 10)\n");
}

const struct plot plots[] = {
#define P(name, title, caption) {#name, title, caption, script_##name},
#include "reports/plots.def"
#undef P
};
const int n_plots = (int)(sizeof plots / sizeof plots[0]);

/* --- gnuplot and its SVG --- */
static const char *variable_of(const char *rgb, const char **end)
{
    int c[3];
    const char *p = rgb + 4;
    for (int i = 0; i < 3; i++) {
        char *stop;
        c[i] = (int)strtol(p, &stop, 10);
        if (stop == p)
            return NULL;
        p = stop + strspn(stop, ", )");
    }
    for (int i = 0; i < N_PAINTS; i++) {
        long rgb24 = strtol(palette[i].hex + 1, NULL, 16);
        if (rgb24 == ((long)c[0] << 16 | (long)c[1] << 8 | c[2])) {
            *end = p;
            return palette[i].variable;
        }
    }
    return NULL;
}

/* The drawing for a page: no prolog, no title that would pop up, ids of its own, colours that follow the page. */
static void adapt(struct sbuf *out, const char *svg, const char *name)
{
    /* from, to; what gnuplot says again and again, the style sheet says once */
    static const char *const drop[][2] = {
        {"<title>", "</title>"},
        {"<desc>", "</desc>"},
        {"<filter", "</filter>"},
        {" stroke=\"currentColor\" stroke-width=\"1.00\" stroke-linecap=\"butt\" stroke-linejoin=\"miter", "\""},
        {" fill=\"none\" color=\"black", "\""},
        {" font-family=\"sans-serif\" font-size=\"13.00", "\""}};
    enum { N_DROPS = sizeof drop / sizeof drop[0] };
    for (const char *p = svg, *end; *p;) {
        const char *variable;
        bool dropped = false;
        for (int i = 0; i < N_DROPS && !dropped; i++)
            if (strncmp(p, drop[i][0], strlen(drop[i][0])) == 0 && (end = strstr(p + strlen(drop[i][0]), drop[i][1])))
                p = end + strlen(drop[i][1]), dropped = true;
        if (!dropped && strncmp(p, "<g ", 3) == 0 && (end = strchr(p, '>')) && /* an empty group */
            strncmp(end + 1 + strspn(end + 1, " \t\r\n"), "</g>", 4) == 0)
            p = strstr(end, "</g>") + 4, dropped = true;
        if (dropped)
            continue;
        if (strncmp(p, "rgb(", 4) == 0 && (variable = variable_of(p, &end))) {
            sbuf_printf(out, "var(%s)", variable);
            p = end;
        } else if (strncmp(p, "\"black\"", 7) == 0 || strncmp(p, "'black'", 7) == 0) {
            sbuf_puts(out, "\"var(--ink)\"");
            p += 7;
        } else if (strncmp(p, " id=", 4) == 0 || strncmp(p, "\tid=", 4) == 0) {
            sbuf_printf(out, "%.5s%s-", p, name);
            p += 5;
        } else if (strncmp(p, "href='#", 7) == 0) {
            sbuf_printf(out, "%.7s%s-", p, name);
            p += 7;
        } else if (strncmp(p, "url(#", 5) == 0) {
            sbuf_printf(out, "%.5s%s-", p, name);
            p += 5;
        } else if (isspace((unsigned char)*p)) {
            sbuf_putc(out, ' ');
            p += strspn(p, " \t\r\n");
        } else {
            sbuf_putc(out, *p++);
        }
    }
}

static int run_gnuplot(const char *script, struct child_result *r, struct err *e)
{
    char *path = program_find("gnuplot");
    if (!path)
        return err_set(
            e, ERR_MISSING,
            "gnuplot is not installed, so the report has no pictures; apt install gnuplot-nox gives it them");
    const char *argv[] = {path, "-d", NULL};
    struct child_cmd cmd = {.argv = argv,
                            .stdin_text = script,
                            .timeout_ms = 15000,
                            .max_output = (size_t)1 << 20,
                            .after_interrupt = true};
    int rc = child_run(&cmd, r, e);
    if (rc == 0 && r->timed_out)
        rc = err_set(e, ERR_TIMEOUT, "gnuplot took longer than 15 s, so the report has no pictures");
    else if (rc == 0 && (r->exit_code != 0 || !strstr(r->out, "</svg>")))
        rc = err_set(e, ERR_CRASHED, "gnuplot drew nothing (exit code %d), so the report has no pictures: %.200s",
                     r->exit_code, r->err);
    mem_free(path);
    return rc;
}

int plot_draw(struct sbuf *out, const struct sbuf *script, struct err *e)
{
    struct child_result r = {0};
    int rc = script->failed ? err_nomem(e, script->n, "a plot") : run_gnuplot(sbuf_str(script), &r, e);
    if (rc == 0 && r.out)
        sbuf_puts(out, r.out);
    child_result_free(&r);
    return rc;
}

int plot_svg(struct sbuf *out, const struct plot *p, const struct report_input *in, bool for_page, struct err *e)
{
    struct sbuf script = {0};
    struct child_result r = {0};
    int rc = 0;
    if (p->script(&script, in))
        rc = script.failed ? err_nomem(e, script.n, "a plot") : run_gnuplot(sbuf_str(&script), &r, e);
    bool drawn = rc == 0 && r.out;
    if (drawn && for_page)
        adapt(out, strstr(r.out, "<svg"), p->name);
    else if (drawn)
        sbuf_puts(out, r.out);
    child_result_free(&r);
    sbuf_free(&script);
    return rc < 0 ? rc : drawn;
}

int plots_render(struct report_files *files, const struct report_input *in, struct err *e)
{
    int rc = 0, before = files->n;
    for (int i = 0; i < n_plots && rc >= 0; i++) {
        char name[64];
        struct sbuf svg = {0};
        snprintf(name, sizeof name, "plots/%s.svg", plots[i].name);
        rc = plot_svg(&svg, &plots[i], in, false, e);
        if (rc == 1)
            *report_files_add(files, name) = svg;
        else
            sbuf_free(&svg);
    }
    if (rc < 0) /* all of them or none */
        while (files->n > before)
            sbuf_free(&files->file[--files->n].text);
    return rc < 0 ? rc : 0;
}

int plots_settle(int rc, const struct err *why, void (*warn)(void *arg, const char *sentence), void *arg, struct err *e)
{
    if (rc != ERR_MISSING && rc != ERR_TIMEOUT && rc != ERR_CRASHED)
        return rc < 0 ? err_set(e, rc, "%s", why->text) : 0;
    if (warn)
        warn(arg, why->text);
    return 0;
}
