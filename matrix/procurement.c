/* The procurement table from decisions, watts and prices. */
#include "matrix/procurement.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "matrix/standard.h"

static const struct procured unknown = {
#define X(type, name, doc) .name = UNKNOWN_##type,
#include "matrix/procurement.def"
#undef X
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

int64_t days_between(const char *from, const char *to)
{
    enum { DAY_S = 86400 };
    int64_t a, b;
    return clock_parse(from, &a) && clock_parse(to, &b) ? b / DAY_S - a / DAY_S : INT64_MIN;
}

/* What a meter read while the choice ran goes before what the device is rated at. */
static void take_watts(struct procured *p, const struct offer *o)
{
    const struct decision *d = o->decision;
    const struct row *r = d->recommended >= 0 ? &d->row[d->recommended] : NULL;
    const bool metered = r && r->energy_j_per_tok > 0 && *r->energy_from && strcmp(r->energy_from, "design power");
    if (metered) {
        p->watts = r->energy_j_per_tok * p->decode_tok_s, p->watts_from = r->energy_from;
        p->tok_s_per_watt = 1 / r->energy_j_per_tok;
    } else if (o->watts > 0 && isfinite(o->watts)) {
        p->watts = o->watts, p->watts_from = o->watts_from ? o->watts_from : "";
        p->tok_s_per_watt = p->decode_tok_s / o->watts;
    }
}

static void take_price(struct procured *p, const struct price *price, const char *today)
{
    p->price = price->amount, p->currency = price->currency, p->price_date = price->date;
    p->tok_s_per_1000 = 1000 * p->decode_tok_s / price->amount;
    p->price_age_days = days_between(price->date, today);
    p->price_note = p->price_age_days > PRICE_OLD_DAYS ? "old" : p->price_age_days < 0 ? "ahead" : "";
}

static void take_capacity(struct procured *p, const struct capacity *c)
{
    p->users_note = c->note, p->users_model = c->model;
    p->users = c->users >= 0 ? c->users : INT64_MIN;
    p->users_ttft_p95_ms = c->ttft_p95_ms, p->users_tok_s_each = c->each_tok_s;
}

static void take_upgrade(struct procured *p, const struct upgrade *u)
{
    const struct interval *m = &u->memory.decode_tok_s, *b = &u->bandwidth_gb_s;
    p->more_usable_bytes = u->usable_bytes, p->more_memory_gib = u->memory_gib;
    p->more_memory_choice = u->memory.name, p->more_note = u->note;
    p->more_memory_tok_s = m->v, p->more_memory_tok_s_lo = m->lo, p->more_memory_tok_s_hi = m->hi;
    p->more_bandwidth_gb_s = b->v, p->more_bandwidth_gb_s_lo = b->lo, p->more_bandwidth_gb_s_hi = b->hi;
    p->more_bandwidth_choice = u->bandwidth.name;
}

static struct procured procure(const struct offer *o, const char *today)
{
    const struct decision *d = o->decision;
    struct procured p = unknown;
    p.decision = d;
    p.device = o->device, p.name = o->name ? o->name : o->device, p.verdict = d->verdict;
    p.reason = d->recommended >= 0 ? d->reason : d->headline;
    p.usable_bytes = d->n_rows ? d->row[0].usable_bytes : INT64_MIN;
    if (d->recommended >= 0)
        take_choice(&p, &d->row[d->recommended]);
    p.binding_limit = d->binding_limit, p.nearest = d->nearest;
    p.machine = o->machine ? o->machine : "", p.figures = o->figures ? o->figures : "";
    take_watts(&p, o);
    if (o->price)
        take_price(&p, o->price, today);
    if (o->capacity)
        take_capacity(&p, o->capacity);
    if (o->upgrade)
        take_upgrade(&p, o->upgrade);
    return p;
}

int procurement_cheapest(const struct procurement *p, const char *currency)
{
    int best = -1;
    for (int i = 0; i < p->n; i++)
        if (p->row[i].tok_s_per_1000 > 0 && strcmp(p->row[i].currency, currency) == 0 &&
            (best < 0 || p->row[i].tok_s_per_1000 > p->row[best].tok_s_per_1000))
            best = i;
    return best;
}

static void mark_best(struct procurement *p)
{
    bool one_currency = true;
    const char *model = "";
    p->one_model = true;
    for (int i = 0; i < p->n; i++) {
        const struct procured *r = &p->row[i];
        const char *known = model_known_as(r->model);
        p->one_model = p->one_model && (!*model || !*known || strcmp(model, known) == 0);
        model = *known ? known : model;
        if (*r->currency && !*p->currency)
            p->currency = r->currency;
        one_currency = one_currency && (!*r->currency || strcmp(r->currency, p->currency) == 0);
        if (r->decode_tok_s > 0 && (p->fastest < 0 || r->decode_tok_s > p->row[p->fastest].decode_tok_s))
            p->fastest = i;
        if (r->tok_s_per_watt > 0 && (p->thriftiest < 0 || r->tok_s_per_watt > p->row[p->thriftiest].tok_s_per_watt))
            p->thriftiest = i;
    }
    if (!one_currency)
        p->currency = "";
    p->cheapest = *p->currency ? procurement_cheapest(p, p->currency) : -1;
}

int procurement_make(struct procurement *p, const struct offer *offer, int n, struct err *e)
{
    *p = (struct procurement){
        .fastest = -1, .thriftiest = -1, .cheapest = -1, .currency = "", .need = "", .limits = ""};
    clock_iso8601(p->date);
    if (!(p->row = mem_alloc_n((size_t)n + 1, sizeof *p->row)))
        return err_nomem(e, ((size_t)n + 1) * sizeof *p->row, "the devices");
    for (p->n = 0; p->n < n; p->n++)
        p->row[p->n] = procure(&offer[p->n], p->date);
    mark_best(p);
    return 0;
}

void procurement_free(struct procurement *p)
{
    mem_free(p->row);
    *p = (struct procurement){0};
}
