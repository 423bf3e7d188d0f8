/* The heat map of model x format: every cell holds all figures of heat.def, a choice above the table (plain CSS) shows
 * one of them and its colours. What does not run is hatched and says so, so that colour is not the only sign. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/html_parts.h"
#include "reports/writers.h"

enum { STEPS = 7 };

static double heat_value_d(const struct row *r)
{
    return r->cache_resident ? NAN : r->decode_tok_s;
}

static struct figure heat_text_d(const struct row *r)
{
    return figure_rate(heat_value_d(r));
}

static double heat_value_k(const struct row *r)
{
    return r->reference ? 0 : r->kld;
}

static struct figure heat_text_k(const struct row *r)
{
    return figure_kld(heat_value_k(r));
}

static double heat_value_m(const struct row *r)
{
    return r->peak_bytes >= 0 && r->usable_bytes > 0 ? (double)r->peak_bytes / (double)r->usable_bytes : NAN;
}

static struct figure heat_text_m(const struct row *r)
{
    return figure_rate(r->peak_bytes >= 0 ? (double)r->peak_bytes / 1073741824 : NAN);
}

enum better { HIGH, LOW };
static const struct heat {
    const char *key, *title, *unit;
    enum better better;
    double limit[STEPS - 1];
    double (*value)(const struct row *r);
    struct figure (*text)(const struct row *r);
} heats[] = {
#define H(key, title, unit, better, ...) {#key, title, unit, better, {__VA_ARGS__}, heat_value_##key, heat_text_##key},
#include "reports/heat.def"
#undef H
};
enum { N_HEATS = sizeof heats / sizeof heats[0] };

static int step_of(const struct heat *h, double v)
{
    int step = 0;
    while (step < STEPS - 1 && (h->better == HIGH ? v >= h->limit[step] : v <= h->limit[step]))
        step++;
    return step;
}

/* What stands before a figure that does not run within the limits: a mark, and the word for those who hear the page. */
static const struct sign {
    const char *look, *mark, *words;
} signs[N_OUTCOMES] = {
    [OUTCOME_RUNS] = {"runs", "", "runs within the limits"},
    [OUTCOME_OVER] = {"over", "\xe2\x80\xa0", "over a limit"},
    [OUTCOME_CANNOT] = {"cannot", "\xe2\x9c\x95", "cannot run"},
    [OUTCOME_FAILED] = {"failed", "!", "failed"},
};

static void heat_cell(struct sbuf *out, const struct row *r)
{
    if (!r) {
        sbuf_puts(out, "<td class=\"none\"></td>");
        return;
    }
    enum outcome o = row_outcome(r);
    sbuf_printf(out, "<td class=\"%s", r->recommended ? "best" : o == OUTCOME_RUNS ? "" : signs[o].look);
    for (int h = 0; h < N_HEATS && o != OUTCOME_CANNOT && o != OUTCOME_FAILED; h++)
        if (isfinite(heats[h].value(r)))
            sbuf_printf(out, " %s%d", heats[h].key, step_of(&heats[h], heats[h].value(r)));
    sbuf_puts(out, strcmp(r->speed_from, "measured") == 0 ? "\">" : " est\">");
    if (o != OUTCOME_RUNS)
        sbuf_printf(out, "%s<i class=\"sr\"> %s </i>", signs[o].mark, signs[o].words);
    for (int h = 0; h < N_HEATS; h++) {
        struct figure f = heats[h].text(r);
        html_text(out, "<span>", o != OUTCOME_RUNS && strcmp(f.s, "-") == 0 ? "" : f.s, "</span>");
    }
    sbuf_puts(out, "</td>");
}

static void choices(struct sbuf *out)
{
    sbuf_puts(out, "<fieldset class=\"choice\"><legend>Figure shown and coloured</legend>\n");
    for (int h = 0; h < N_HEATS; h++)
        sbuf_printf(out, "<label><input type=\"radio\" name=\"heat\" id=\"heat-%s\"%s%s> %s</label>\n", heats[h].key,
                    h ? "" : " checked", heats[h].better == HIGH ? " data-high" : "", heats[h].title);
    sbuf_puts(out, "</fieldset>\n");
}

static void swatch(struct sbuf *out, const struct heat *h, int step)
{
    const char *under = h->better == HIGH ? "under" : "over", *over = h->better == HIGH ? "from" : "up to";
    double at = step ? h->limit[step - 1] : h->limit[0];
    sbuf_printf(out, "<li class=\"%s%d\">%s %g</li>", h->key, step, step ? over : under, at);
}

static void heat_legend(struct sbuf *out)
{
    for (int h = 0; h < N_HEATS; h++) {
        sbuf_printf(out, "<ul class=\"steps %s\" aria-label=\"Colours\"><li>%s</li>", heats[h].key, heats[h].unit);
        for (int s = 0; s < STEPS; s++)
            swatch(out, &heats[h], s);
        sbuf_puts(out, "</ul>\n");
    }
    sbuf_puts(out, "<ul class=\"steps\" aria-label=\"Marks\"><li class=\"best\">the pick</li>");
    for (int o = OUTCOME_OVER; o < N_OUTCOMES; o++)
        sbuf_printf(out, "<li class=\"%s\">%s %s</li>", signs[o].look, signs[o].mark, signs[o].words);
    sbuf_puts(out, "<li class=\"est\">12 in italics: speed not measured here</li></ul>\n");
}

static void total(struct sbuf *out, const char *attribute, const struct grid_line *l)
{
    html_text(out, attribute, l->name, "\"");
    sbuf_printf(out, " data-total=\"run\" value=\"%d\">%d</data><span class=\"of\">of %d</span>", l->n_run, l->n_run,
                l->n_cells);
}

static void heat_head(struct sbuf *out, const struct grid *g)
{
    sbuf_puts(out, "<thead><tr><th scope=\"col\" class=\"text\">model</th><th scope=\"col\" data-high>run</th>");
    for (int f = 0; f < g->n_formats; f++) {
        const char *name = g->format[f].name, *scheme = format_scheme(name);
        struct sbuf family = {0};
        sbuf_add(&family, name, (size_t)(scheme - name));
        html_text(out, "<th scope=\"col\" data-high>", sbuf_str(&family), "<wbr>");
        html_text(out, "", scheme, "</th>");
        sbuf_free(&family);
    }
    sbuf_puts(out, "</tr></thead>\n<tbody>\n");
}

static void heat_foot(struct sbuf *out, const struct grid *g)
{
    sbuf_puts(out, "</tbody>\n<tfoot><tr><th scope=\"row\">models that run</th><td></td>");
    for (int f = 0; f < g->n_formats; f++) {
        total(out, "<td><data data-format=\"", &g->format[f]);
        sbuf_puts(out, "</td>");
    }
    sbuf_puts(out, "</tr></tfoot>\n</table>\n</div>\n");
}

void html_heat(struct sbuf *out, const struct report_input *in, const struct grid *g)
{
    if (g->n_models < 2)
        return;
    sbuf_puts(out,
              "<section class=\"heat\">\n<h2>Models and formats</h2>\n<p class=\"lead\">The best row of each model "
              "and format. Models stand in the order of the decision, formats with the most bits first.</p>\n");
    choices(out);
    html_table_begin(out, "Models and formats", "grid sortable");
    heat_head(out, g);
    for (int m = 0; m < g->n_models; m++) {
        html_text(out, "<tr><th scope=\"row\">", g->model[m].name, "</th>");
        total(out, "<td><data data-model=\"", &g->model[m]);
        sbuf_puts(out, "</td>");
        for (int f = 0; f < g->n_formats; f++)
            heat_cell(out, grid_cell(g, m, f) < 0 ? NULL : &in->decision->row[grid_cell(g, m, f)]);
        sbuf_puts(out, "</tr>\n");
    }
    heat_foot(out, g);
    heat_legend(out);
    sbuf_puts(out, "</section>\n");
}
