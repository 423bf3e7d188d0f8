/* The table of machines, a column a row, and who is first in what. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/fleet_parts.h"
#include "reports/html_parts.h"

const char fleet_other_models[] =
    "The choices are different models, so their speeds are not of the same work: --model NAME "
    "compares the machines on one.";
const char fleet_note[] =
    "Power is what a meter read while the choice ran, or else what the device is rated at; prices and their dates are "
    "the user's, and currencies are not converted. Users were measured with requests to a server; where none were, "
    "nothing is said.";

/* --- what cells say --- */
static void say_device(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, r->name);
}

static void say_choice(struct sbuf *b, const struct procured *r)
{
    if (*r->format)
        sbuf_printf(b, "%s %s on %s", r->model, r->format, r->framework);
    else
        sbuf_puts(b, r->reason);
}

static void say_decode(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_rate(r->decode_tok_s).s);
}

static void say_score(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_score(r->task_score).s);
}

static void say_kld(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_kld(r->kld).s);
}

static void say_memory(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_bytes(r->peak_bytes).s);
}

static void say_usable(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_bytes(r->usable_bytes).s);
}

static void say_watts(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_rate(r->watts).s);
}

static void say_per_watt(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_rate(r->tok_s_per_watt).s);
}

static void say_price(struct sbuf *b, const struct procured *r)
{
    if (isfinite(r->price))
        sbuf_printf(b, "%.2f %s", r->price, r->currency);
    else
        sbuf_putc(b, '-');
}

static void say_per_price(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, figure_rate(r->tok_s_per_1000).s);
}

static void say_users(struct sbuf *b, const struct procured *r)
{
    if (r->users >= 0)
        sbuf_printf(b, "%lld", (long long)r->users);
    else
        sbuf_putc(b, '-');
}

/* --- smaller, below the figure --- */
static void below_device(struct sbuf *b, const struct procured *r)
{
    if (*r->device && strcmp(r->device, r->name) != 0)
        sbuf_puts(b, r->device);
}

static void below_decode(struct sbuf *b, const struct procured *r)
{
    html_add_range(b, r->decode_tok_s_lo, r->decode_tok_s_hi);
}

static void below_watts(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, r->watts_from);
}

static void below_price(struct sbuf *b, const struct procured *r)
{
    sbuf_puts(b, r->price_date);
    if (strcmp(r->price_note, "old") == 0)
        sbuf_printf(b, ", %lld days old", (long long)r->price_age_days);
    else if (*r->price_note)
        sbuf_puts(b, ", after this report");
}

static void below_per_price(struct sbuf *b, const struct procured *r)
{
    if (isfinite(r->tok_s_per_1000))
        sbuf_puts(b, r->currency);
}

static void below_users(struct sbuf *b, const struct procured *r)
{
    if (r->users > 0)
        sbuf_printf(b, "first token %s, %s tok/s each; ", figure_ms(r->users_ttft_p95_ms).s,
                    figure_rate(r->users_tok_s_each).s);
    if (r->users >= 0)
        sbuf_printf(b, "%s%s%s", r->users_note, *r->users_model ? "; " : "", r->users_model);
}

const struct device_column device_columns[] = {
    {"device", " class=\"text\"", true, say_device, below_device, FROM_FIGURES},
    {"best choice", " class=\"text\"", true, say_choice, NULL, FROM_NOTHING},
    {"decode tok/s", " data-high", true, say_decode, below_decode, FROM_SPEED},
    {"task score, %", " data-high", false, say_score, NULL, FROM_TASK},
    {"KLD", "", false, say_kld, NULL, FROM_QUALITY},
    {"memory", "", false, say_memory, NULL, FROM_NOTHING},
    {"usable", " data-high", false, say_usable, NULL, FROM_NOTHING},
    {"watts", "", false, say_watts, below_watts, FROM_NOTHING},
    {"tok/s per watt", " data-high", true, say_per_watt, below_watts, FROM_NOTHING},
    {"price", "", false, say_price, below_price, FROM_NOTHING},
    {"tok/s per 1000", " data-high", true, say_per_price, below_per_price, FROM_NOTHING},
    {"users at once", " data-high", true, say_users, below_users, FROM_NOTHING},
};
const int n_device_columns = sizeof device_columns / sizeof device_columns[0];

const char *device_from(const struct device_column *c, const struct procured *r)
{
    const char *const from_of[] = {[FROM_NOTHING] = "",
                                   [FROM_SPEED] = r->speed_from,
                                   [FROM_QUALITY] = r->quality_from,
                                   [FROM_TASK] = r->task_from,
                                   [FROM_FIGURES] = r->figures};
    return from_of[c->from];
}

bool device_column_used(const struct device_column *c, const struct procurement *p)
{
    bool used = false;
    for (int i = 0; i < p->n && !used; i++) {
        struct sbuf b = {0};
        c->say(&b, &p->row[i]);
        used = b.failed || strcmp(sbuf_str(&b), "-") != 0;
        sbuf_free(&b);
    }
    return used || p->n == 0;
}

/* --- who is first --- */
static void add_first(struct device_first *first, int *n, const char *words, const struct procurement *p, int row,
                      double figure, const char *unit, const char *currency)
{
    if (row < 0 || *n == MOST_FIRSTS)
        return;
    first[*n] = (struct device_first){.words = words, .row = &p->row[row]};
    const bool measured = strcmp(p->row[row].speed_from, "measured") == 0;
    snprintf(first[*n].figure, sizeof first->figure, "%s%s %s%s%s", measured ? "" : "est. ", figure_rate(figure).s,
             unit, *currency ? " " : "", currency);
    (*n)++;
}

int device_firsts(const struct procurement *p, struct device_first first[MOST_FIRSTS])
{
    int n = 0;
    if (p->fastest >= 0)
        add_first(first, &n, "Fastest", p, p->fastest, p->row[p->fastest].decode_tok_s, "tok/s", "");
    if (p->thriftiest >= 0)
        add_first(first, &n, "Most per watt", p, p->thriftiest, p->row[p->thriftiest].tok_s_per_watt, "tok/s per watt",
                  "");
    for (int i = 0; i < p->n; i++) { /* each currency by itself */
        const char *currency = p->row[i].currency;
        const int best = procurement_cheapest(p, currency);
        bool seen = !*currency || best < 0;
        for (int k = 0; k < i && !seen; k++)
            seen = strcmp(p->row[k].currency, currency) == 0;
        if (!seen)
            add_first(first, &n, "Most for the money", p, best, p->row[best].tok_s_per_1000, "tok/s per 1000",
                      currency);
    }
    return n;
}
