/* report.html: one file that opens offline and loads nothing. The answer as headline, pictures, the sortable table,
 * risks, and behind each row where its figures come from. Every string from outside goes through escape_html; the
 * policy in the head lets no script run but the one whose hash it names. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/html_parts.h"
#include "reports/plots.h"
#include "reports/writers.h"

/* --- the answer --- */
static void tile(struct sbuf *out, const char *name, const char *value, const char *unit, const char *below)
{
    if (strcmp(value, "-") == 0)
        return;
    sbuf_printf(out, "<div><dt>%s</dt><dd>", name);
    escape_html(out, value);
    if (*unit)
        sbuf_printf(out, " <span class=\"unit\">%s</span>", unit);
    sbuf_puts(out, "</dd>");
    if (*below) {
        sbuf_puts(out, "<dd class=\"range\">");
        escape_html(out, below);
        sbuf_puts(out, "</dd>");
    }
    sbuf_puts(out, "</div>\n");
}

static const char *text_of(struct sbuf *b)
{
    return sbuf_str(b);
}

static void tiles(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    const struct row *r = &d->row[d->recommended];
    const int asked = in->request->want.n_prompt; /* which the time is of, also where a shorter one was run */
    struct sbuf b = {0};
    sbuf_puts(out, "<dl class=\"figures\">\n");
    if (!r->cache_resident) {
        struct figure range = figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi);
        sbuf_printf(&b, "%s%s%s", range.s, *range.s ? ", " : "", provenance_label(r->speed_from));
        tile(out, "Generation", figure_rate(r->decode_tok_s).s, "tok/s", text_of(&b));
        sbuf_free(&b);
        sbuf_printf(&b, "prompt of %lld tokens", asked > 0 ? asked : (long long)r->n_prompt);
        tile(out, "First token", figure_ms(r->ttft_ms).s, "", r->n_prompt > 0 ? text_of(&b) : "");
        sbuf_free(&b);
    }
    tile(out, "Loss (KLD)", r->reference ? "0" : figure_kld(r->kld).s, "", d->plain_quality);
    sbuf_printf(&b, "%s bits per weight", figure_rate(r->effective_bpw).s);
    tile(out, "Size", figure_bytes(r->weights_bytes).s, "", isfinite(r->effective_bpw) ? text_of(&b) : "");
    sbuf_free(&b);
    if (r->usable_bytes >= 0)
        sbuf_printf(&b, "of %s, context %lld", figure_bytes(r->usable_bytes).s, (long long)r->ctx);
    tile(out, "Peak memory", figure_bytes(r->peak_bytes).s, "", text_of(&b));
    sbuf_free(&b);
    sbuf_puts(out, "</dl>\n");
}

static void paragraph(struct sbuf *out, const char *class, const char *text)
{
    if (!*text)
        return;
    sbuf_printf(out, "<p class=\"%s\">", class);
    escape_html(out, text);
    sbuf_puts(out, "</p>\n");
}

/* several: models, so the pick is one of them in a format. */
static void answer_pick(struct sbuf *out, const struct report_input *in, bool several)
{
    const struct decision *d = in->decision;
    const struct row *r = &d->row[d->recommended];
    bool tie = strcmp(d->verdict, "tie") == 0;
    struct sbuf why = {0};
    sbuf_printf(out, "<section class=\"answer\">\n<p class=\"kicker\">%s</p>\n<h1>",
                !tie        ? "Use this"
                : d->across ? "Use one of these, the best score first"
                            : "Use one of these, the smallest first");
    if (several)
        html_text(out, "", r->model, " <span class=\"in\">in</span> ");
    escape_html(out, row_format_said(r));
    sbuf_puts(out, " <span class=\"on\">on ");
    escape_html(out, row_place(r).s);
    sbuf_puts(out, "</span></h1>\n");
    sbuf_printf(&why, "%s%s%s.", d->reason, *d->plain_quality ? ": " : "", d->plain_quality);
    if (why.p && why.p[0] >= 'a' && why.p[0] <= 'z')
        why.p[0] = (char)(why.p[0] - 'a' + 'A');
    paragraph(out, "why", sbuf_str(&why));
    sbuf_free(&why);
    paragraph(out, "why", d->confidence);
    tiles(out, in);
    if (*d->command) {
        sbuf_puts(out, "<div class=\"command\"><pre tabindex=\"0\"><code>");
        escape_html(out, d->command);
        sbuf_puts(out, "</code></pre></div>\n");
    }
    sbuf_puts(out, "</section>\n");
}

static void answer(struct sbuf *out, const struct report_input *in, bool several)
{
    const struct decision *d = in->decision;
    if (d->recommended >= 0) {
        answer_pick(out, in, several);
        return;
    }
    bool open = strcmp(d->verdict, "undecided") == 0;
    sbuf_printf(out, "<section class=\"answer %s\">\n<p class=\"kicker\">%s</p>\n<h1>", open ? "open" : "no",
                open ? "Undecided" : "Nothing fits");
    escape_html(out, d->headline);
    sbuf_puts(out, "</h1>\n");
    paragraph(out, "why", d->reason);
    if (*d->nearest) {
        sbuf_puts(out, "<p class=\"why\">Nearest that fits: <b>");
        escape_html(out, d->nearest);
        sbuf_puts(out, "</b></p>\n");
    }
    sbuf_puts(out, "</section>\n");
}

/* --- lists --- */
/* "KLD under 0.01: gguf/q8_0": the part before the colon stands out. */
static void items(struct sbuf *out, const char *title, const char *const *s, int n)
{
    if (n == 0)
        return;
    sbuf_printf(out, "<div><h2>%s</h2>\n<ul>\n", title);
    for (int i = 0; i < n; i++) {
        const char *colon = strstr(s[i], ": ");
        struct sbuf first = {0};
        if (colon)
            sbuf_add(&first, s[i], (size_t)(colon - s[i]));
        sbuf_puts(out, colon ? "<li><b>" : "<li>");
        escape_html(out, sbuf_str(&first));
        sbuf_puts(out, colon ? "</b><br>" : "");
        escape_html(out, colon ? colon + 2 : s[i]);
        sbuf_puts(out, "</li>\n");
        sbuf_free(&first);
    }
    sbuf_puts(out, "</ul></div>\n");
}

static void risk_items(struct sbuf *out, const struct decision *d)
{
    if (d->n_risks == 0)
        return;
    sbuf_puts(out, "<div><h2>Risks</h2>\n<ul>\n");
    for (int i = 0; i < d->n_risks; i++) {
        sbuf_puts(out, "<li class=\"risk\">");
        escape_html(out, d->risk[i].text);
        sbuf_puts(out, "<span class=\"fix\">");
        escape_html(out, d->risk[i].mitigation);
        sbuf_puts(out, "</span></li>\n");
    }
    sbuf_puts(out, "</ul></div>\n");
}

static void options(struct sbuf *out, const struct decision *d)
{
    const char *second[] = {d->runner_up_reason};
    sbuf_puts(out, "<section class=\"cards\">\n");
    items(out, "At other limits", d->neighbours, d->n_neighbours);
    items(out, "What would change the answer", d->changes, d->n_changes);
    items(out, "Runner-up", second, *d->runner_up_reason ? 1 : 0);
    sbuf_puts(out, "</section>\n");
}

static void cautions(struct sbuf *out, const struct decision *d)
{
    sbuf_puts(out, "<section class=\"cards\">\n");
    risk_items(out, d);
    items(out, "Left open", d->undecided, d->n_undecided);
    items(out, "Notes", d->note, d->n_notes);
    sbuf_puts(out, "</section>\n");
}

/* --- pictures --- */
static int pictures(struct sbuf *out, const struct report_input *in, struct err *e)
{
    struct sbuf svg[8] = {{0}};
    int drawn = 0, rc = 0;
    for (int i = 0; i < n_plots && i < 8 && rc >= 0; i++) {
        rc = plot_svg(&svg[i], &plots[i], in, true, e);
        drawn += rc == 1;
    }
    if (drawn > 0)
        sbuf_puts(out, "<section>\n<h2>Quality, speed and memory</h2>\n<div class=\"plots\">\n");
    for (int i = 0; i < n_plots && i < 8; i++) {
        if (svg[i].n > 0 && drawn > 0) {
            sbuf_printf(out, "<figure role=\"img\" aria-label=\"%s\">\n<figcaption><b>%s</b>%s</figcaption>\n",
                        plots[i].title, plots[i].title, plots[i].caption);
            sbuf_add(out, svg[i].p, svg[i].n);
            sbuf_puts(out, "</figure>\n");
        }
        out->failed = out->failed || svg[i].failed;
        sbuf_free(&svg[i]);
    }
    if (drawn > 0)
        sbuf_puts(out, "</div>\n<ul class=\"key\"><li class=\"pick\">the pick</li><li>on the front</li><li "
                       "class=\"beaten\">beaten</li>"
                       "<li class=\"over\">over a limit</li></ul>\n</section>\n");
    return rc == ERR_NOMEM || rc == ERR_CANCELLED ? rc : 0; /* no gnuplot, no pictures */
}

static void foot(struct sbuf *out, const struct report_input *in)
{
    struct sbuf csv = {0};
    sbuf_puts(out, "<footer><span>whichquant " WHICHQUANT_VERSION "</span><span class=\"download\"><a ");
    if (report_csv(&csv, in, NULL) == 0 && out->n + 4 * csv.n / 3 <= PAGE_BYTES - AFTER_EVIDENCE_BYTES) {
        sbuf_puts(out, "download=\"matrix.csv\" href=\"data:text/csv;base64,");
        escape_base64(out, csv.p, csv.n);
    } else {
        sbuf_puts(out, "href=\"matrix.csv"); /* beside this page */
    }
    sbuf_puts(out, "\">Table as CSV</a></span>");
    sbuf_free(&csv);
    sbuf_puts(
        out,
        "<span>KLD: mean Kullback-Leibler divergence from the reference, in nats. Intervals: 95 %.</span></footer>\n");
    html_page_end(out);
}

int report_html(struct sbuf *out, const struct report_input *in, struct err *e)
{
    const struct decision *d = in->decision;
    struct grid g;
    int rc = grid_make(&g, d, e);
    if (rc == 0) {
        struct sbuf title = {0};
        report_title(&title, in);
        html_page_begin(out, sbuf_str(&title), d->n_rows ? d->row[0].date : "");
        sbuf_free(&title);
        answer(out, in, g.n_models > 1);
        options(out, d);
        rc = html_brief(out, in, e);
    }
    if (rc == 0) {
        html_heat(out, in, &g);
        rc = pictures(out, in, e);
    }
    if (rc == 0) {
        html_table(out, in, &g);
        cautions(out, d);
        html_device(out, in, &g);
    }
    grid_free(&g);
    if (rc < 0)
        return rc;
    html_claims(out, in);
    html_evidence(out, in);
    foot(out, in);
    return report_end(out, "the page", e);
}
