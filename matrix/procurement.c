/* The procurement table from decisions, watts and prices. */
#include "matrix/procurement.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

static const struct procured unknown = {
#define STR(name)          .name = "",
#define NUM(name)          .name = NAN,
#define INT(name)          .name = INT64_MIN,
#define X(type, name, doc) type(name)
#include "matrix/procurement.def"
#undef X
#undef STR
#undef NUM
#undef INT
};

static void take_choice(struct procured *p, const struct row *r)
{
    bool timed = !r->cache_resident; /* the speed of the caches is that of no model in use */
    p->model = r->model, p->format = r->format, p->framework = r->framework, p->command = r->command;
    p->task = r->task, p->task_score = r->task_score, p->task_from = r->task_from;
    p->kld = r->reference ? 0 : r->kld, p->quality_from = r->quality_from, p->speed_from = r->speed_from;
    p->peak_bytes = r->peak_bytes;
    if (timed)
        p->decode_tok_s = r->decode_tok_s, p->decode_tok_s_lo = r->decode_tok_s_lo,
        p->decode_tok_s_hi = r->decode_tok_s_hi;
}

static struct procured procure(const struct offer *o)
{
    const struct decision *d = o->decision;
    struct procured p = unknown;
    p.decision = d;
    p.device = o->device, p.name = o->name ? o->name : o->device, p.verdict = d->verdict;
    p.reason = d->recommended >= 0 ? d->reason : d->headline;
    p.usable_bytes = d->n_rows ? d->row[0].usable_bytes : INT64_MIN;
    if (d->recommended >= 0)
        take_choice(&p, &d->row[d->recommended]);
    if (o->watts > 0 && isfinite(o->watts)) {
        p.watts = o->watts, p.watts_from = o->watts_from ? o->watts_from : "";
        p.tok_s_per_watt = p.decode_tok_s / o->watts;
    }
    if (o->price) {
        p.price = o->price->amount, p.currency = o->price->currency, p.price_date = o->price->date;
        p.tok_s_per_1000 = 1000 * p.decode_tok_s / o->price->amount;
    }
    return p;
}

static void mark_best(struct procurement *p)
{
    bool one_currency = true;
    const char *model = "";
    p->one_model = true;
    for (int i = 0; i < p->n; i++) {
        const struct procured *r = &p->row[i];
        p->one_model = p->one_model && (!*model || !*r->model || strcmp(model, r->model) == 0);
        model = *r->model ? r->model : model;
        if (*r->currency && !*p->currency)
            p->currency = r->currency;
        one_currency = one_currency && (!*r->currency || strcmp(r->currency, p->currency) == 0);
        if (r->decode_tok_s > 0 && (p->fastest < 0 || r->decode_tok_s > p->row[p->fastest].decode_tok_s))
            p->fastest = i;
        if (r->tok_s_per_watt > 0 && (p->thriftiest < 0 || r->tok_s_per_watt > p->row[p->thriftiest].tok_s_per_watt))
            p->thriftiest = i;
        if (r->tok_s_per_1000 > 0 && (p->cheapest < 0 || r->tok_s_per_1000 > p->row[p->cheapest].tok_s_per_1000))
            p->cheapest = i;
    }
    if (!one_currency)
        p->currency = "", p->cheapest = -1;
}

int procurement_make(struct procurement *p, const struct offer *offer, int n, struct err *e)
{
    *p = (struct procurement){.fastest = -1, .thriftiest = -1, .cheapest = -1, .currency = ""};
    if (!(p->row = mem_alloc_n((size_t)n + 1, sizeof *p->row)))
        return err_nomem(e, ((size_t)n + 1) * sizeof *p->row, "the devices");
    for (p->n = 0; p->n < n; p->n++)
        p->row[p->n] = procure(&offer[p->n]);
    mark_best(p);
    return 0;
}

void procurement_free(struct procurement *p)
{
    mem_free(p->row);
    *p = (struct procurement){0};
}
