/* The gate on a terminal: the verdict, then only what moved; why nothing can be said of the rest. */
#include <math.h>
#include <string.h>

#include "matrix/gate_cell.h"
#include "reports/escape.h"
#include "reports/report_gate.h"
#include "reports/writers.h"

static void put_moved(struct sbuf *b, const struct gate_report *r, const struct gate_cell *c)
{
    sbuf_printf(b, "\n%-11s ", gate_verdict_name(c->verdict));
    escape_plain(b, gate_subject(c).s);
    sbuf_puts(b, *gate_subject(c).s ? " " : "");
    escape_plain(b, c->id.metric);
    sbuf_printf(b, "\n            %s  ", gate_move(c).s);
    escape_plain(b, gate_values(c).s);
    if (isfinite(c->p_adjusted))
        sbuf_printf(b, "  p_adj %.2g", c->p_adjusted);
    if (*gate_suspects(c).s) {
        sbuf_puts(b, "  since ");
        escape_plain(b, gate_suspects(c).s);
    }
    if (*c->change)
        sbuf_printf(b, "\n            change %s, %s%s", c->change, change_state_name(c->state),
                    gate_cell_fails(c, &r->policy) || c->verdict != GATE_REGRESSION ? "" : ": does not fail the gate");
    if (*c->reason) {
        sbuf_puts(b, "\n            ");
        escape_plain(b, c->reason);
    }
    sbuf_putc(b, '\n');
}

/* The others: a line for each verdict, and the reasons that occur. */
static void put_others(struct sbuf *b, const struct gate_report *r, enum gate_verdict v)
{
    enum { MOST_SHOWN = 5 };
    int shown = 0;
    if (!r->count[v])
        return;
    sbuf_printf(b, "\n%s: %d\n", gate_verdict_name(v), r->count[v]);
    for (int i = 0; i < r->n; i++) {
        const struct gate_cell *c = &r->cell[i];
        if (c->verdict != v || shown++ >= MOST_SHOWN)
            continue;
        sbuf_puts(b, "  ");
        escape_plain(b, gate_subject(c).s);
        sbuf_puts(b, *gate_subject(c).s ? " " : "");
        escape_plain(b, c->id.metric);
        sbuf_puts(b, ": ");
        escape_plain(b, c->reason);
        sbuf_putc(b, '\n');
    }
    if (shown > MOST_SHOWN)
        sbuf_printf(b, "  and %d more (--json has all)\n", shown - MOST_SHOWN);
}

int gate_write_text(struct sbuf *out, const struct gate_report *r, struct err *e)
{
    sbuf_printf(out, "%s\n", gate_headline(r).s);
    for (int i = 0; i < r->n; i++) {
        enum gate_verdict v = r->cell[i].verdict;
        if (v == GATE_REGRESSION || v == GATE_IMPROVEMENT || v == GATE_ENVIRONMENT_DRIFT)
            put_moved(out, r, &r->cell[i]);
    }
    for (enum gate_verdict v = 0; v < N_GATE_VERDICTS; v++)
        if (v != GATE_NONE && v != GATE_REGRESSION && v != GATE_IMPROVEMENT && v != GATE_ENVIRONMENT_DRIFT)
            put_others(out, r, v);
    if (strcmp(r->kind, "ab") == 0)
        for (int i = 0; i < r->n; i++)
            if (r->cell[i].verdict == GATE_NONE) {
                sbuf_puts(out, "~           ");
                escape_plain(out, r->cell[i].id.metric);
                sbuf_printf(out, "  %s  ", gate_move(&r->cell[i]).s);
                escape_plain(out, gate_values(&r->cell[i]).s);
                sbuf_putc(out, '\n');
            }
    sbuf_puts(out, "\n");
    text_wrap(out, gate_policy_text(r).s, 0, 100);
    return report_end(out, "the gate's report", e);
}
