/* gate.md: for a job's summary or one comment that is edited in place. Only what moved is a table; the rest folds. */
#include <math.h>
#include <string.h>

#include "matrix/gate_cell.h"
#include "reports/escape.h"
#include "reports/report_gate.h"
#include "reports/writers.h"

static void put_name(struct sbuf *b, const struct gate_cell *c)
{
    if (*gate_subject(c).s) {
        escape_markdown(b, gate_subject(c).s);
        sbuf_putc(b, ' ');
    }
    sbuf_puts(b, "**");
    escape_markdown(b, c->id.metric);
    sbuf_puts(b, "**");
}

static void put_row(struct sbuf *b, const struct gate_cell *c)
{
    sbuf_printf(b, "| %s | ", gate_verdict_name(c->verdict));
    put_name(b, c);
    sbuf_puts(b, " | ");
    escape_markdown(b, gate_values(c).s);
    sbuf_printf(b, " | %s | ", gate_move(c).s);
    if (isfinite(c->p_adjusted))
        sbuf_printf(b, "%.2g", c->p_adjusted);
    sbuf_puts(b, " | ");
    escape_markdown(b, gate_suspects(c).s);
    sbuf_printf(b, " | %s%s%s |\n", *c->change ? change_state_name(c->state) : "", *c->change ? " " : "", c->change);
}

static void put_folded(struct sbuf *b, const struct gate_report *r, enum gate_verdict v)
{
    if (!r->count[v])
        return;
    sbuf_printf(b, "\n<details><summary>%s: %d</summary>\n\n", gate_verdict_title(v), r->count[v]);
    for (int i = 0; i < r->n; i++)
        if (r->cell[i].verdict == v) {
            sbuf_puts(b, "- ");
            put_name(b, &r->cell[i]);
            sbuf_puts(b, ": ");
            escape_markdown(b, r->cell[i].reason);
            sbuf_putc(b, '\n');
        }
    sbuf_puts(b, "\n</details>\n");
}

int gate_write_md(struct sbuf *out, const struct gate_report *r, struct err *e)
{
    static const enum gate_verdict moved[] = {GATE_REGRESSION, GATE_IMPROVEMENT, GATE_ENVIRONMENT_DRIFT};
    static const enum gate_verdict folded[] = {GATE_INSUFFICIENT, GATE_ENVIRONMENT_CHANGED, GATE_NOISY, GATE_FAILED};
    int n = 0;
    sbuf_printf(out, "**%s**\n", gate_headline(r).s);
    for (size_t k = 0; k < sizeof moved / sizeof *moved; k++)
        for (int i = 0; i < r->n; i++) {
            if (r->cell[i].verdict != moved[k])
                continue;
            if (n++ == 0)
                sbuf_puts(out, "\n| | cell | before -> after | change | p, adjusted | since | state |\n"
                               "|---|---|---|---|---|---|---|\n");
            put_row(out, &r->cell[i]);
        }
    for (size_t k = 0; k < sizeof folded / sizeof *folded; k++)
        put_folded(out, r, folded[k]);
    sbuf_puts(out, "\nHow decided: ");
    escape_markdown(out, gate_policy_text(r).s);
    sbuf_puts(out, ".\n");
    return report_end(out, "the gate's summary", e);
}
