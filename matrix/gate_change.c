/* What the gate finds is a change with a name and a state, which people set (`history accept|acknowledge|noise|fixed`).
 * The same regression keeps its name every night. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "matrix/gate_int.h"

static void take_change(struct gate_cell *c, const struct change *of)
{
    c->state = of->state;
    snprintf(c->change, sizeof c->change, "%s", of->id);
    snprintf(c->note, sizeof c->note, "%s", of->note);
    snprintf(c->link, sizeof c->link, "%s", of->link);
}

/* Somebody has seen that change; is this more than it? */
static bool is_beyond(const struct gate_cell *c, const struct change *of, const struct gate_policy *p)
{
    double more = -c->id.better * (c->current / of->after - 1);
    return of->state == CHANGE_ACKNOWLEDGED && more > fmax(p->min_effect, p->screen_sigmas * c->noise);
}

static int put_new(struct gate_night *g, struct watched *w, struct gate_cell *c, const struct point *from)
{
    struct change n = {.run_before = c->last_good.run,
                       .run_after = from->run,
                       .time = from->time,
                       .before = c->baseline,
                       .after = c->current,
                       .effect = c->current / c->baseline - 1,
                       .p = c->p,
                       .found_by = "gate"};
    snprintf(n.series, sizeof n.series, "%s", w->x.key);
    snprintf(n.metric, sizeof n.metric, "%s", w->x.metric);
    change_id(&n);
    for (int i = 0; i < w->n_changes; i++)
        if (strcmp(w->change[i].id, n.id) == 0) {
            take_change(c, &w->change[i]);
            return 0;
        }
    take_change(c, &n);
    return store_put_change(g->store, &n, g->e);
}

/* Back where it was: all that was open and for the worse has ended. */
static int put_fixed(struct gate_night *g, const struct watched *w, struct gate_cell *c)
{
    int rc = 0;
    for (int i = 0; i < w->n_changes && rc == 0; i++) {
        const struct change *of = &w->change[i];
        if (!gate_change_open(of) || gate_change_worse(&w->x, of) <= 0)
            continue;
        take_change(c, of);
        c->state = CHANGE_FIXED;
        rc = store_set_change(g->store, of->id, CHANGE_FIXED, NULL, NULL, g->e);
    }
    return rc;
}

int gate_register(struct gate_night *g, struct watched *w, struct gate_cell *c)
{
    const struct change *open = w->choice.open;
    bool moved =
        c->verdict == GATE_REGRESSION || c->verdict == GATE_IMPROVEMENT || c->verdict == GATE_ENVIRONMENT_DRIFT;
    if (!moved && open && c->verdict == GATE_NONE && !c->suspect)
        return put_fixed(g, w, c);
    if (!moved)
        return 0;
    gate_since(c, &w->x, &w->choice);
    if (open && gate_change_worse(&w->x, open) * c->suspect > 0 && !is_beyond(c, open, g->p)) {
        take_change(c, open);
        return 0;
    }
    return put_new(g, w, c, open ? &w->x.p[w->x.n - 1] : &c->first_bad);
}
