/* Which runs of a series are the baseline: the last ones before tonight, from the last accepted change on. An open
 * change for the worse ends the baseline before it, so that the same regression stays visible every night until a
 * person or a repair ends it; one for the better begins a new baseline as soon as there are runs enough, so that what
 * was won cannot be lost unseen. */
#include <math.h>

#include "matrix/gate_int.h"

double gate_change_worse(const struct series *x, const struct change *c)
{
    return -x->better * c->effect;
}

static int first_from(const struct series *x, int64_t time)
{
    int i = 0;
    while (i < x->n && x->p[i].time < time)
        i++;
    return i;
}

/* Nearer to `after` than to `before`; both are levels of a positive quantity, else plain distances count. */
static bool is_after(double v, double before, double after)
{
    if (v > 0 && before > 0 && after > 0)
        return fabs(log(v / after)) < fabs(log(v / before));
    return fabs(v - after) < fabs(v - before);
}

bool gate_change_open(const struct change *c)
{
    return c->state == CHANGE_NEW || c->state == CHANGE_ACKNOWLEDGED;
}

static bool is_same_level(const struct series *x, const struct change *c, const struct gate_policy *p)
{
    double newest = x->p[x->n - 1].value, worse = -x->better * (newest / c->after - 1);
    return is_after(newest, c->before, c->after) && worse <= p->min_effect;
}

/* Does point i lie where a regression was that is fixed now? */
static bool in_fixed(const struct series *x, const struct change *change, int n_changes, int i)
{
    for (int k = 0; k < n_changes; k++) {
        const struct change *c = &change[k];
        if (c->state != CHANGE_FIXED || gate_change_worse(x, c) <= 0 || x->p[i].time < c->time)
            continue;
        int j = first_from(x, c->time);
        while (j <= i && is_after(x->p[j].value, c->before, c->after))
            j++;
        if (j > i)
            return true;
    }
    return false;
}

void gate_choose(struct gate_choice *out, const struct series *x, const struct change *change, int n_changes,
                 const struct gate_policy *p)
{
    int start = 0, tonight = p->since ? first_from(x, p->since) : x->n - 1, end = tonight;
    out->n_base = 0;
    out->open = NULL;
    out->open_at = tonight;
    for (int i = 0; i < n_changes; i++) {
        const struct change *c = &change[i];
        int at = first_from(x, c->time);
        bool settled = gate_change_open(c) && gate_change_worse(x, c) < 0 && tonight - at >= p->min_runs;
        if (c->state == CHANGE_ACCEPTED || settled) {
            start = at;
            end = tonight;
            out->open = NULL;
        } else if (gate_change_open(c)) {
            end = at < end ? at : end;
            out->open = c;
            out->open_at = at;
        }
    }
    int n = 0;
    for (int i = end - 1; i >= start && n < p->window; i--)
        if (isfinite(x->p[i].value) && !in_fixed(x, change, n_changes, i))
            out->base[n++] = i;
    for (int i = 0; i < n / 2; i++) {
        int swap = out->base[i];
        out->base[i] = out->base[n - 1 - i];
        out->base[n - 1 - i] = swap;
    }
    out->n_base = n;
    out->fresh = tonight;
    /* Still as bad as it was found, no worse: the runs since then are fresh ones of the same thing. */
    int back = x->n - 1 - p->n_reruns;
    if (out->open && tonight < x->n && is_same_level(x, out->open, p) && back < tonight)
        out->fresh = back > out->open_at ? back : out->open_at < tonight ? out->open_at : tonight;
    if (x->n - out->fresh > MOST_FRESH)
        out->fresh = x->n - MOST_FRESH;
    out->n_fresh = x->n - out->fresh;
}

void gate_since(struct gate_cell *c, const struct series *x, const struct gate_choice *choice)
{
    int last = choice->n_base ? choice->base[choice->n_base - 1] : -1, first = x->n - 1;
    if (choice->open && choice->open_at < x->n) {
        first = choice->open_at;
    } else {
        while (first > 0 && first > choice->base[0] && is_after(x->p[first - 1].value, c->baseline, c->current))
            first--;
        last = first - 1;
    }
    c->first_bad = x->p[first];
    c->last_good = last >= 0 ? x->p[last] : (struct point){0};
}
