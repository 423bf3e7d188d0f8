/* The table of report.html: every row of the decision but the own engine's, one column a row of the table below. It
 * can be read as it is; table.js lets it be sorted and filtered. Ends of cells and rows are implied, as HTML has it:
 * with sixty models in twenty formats they would be a tenth of the page. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/html_parts.h"
#include "reports/writers.h"

struct facts { /* of the decision, that decide which columns there are */
    bool models, frameworks, tasks, scores;
    struct range_scale scale;
};

/* --- cells --- */
/* A figure, by which the script sorts, and smaller below it the range and the provenance. */
static void number(struct sbuf *out, const char *shown, const char *below, const char *from)
{
    html_text(out, "<td>", shown, "");
    if (*below || (*from && strcmp(from, "measured") != 0)) {
        html_text(out, "<span class=\"of\">", below, "");
        html_badge(out, from);
        sbuf_puts(out, "</span>");
    }
}

static void cell_decode(struct sbuf *out, const struct facts *f, const struct row *r)
{
    struct sbuf range = {0};
    if (r->cache_resident) {
        number(out, "in cache", "", "");
        return;
    }
    html_text(out, "<td>", figure_rate(r->decode_tok_s).s, "");
    html_add_range(&range, r->decode_tok_s_lo, r->decode_tok_s_hi);
    html_text(out, "<span class=\"of\">", sbuf_str(&range), "");
    html_badge(out, r->speed_from);
    sbuf_puts(out, "</span>");
    html_range(out, &f->scale, r->decode_tok_s_lo, r->decode_tok_s, r->decode_tok_s_hi);
    sbuf_free(&range);
}

static const char *half_width(struct sbuf *b, const struct row *r)
{
    double spread = fmax(r->kld_hi - r->kld, r->kld - r->kld_lo);
    if (spread > 0.5 * r->kld && !r->reference) {
        sbuf_printf(b, "%s to %s", figure_kld(r->kld_lo).s, figure_kld(r->kld_hi).s);
        return sbuf_str(b);
    }
    struct figure half = figure_half(r->kld, spread);
    if (*half.s && !r->reference)
        sbuf_printf(b, "\xc2\xb1%s", half.s);
    return sbuf_str(b);
}

static void cell_kld(struct sbuf *out, const struct facts *f, const struct row *r)
{
    struct sbuf half = {0};
    (void)f;
    number(out, r->reference ? "reference" : figure_kld(r->kld).s, half_width(&half, r),
           r->reference ? "" : r->quality_from);
    sbuf_free(&half);
}

static void cell_top(struct sbuf *out, const struct facts *f, const struct row *r)
{
    (void)f;
    number(out, figure_percent(r->top1_agreement).s, "", "");
}

/* The accuracy kept, its interval below. */
static void cell_tasks(struct sbuf *out, const struct facts *f, const struct row *r)
{
    struct sbuf range = {0};
    (void)f;
    html_add_range(&range, 100 * r->task_share_lo, 100 * r->task_share_hi);
    number(out, figure_percent(r->task_share).s, sbuf_str(&range), "");
    sbuf_free(&range);
}

static void cell_score(struct sbuf *out, const struct facts *f, const struct row *r)
{
    struct sbuf range = {0};
    (void)f;
    html_add_figure(&range, figure_score_range(r->task_score_lo, r->task_score_hi).s);
    number(out, figure_score(r->task_score).s, sbuf_str(&range), r->task_from);
    sbuf_free(&range);
}

static void cell_size(struct sbuf *out, const struct facts *f, const struct row *r)
{
    (void)f;
    number(out, figure_bytes(r->weights_bytes).s, "", "");
}

static void cell_memory(struct sbuf *out, const struct facts *f, const struct row *r)
{
    (void)f;
    number(out, figure_bytes(r->peak_bytes).s, "", "");
}

static void cell_prefill(struct sbuf *out, const struct facts *f, const struct row *r)
{
    bool timed = !r->cache_resident;
    (void)f;
    number(out, timed ? figure_rate(r->prefill_tok_s).s : "-", "", "");
}

static void cell_first(struct sbuf *out, const struct facts *f, const struct row *r)
{
    bool timed = !r->cache_resident;
    (void)f;
    number(out, timed ? figure_ms(r->ttft_ms).s : "-", "", "");
}

static void cell_format(struct sbuf *out, const struct facts *f, const struct row *r)
{
    const char *look = verdict_look(r);
    html_text(out, "<th scope=\"row\">", r->format, "");
    escape_html(out, r->kv_note);
    sbuf_printf(out, "<br><span class=\"tag %s\">%s</span>", look, verdict_label(r));
    if (!f->frameworks)
        html_text(out, " <span class=\"with\">", row_place(r).s, "</span>");
}

static void cell_rank(struct sbuf *out, const struct facts *f, const struct row *r)
{
    (void)f;
    sbuf_printf(out, "<td>%lld", (long long)r->rank);
}

static void cell_model(struct sbuf *out, const struct facts *f, const struct row *r)
{
    (void)f;
    html_text(out, "<td>", r->model, "");
}

static void cell_framework(struct sbuf *out, const struct facts *f, const struct row *r)
{
    (void)f;
    html_text(out, "<td>", row_place(r).s, "");
}

static void cell_why(struct sbuf *out, const struct facts *f, const struct row *r)
{
    (void)f;
    html_text(out, "<td>", r->reason, "");
}

/* --- columns --- */
enum only { ALWAYS, MODELS, FRAMEWORKS, TASKS, SCORES };
static const struct table_column {
    const char *heading, *attributes; /* text: left; data-high: the best first where more is better */
    enum only only;                   /* where rows differ in it, or have it at all */
    void (*cell)(struct sbuf *out, const struct facts *f, const struct row *r);
} table_columns[] = {
    {"format", " class=\"text\"", ALWAYS, cell_format},
    {"#", "", ALWAYS, cell_rank},
    {"model", " class=\"text\"", MODELS, cell_model},
    {"runtime", " class=\"text\"", FRAMEWORKS, cell_framework},
    {"decode tok/s", " data-high", ALWAYS, cell_decode},
    {"KLD", "", ALWAYS, cell_kld},
    {"same top", " data-high", ALWAYS, cell_top},
    {"accuracy kept", " data-high", TASKS, cell_tasks},
    {"task score, %", " data-high", SCORES, cell_score},
    {"size", "", ALWAYS, cell_size},
    {"memory", "", ALWAYS, cell_memory},
    {"prefill tok/s", " data-high", ALWAYS, cell_prefill},
    {"first token", "", ALWAYS, cell_first},
    {"why", " class=\"text\"", ALWAYS, cell_why},
};
enum { N_TABLE_COLUMNS = sizeof table_columns / sizeof table_columns[0] };

static bool has_column(const struct facts *f, const struct table_column *c)
{
    const bool there[] = {
        [ALWAYS] = true, [MODELS] = f->models, [FRAMEWORKS] = f->frameworks, [TASKS] = f->tasks, [SCORES] = f->scores};
    return there[c->only];
}

static struct facts facts_of(const struct decision *d, const struct grid *g)
{
    struct facts f = {.models = g->n_models > 1, .tasks = decision_has_tasks(d), .scale = RANGE_SCALE_NONE};
    const struct row *first = NULL;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (r->own)
            continue;
        first = first ? first : r;
        f.frameworks = f.frameworks || strcmp(row_place(r).s, row_place(first).s) != 0;
        f.scores = f.scores || (isfinite(r->task_score) && !isfinite(r->task_share));
        if (!r->cache_resident)
            html_range_widen(&f.scale, r->decode_tok_s_lo, r->decode_tok_s_hi);
    }
    return f;
}

static void table_row(struct sbuf *out, const struct facts *f, const struct row *r)
{
    sbuf_printf(out, "<tr class=\"%s\">", verdict_look(r));
    for (int c = 0; c < N_TABLE_COLUMNS; c++)
        if (has_column(f, &table_columns[c]))
            table_columns[c].cell(out, f, r);
    sbuf_putc(out, '\n');
}

void html_table(struct sbuf *out, const struct report_input *in, const struct grid *g)
{
    const struct decision *d = in->decision;
    const struct facts f = facts_of(d, g);
    int left_out = 0;
    if (!d->n_rows)
        return;
    sbuf_puts(out, "<section id=\"candidates\">\n<h2>All candidates</h2>\n");
    html_text(out, "<p class=\"lead\">", d->coverage, ". Click a heading to sort.</p>\n");
    html_filter(out, g->n_rows);
    html_table_begin(out, "Candidates",
                     f.models       ? f.frameworks ? "rows sortable models frameworks" : "rows sortable models"
                     : f.frameworks ? "rows sortable frameworks"
                                    : "rows sortable");
    sbuf_puts(out, "<thead><tr>");
    for (int c = 0; c < N_TABLE_COLUMNS; c++)
        if (has_column(&f, &table_columns[c]))
            sbuf_printf(out, "<th scope=\"col\"%s>%s</th>", table_columns[c].attributes, table_columns[c].heading);
    sbuf_puts(out, "</tr></thead>\n<tbody>\n");
    const size_t most = PAGE_BYTES - AFTER_TABLE_BYTES;
    for (int i = 0; i < d->n_rows; i++) {
        if (d->row[i].own)
            continue;
        if (out->n < most)
            table_row(out, &f, &d->row[i]);
        else
            left_out++;
    }
    html_table_end(out);
    if (left_out)
        sbuf_printf(out, "<p class=\"lead\">%d further rows, ranked below these, stand in matrix.csv.</p>\n", left_out);
    html_provenance(out);
    sbuf_puts(out, "</section>\n");
}
