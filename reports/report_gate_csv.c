/* gate.csv: the runs behind the verdicts, one a line: which cell (as "branch", by which Apache Otava tells series
 * apart), when, of which commit, and a column for each metric. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reports/escape.h"
#include "reports/report_gate.h"
#include "reports/writers.h"

struct entry {
    int subject, metric; /* first cell of that subject; column */
    const struct point *p;
};
struct table {
    const struct gate_report *r;
    const char **metric;
    int n_metrics;
    struct entry *entry;
    int n;
};

static bool same_subject(const struct gate_cell *a, const struct gate_cell *b)
{
    return strcmp(a->id.cell_key, b->id.cell_key) == 0 && strcmp(a->id.env_sha256, b->id.env_sha256) == 0;
}

static int column_of(struct table *t, const char *metric)
{
    for (int i = 0; i < t->n_metrics; i++)
        if (strcmp(t->metric[i], metric) == 0)
            return i;
    t->metric[t->n_metrics] = metric;
    return t->n_metrics++;
}

static int by_run(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    if (a->subject != b->subject)
        return a->subject - b->subject;
    if (a->p->time != b->p->time)
        return (a->p->time > b->p->time) - (a->p->time < b->p->time);
    if (a->p->run != b->p->run)
        return (a->p->run > b->p->run) - (a->p->run < b->p->run);
    return a->metric - b->metric;
}

static void fill(struct table *t)
{
    for (int i = 0; i < t->r->n; i++) {
        const struct gate_cell *c = &t->r->cell[i];
        int first = 0, column = column_of(t, c->id.metric);
        while (!same_subject(&t->r->cell[first], c))
            first++;
        for (int k = 0; k < c->n_history; k++)
            t->entry[t->n++] = (struct entry){first, column, &c->history[k]};
    }
    qsort(t->entry, (size_t)t->n, sizeof *t->entry, by_run);
}

/* One run: entries [i, end). */
static void put_run(struct sbuf *out, const struct table *t, int i, int end)
{
    const struct gate_cell *c = &t->r->cell[t->entry[i].subject];
    struct gate_line subject = gate_subject(c);
    escape_csv(out, *subject.s ? subject.s : "gate");
    sbuf_printf(out, ",%s,", gate_time(t->entry[i].p->time).s);
    escape_csv(out, t->entry[i].p->commit);
    for (int m = 0; m < t->n_metrics; m++) {
        sbuf_putc(out, ',');
        if (i < end && t->entry[i].metric == m) {
            if (isfinite(t->entry[i].p->value))
                sbuf_printf(out, "%.10g", t->entry[i].p->value);
            i++;
        }
    }
    sbuf_putc(out, '\n');
}

int gate_write_csv(struct sbuf *out, const struct gate_report *r, struct err *e)
{
    struct table t = {.r = r};
    size_t n = 1;
    for (int i = 0; i < r->n; i++)
        n += (size_t)r->cell[i].n_history;
    t.metric = mem_alloc_n((size_t)r->n + 1, sizeof *t.metric);
    t.entry = mem_alloc_n(n, sizeof *t.entry);
    if (!t.metric || !t.entry) {
        mem_free(t.metric);
        mem_free(t.entry);
        return err_nomem(e, n * sizeof *t.entry, "gate.csv");
    }
    fill(&t);
    sbuf_puts(out, "branch,time,commit");
    for (int m = 0; m < t.n_metrics; m++) {
        sbuf_putc(out, ',');
        escape_csv(out, t.metric[m]);
    }
    sbuf_putc(out, '\n');
    for (int i = 0, end; i < t.n; i = end) {
        for (end = i + 1; end < t.n; end++)
            if (t.entry[end].subject != t.entry[i].subject || t.entry[end].p->time != t.entry[i].p->time ||
                t.entry[end].p->run != t.entry[i].p->run)
                break;
        put_run(out, &t, i, end);
    }
    mem_free(t.metric);
    mem_free(t.entry);
    return report_end(out, "gate.csv", e);
}
