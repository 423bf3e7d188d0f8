/* The dashboard's page: the head is written here and can be read without a script; the views are drawn by
 * assets/dashboard.js from the data at the page's end. */
#include <math.h>
#include <string.h>
#include "reports/dashboard.h"
#include "reports/escape.h"
#include "reports/html_parts.h"
#include "reports/writers.h"

extern const char asset_dashboard_style[], asset_dashboard[];
enum { MOST_LISTED = 6 };

/* A shape a state, drawn once: colours alone tell nobody apart. Index: enum change_state; the last for a change of
 * state new for the better. */
static const char *const shapes[] = {"M-5-4H5L0 5z",
                                     "M0-5.5 5.5 0 0 5.5-5.5 0z",
                                     "M0-4.6A4.6 4.6 0 0 1 0 4.6 4.6 4.6 0 0 1 0-4.6z",
                                     "M-4-4 4 4M4-4-4 4",
                                     "M-4-4H4V4H-4z",
                                     "M-5 4H5L0-5z"};

static void put_symbols(struct sbuf *out)
{
    sbuf_puts(out, "<svg class=\"symbols\" width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\">");
    for (int i = 0; i <= N_CHANGE_STATES; i++)
        sbuf_printf(out, "<symbol id=\"mark-%s\" viewBox=\"-7 -7 14 14\"><path d=\"%s\"/></symbol>",
                    i < N_CHANGE_STATES ? change_state_name((enum change_state)i) : "up", shapes[i]);
    sbuf_puts(out, "</svg>\n");
}

static void put_mark(struct sbuf *out, enum change_state state, bool worse)
{
    const char *name = change_state_name(state);
    sbuf_printf(out, "<svg class=\"mark s-%s %s\" aria-hidden=\"true\"><use href=\"#mark-%s\"/></svg>", name,
                worse ? "worse" : "better", state == CHANGE_NEW && !worse ? "up" : name);
}

static void put_legend(struct sbuf *out)
{
    static const char *const meaning[] = {
        "worse, not answered yet", "seen, being looked into", "meant, stays", "no real change", "mended",
        "better, not answered yet"};
    sbuf_puts(out, "<ul class=\"legend marks\" aria-label=\"Marks of changes\">\n");
    for (int i = 0; i <= N_CHANGE_STATES; i++) { /* after the states: new, for the better */
        enum change_state state = i < N_CHANGE_STATES ? (enum change_state)i : CHANGE_NEW;
        sbuf_puts(out, "<li>");
        put_mark(out, state, i < N_CHANGE_STATES);
        sbuf_printf(out, " <b>%s</b> %s</li>\n", change_state_name(state), meaning[i]);
    }
    sbuf_puts(out, "<li>hollow: for the better</li>\n</ul>\n");
}

/* --- the head --- */
static void put_date(struct sbuf *out, int64_t time)
{
    char date[16];
    dashboard_date(date, time);
    sbuf_printf(out, "<time datetime=\"%s\">%s</time>", date, date);
}

static void put_figure(struct sbuf *out, const char *name, const char *value, const char *range)
{
    sbuf_printf(out, "<div><dt>%s</dt>", name);
    html_text(out, "<dd>", value, "</dd>");
    if (*range)
        html_text(out, "<dd class=\"range\">", range, "</dd>");
    sbuf_puts(out, "</div>\n");
}

static void put_count(struct sbuf *out, const char *name, long long n, const char *range)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", n);
    put_figure(out, name, text, range);
}

static int n_differing(const struct dashboard *d, size_t at)
{
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        int k = 0;
        while (k < i && strcmp((const char *)&d->line[k].id + at, (const char *)&d->line[i].id + at) != 0)
            k++;
        n += k == i;
    }
    return n;
}

static void put_figures(struct sbuf *out, const struct dashboard *d)
{
    char date[16], text[96];
    sbuf_puts(out, "<dl class=\"figures\">\n");
    dashboard_date(date, d->last);
    snprintf(text, sizeof text, "not in it: %d series; failed since their last run: %d", d->n_late, d->n_failed);
    put_figure(out, "Last night with runs", date, d->n_late || d->n_failed ? text : "every series was in it");
    int n_metrics = n_differing(d, offsetof(struct series, metric));
    snprintf(text, sizeof text, "%d metric%s, %lld run%s", n_metrics, n_metrics == 1 ? "" : "s", (long long)d->n_points,
             d->n_points == 1 ? "" : "s");
    put_count(out, "Series", d->n, text);
    dashboard_date(date, d->first);
    snprintf(text, sizeof text, "since %s", date);
    put_count(out, "Nights", d->n_nights, text);
    if (d->cadence > 1)
        snprintf(text, sizeof text, "where every %d days had a run", d->cadence);
    else
        snprintf(text, sizeof text, "%s", d->cadence ? "without any run" : "too few nights to tell");
    put_count(out, "Missing nights", d->n_missing, text);
    put_count(out, "Better", d->n_better, "series with an open change for the better");
    sbuf_puts(out, "</dl>\n");
}

static void put_open(struct sbuf *out, const struct dashboard *d)
{
    sbuf_puts(out, "<ol class=\"open-changes\">\n");
    for (int i = 0; i < d->n && i < MOST_LISTED && d->line[i].worst_change >= 0; i++) {
        const struct dashboard_line *l = &d->line[i];
        const struct dashboard_change *c = &l->change[l->worst_change];
        struct sbuf name = {0}, effect = {0};
        dashboard_line_name(&name, l);
        dashboard_say_effect(&effect, l, c->c.effect);
        sbuf_puts(out, "<li>");
        put_mark(out, c->c.state, true);
        sbuf_printf(out, "<a href=\"#s/%s\">", l->key);
        escape_html(out, sbuf_str(&name));
        html_text(out, "</a> <b>", sbuf_str(&effect), "</b> <span>since ");
        put_date(out, c->c.time);
        sbuf_printf(out, ", %s</span></li>\n", change_state_name(c->c.state));
        out->failed = out->failed || name.failed || effect.failed;
        sbuf_free(&name);
        sbuf_free(&effect);
    }
    sbuf_puts(out, "</ol>\n");
    if (d->n_worse > MOST_LISTED)
        sbuf_printf(out, "<p class=\"lead\">And %d more: below, by the state &ldquo;open&rdquo;.</p>\n",
                    d->n_worse - MOST_LISTED);
}

static void put_head(struct sbuf *out, const struct dashboard *d)
{
    sbuf_printf(out, "<section class=\"answer%s\">\n<p class=\"kicker\">Dashboard</p>\n<h1>",
                d->n == 0    ? " open"
                : d->n_worse ? " no"
                             : "");
    if (d->n == 0)
        sbuf_puts(out,
                  "Nothing has been measured yet</h1>\n<p class=\"why\">The store has no series: "
                  "<code>whichquant nightly</code> measures the first night, <code>whichquant import</code> brings "
                  "figures from elsewhere.</p>\n");
    else if (d->n_worse)
        sbuf_printf(out,
                    "%d of %d series got worse</h1>\n<p class=\"why\">Changes that nobody has accepted and that "
                    "have not gone away, the largest first.</p>\n",
                    d->n_worse, d->n);
    else
        sbuf_printf(out,
                    "No regression is open</h1>\n<p class=\"why\">No change for the worse in %d series waits for an "
                    "answer.</p>\n",
                    d->n);
    if (d->n_worse)
        put_open(out, d);
    if (d->n)
        put_figures(out, d);
    sbuf_puts(out, "</section>\n");
}

/* --- the views' frame; empty lists are filled by the script --- */
static void put_choice(struct sbuf *out, const char *id, const char *label)
{
    sbuf_printf(out, "<label>%s <select id=\"by-%s\"><option value=\"\">all</option></select></label>\n", label, id);
}

static void put_tools(struct sbuf *out, const struct dashboard *d)
{
    sbuf_puts(out, "<nav class=\"tabs\" aria-label=\"Views\" hidden>\n<a href=\"#grid\">Cells and nights</a>\n");
    if (*d->release)
        html_text(out, "<a href=\"#release\">Since ", d->release, "</a>\n");
    sbuf_puts(out,
              "<a href=\"#noise\">Worst noise</a>\n</nav>\n<form class=\"tools\" id=\"tools\" hidden "
              "aria-label=\"What is shown\">\n<label>Search <input type=\"search\" id=\"words\" autocomplete=\"off\" "
              "spellcheck=\"false\"></label>\n");
    static const char *const choice[][2] = {{"metric", "Metric"},       {"model", "Model"},   {"format", "Format"},
                                            {"framework", "Framework"}, {"device", "Device"}, {"state", "State"}};
    for (size_t i = 0; i < sizeof choice / sizeof choice[0]; i++)
        put_choice(out, choice[i][0], choice[i][1]);
    sbuf_puts(out, "<label>Nights <select id=\"nights\"><option value=\"0\">all</option><option value=\"30\">last "
                   "30</option><option value=\"90\">last 90</option><option value=\"365\">last "
                   "365</option></select></label>\n<label id=\"order-label\">Order <select id=\"order\"><option "
                   "value=\"worst\">worst change</option><option value=\"noise\">noise</option><option "
                   "value=\"newest\">newest change</option><option value=\"name\">name</option></select></label>\n"
                   "<output id=\"count\" aria-live=\"polite\"></output>\n</form>\n");
}

int report_dashboard_html(struct sbuf *out, const struct dashboard *d, struct err *e)
{
    html_page_begin_with(out, "whichquant dashboard", d->generated_at, asset_dashboard_style, asset_dashboard);
    put_symbols(out);
    put_head(out, d);
    if (d->n) {
        put_tools(out, d);
        put_legend(out);
        sbuf_puts(out,
                  "<section id=\"view\"></section>\n<noscript><p class=\"lead\">The grid, the series and the noise "
                  "are drawn by a script of this page.</p></noscript>\n");
    }
    sbuf_puts(out, "<footer><span>whichquant " WHICHQUANT_VERSION "</span><span>Intervals: of the median of a run's "
                   "repetitions, 95&nbsp;% where there are six or more, else their range.</span></footer>\n");
    sbuf_puts(out, "<script type=\"application/json\" id=\"data\">");
    dashboard_write_data(out, d);
    sbuf_puts(out, "</script>\n");
    html_page_end_with(out, asset_dashboard);
    return report_end(out, "the dashboard", e);
}
