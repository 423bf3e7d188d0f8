/* What more measuring would settle. The half-width of an interval shrinks with the root of what was measured: where two
 * intervals of half-widths a and b overlap around points that lie g apart, they part after ((a + b) / g)^2 times as
 * much. Widths that no measuring of that kind narrows (a published ratio, a prediction) are said to be so. */
#include <math.h>
#include <string.h>
#include "matrix/cell_parts.h"

enum { ONE_MINUTE_S = 60 };
static const double hopeless = 400; /* times as much: twenty times as narrow */

/* How many times as much until they part; 1: they are apart; INFINITY: never. */
static double times_to_part(struct interval a, struct interval b)
{
    double gap = fabs(a.v - b.v), reach = a.v < b.v ? (a.hi - a.v) + (b.v - b.lo) : (a.v - a.lo) + (b.hi - b.v);
    if (!(gap > 0))
        return INFINITY;
    return fmax(1, reach * reach / (gap * gap));
}

static struct interval speed_of(const struct row *r)
{
    struct interval none = INTERVAL_NONE, v = {r->decode_tok_s, r->decode_tok_s_lo, r->decode_tok_s_hi};
    return r->cache_resident || !isfinite(v.lo + v.hi) ? none : v;
}

static bool is_timed(const struct row *r)
{
    return !r->stands_in && (strcmp(r->speed_from, "measured") == 0 || strcmp(r->speed_from, "shape-measured") == 0);
}

static struct cell_part *add_part(struct cell *c, int row, const char *figure)
{
    if (c->n_parts == (int)(sizeof c->part / sizeof *c->part))
        return NULL;
    struct cell_part *p = &c->part[c->n_parts++];
    *p = (struct cell_part){.row = row, .figure = figure, .name = "", .text = "", .seconds = NAN, .times = NAN};
    return p;
}

/* Which of the two keeps measuring from telling, and what would. */
static const char *why_not_timed(struct judge *j, const struct row *r)
{
    if (r->stands_in)
        return say(j, "the width is that of the ratio between %s and the own engine: measure it in %s itself",
                   r->framework, r->framework);
    return say(j, "its speed is %s: measure it first", *r->speed_from ? r->speed_from : "not known");
}

static void part_speed(struct judge *j, struct cell *c, int other)
{
    const struct row *a = c->row, *b = &j->d->row[other];
    struct interval x = speed_of(a), y = speed_of(b);
    if (!isfinite(x.v) || !isfinite(y.v) || x.hi < y.lo || y.hi < x.lo)
        return;
    struct cell_part *p = add_part(c, other, "generation");
    if (!p)
        return;
    p->name = row_name(j, b);
    if (!is_timed(a) || !is_timed(b)) {
        p->text = why_not_timed(j, is_timed(a) ? b : a);
        return;
    }
    p->times = times_to_part(x, y);
    p->seconds = p->times <= hopeless ? (p->times - 1) * (a->timed_s + b->timed_s) : NAN;
    double apart = 100 * fabs(x.v / y.v - 1);
    if (p->times > hopeless)
        p->text = say(j, "%.2g %% apart: no reasonable time tells them apart, take either", apart);
    else if (isfinite(p->seconds))
        p->text = say(j, "%.2g %% apart: about %.0f s more of both", apart, ceil(p->seconds));
    else
        p->text = say(j, "%.2g %% apart: about %.1f times as many repetitions", apart, p->times);
}

/* Models whose scores overlap: a published score is not narrowed by time. */
static void part_score(struct judge *j, struct cell *c, int other)
{
    const struct row *a = c->row, *b = &j->d->row[other];
    bool apart = a->task_score_hi < b->task_score_lo || b->task_score_hi < a->task_score_lo;
    if (!isfinite(a->task_score + b->task_score) || apart || a->group == b->group)
        return;
    struct cell_part *p = add_part(c, other, "task score");
    if (!p)
        return;
    p->name = row_name(j, b);
    p->text = say(j, "%.1f points apart, by published scores: ask both your own tasks (--tasks FILE)",
                  100 * fabs(a->task_score - b->task_score));
}

/* KLD within error of the limit: more text tells. */
static void part_quality(struct judge *j, struct cell *c, int row)
{
    const struct row *r = &j->d->row[row];
    double limit = j->d->kld_limit;
    if (!isfinite(limit) || !(r->kld_lo < limit) || !(r->kld_hi > limit))
        return;
    struct cell_part *p = add_part(c, row, "KLD");
    if (!p)
        return;
    p->name = row_name(j, r);
    if (strcmp(r->quality_from, "measured") != 0) {
        p->text = say(j, "KLD %s to %s is %s: measure it", figure_kld(r->kld_lo).s, figure_kld(r->kld_hi).s,
                      *r->quality_from ? r->quality_from : "not known");
        return;
    }
    p->times = times_to_part((struct interval){r->kld, r->kld_lo, r->kld_hi}, stats_exact(limit));
    if (p->times > hopeless)
        p->text = say(j, "KLD %s lies on the limit: no amount of text tells", figure_kld(r->kld).s);
    else if (r->n_chunks > 0)
        p->text = say(j, "KLD %s, limit %.3g: about %.0f chunks of text more (--chunks %.0f)", figure_kld(r->kld).s,
                      limit, ceil((p->times - 1) * r->n_chunks), ceil(p->times * r->n_chunks));
    else
        p->text = say(j, "KLD %s, limit %.3g: about %.1f times as much text", figure_kld(r->kld).s, limit, p->times);
}

/* Cells that a minute parts, cheapest first; they are measured together, so that this one's time is spent once. */
static void say_minute(struct judge *j, struct cell *c)
{
    struct sbuf in = {0}, out = {0};
    double left = ONE_MINUTE_S;
    bool taken[sizeof c->part / sizeof *c->part] = {0};
    for (int n = 0; n < c->n_parts; n++) {
        int least = -1;
        for (int i = 0; i < c->n_parts; i++)
            if (!taken[i] && isfinite(c->part[i].seconds) && (least < 0 || c->part[i].seconds < c->part[least].seconds))
                least = i;
        if (least < 0)
            break;
        const struct cell_part *p = &c->part[least];
        taken[least] = true;
        struct sbuf *b = p->seconds <= left ? &in : &out;
        left -= p->seconds <= left ? p->seconds : 0;
        sbuf_printf(b, "%s%s (%.0f s)", b->n ? ", " : "", p->name, ceil(p->seconds));
    }
    if (in.n)
        c->minute = say(j, "60 more seconds would part it from %s%s%s", sbuf_str(&in), out.n ? ", not from " : "",
                        sbuf_str(&out));
    else if (out.n)
        c->minute = say(j, "60 more seconds would settle nothing: %s", sbuf_str(&out));
    else
        c->minute = c->n_parts ? "60 more seconds of the same would settle nothing"
                               : "nothing overlaps: more measuring would not change the answer";
    j->failed |= in.failed || out.failed;
    sbuf_free(&in);
    sbuf_free(&out);
}

void cell_overlaps(struct judge *j, struct cell *c, int pick)
{
    const struct decision *d = j->d;
    void (*part)(struct judge *, struct cell *, int) = d->across ? part_score : part_speed;
    if (c->index != pick && pick >= 0 && c->row->ran)
        part(j, c, pick);
    for (int i = 0; i < d->n_rows && c->index == pick; i++)
        if (i != pick && (d->across ? d->row[i].lead : d->row[i].group == c->row->group) && row_eligible(&d->row[i], 0))
            part(j, c, i);
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        bool asked = c->index == pick ? r->group == c->row->group : i == c->index;
        if (asked && !r->own && row_eligible(r, RULE_BIT(max_kld)))
            part_quality(j, c, i);
    }
    if (!c->row->ran)
        c->minute = "it could not be run: measuring more tells nothing about it";
    else if (!c->n_parts && c->row->vetoes && c->index != pick)
        c->minute = "its figures are clear of the limits and of the pick's: more measuring would not change the answer";
    else
        say_minute(j, c);
}
