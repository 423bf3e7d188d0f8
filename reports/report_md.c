/* summary.md: the answer, the table, risks and notes as Markdown. Every string is escaped, commands stand in fences. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/writers.h"

enum { MOST_ROWS = 200 }; /* of the table: a summary is read, matrix.csv holds all */

/* A fence longer than any run of backticks inside. */
static void fenced(struct sbuf *b, const char *s)
{
    int run = 0, longest = 2;
    for (const char *c = s; *c; c++) {
        run = *c == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (int line = 0; line < 2; line++) {
        for (int i = 0; i <= longest; i++)
            sbuf_putc(b, '`');
        sbuf_putc(b, '\n');
        if (line == 0) {
            escape_plain(b, s);
            sbuf_putc(b, '\n');
        }
    }
}

static void bullets(struct sbuf *b, const char *title, const char *const *s, int n)
{
    if (n > 0)
        sbuf_printf(b, "\n## %s\n\n", title);
    for (int i = 0; i < n; i++) {
        sbuf_puts(b, "- ");
        escape_markdown(b, s[i]);
        sbuf_putc(b, '\n');
    }
}

static void answer(struct sbuf *b, const struct decision *d)
{
    sbuf_puts(b, "**");
    escape_markdown(b, d->headline);
    sbuf_puts(b, "**\n\n");
    if (*d->reason)
        escape_markdown(b, d->reason);
    if (*d->plain_quality) {
        sbuf_puts(b, "; ");
        escape_markdown(b, d->plain_quality);
    }
    sbuf_puts(b, ".\n");
    if (*d->nearest) {
        sbuf_puts(b, "\nNearest that fits: ");
        escape_markdown(b, d->nearest);
        sbuf_puts(b, ".\n");
    }
    if (*d->command) {
        sbuf_putc(b, '\n');
        fenced(b, d->command);
    }
}

static void table_row(struct sbuf *b, const struct row *r, bool tasks)
{
    sbuf_printf(b, "| %lld | ", (long long)r->rank);
    const struct row_place place = row_place(r);
    const char *text[] = {r->model, r->format, place.s};
    for (int i = 0; i < 3; i++) {
        escape_markdown(b, text[i]);
        if (i == 1)
            escape_markdown(b, r->kv_note);
        sbuf_puts(b, " | ");
    }
    struct figure range = figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi);
    sbuf_printf(b, "%s | ", figure_bytes(r->weights_bytes).s);
    sbuf_printf(b, "%s%s%s%s | ", figure_rate(r->decode_tok_s).s, *range.s ? " (" : "", range.s, *range.s ? ")" : "");
    sbuf_printf(b, "%s | %s | ", figure_rate(r->prefill_tok_s).s, figure_ms(r->ttft_ms).s);
    escape_markdown(b, figure_kld(r->kld).s);
    sbuf_printf(b, " | %s | ", figure_percent(r->top1_agreement).s);
    if (tasks)
        sbuf_printf(b, "%s%s%s%s | ", figure_percent(r->task_share).s, isfinite(r->task_share) ? " (" : "",
                    figure_range(100 * r->task_share_lo, 100 * r->task_share_hi).s, isfinite(r->task_share) ? ")" : "");
    sbuf_printf(b, "%s | ", figure_bytes(r->peak_bytes).s);
    sbuf_printf(b, "%s%s%s | ", r->recommended ? "**" : "", verdict_label(r), r->recommended ? "**" : "");
    escape_markdown(b, r->reason);
    sbuf_puts(b, " |\n");
}

static void claims(struct sbuf *b, const struct decision *d)
{
    if (d->n_claims)
        sbuf_puts(b,
                  "\n## Claimed beside measured\n\n| of | what | claimed | here | verdict |\n|---|---|--:|---|---|\n");
    for (int i = 0; i < d->n_claims; i++) {
        const struct claim *c = &d->claim[i];
        const char *text[] = {c->subject, c->what, c->claimed, c->here, c->verdict};
        for (int k = 0; k < 5; k++) {
            sbuf_puts(b, "| ");
            escape_markdown(b, text[k]);
            sbuf_putc(b, ' ');
        }
        sbuf_puts(b, "|\n");
    }
}

int report_markdown(struct sbuf *out, const struct report_input *in, struct err *e)
{
    const struct decision *d = in->decision;
    struct sbuf title = {0};
    report_title(&title, in);
    sbuf_puts(out, "# ");
    escape_markdown(out, sbuf_str(&title));
    sbuf_free(&title);
    sbuf_puts(out, "\n\n");
    answer(out, d);
    bool tasks = decision_has_tasks(d);
    if (d->n_rows)
        sbuf_printf(
            out,
            "\n| # | model | format | runtime | size | decode tok/s | prefill tok/s | first token | KLD | "
            "same top | %speak memory | verdict | why |\n|--:|---|---|---|--:|--:|--:|--:|--:|--:|%s--:|---|---|"
            "\n",
            tasks ? "accuracy kept | " : "", tasks ? "--:|" : "");
    for (int i = 0; i < d->n_rows && i < MOST_ROWS; i++)
        table_row(out, &d->row[i], tasks);
    if (d->n_rows > MOST_ROWS)
        sbuf_printf(out, "\n%d further rows, ranked below these, stand in matrix.csv.\n", d->n_rows - MOST_ROWS);
    bullets(out, "At other limits", d->neighbours, d->n_neighbours);
    bullets(out, "What would change the answer", d->changes, d->n_changes);
    bullets(out, "Left open", d->undecided, d->n_undecided);
    if (d->n_risks)
        sbuf_puts(out, "\n## Risks\n\n");
    for (int i = 0; i < d->n_risks; i++) {
        sbuf_puts(out, "- ");
        escape_markdown(out, d->risk[i].text);
        sbuf_puts(out, ": ");
        escape_markdown(out, d->risk[i].mitigation);
        sbuf_putc(out, '\n');
    }
    bullets(out, "Notes", d->note, d->n_notes);
    if (d->n_rows)
        claims(out, d);
    return report_end(out, "the summary", e);
}
