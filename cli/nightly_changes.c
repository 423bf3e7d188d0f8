/* What no single night shows: changes of level in the history, by the detector of `history --changes`. What it finds is
 * stored as that command does, so that the next night's gate knows of it and the dashboard marks it. */
#include "cli/nightly.h"
#include "matrix/changes.h"

struct late {
    struct night *night;
    struct changepoint_options o;
    int n;
    struct err *e;
};

static int count_new(void *arg, const struct series_change *c)
{
    struct late *l = arg;
    l->n += c->is_new;
    return 0;
}

static int look_at(void *arg, const struct series *x)
{
    struct late *l = arg;
    return changes_each(l->night->store, x, &l->o, false, NULL, count_new, l, l->e);
}

int night_find_changes(struct night *n, double min_effect, struct err *e)
{
    struct late l = {.night = n, .o = changepoint_defaults, .e = e};
    struct series_filter f = {.env_sha256 = n->cli->device->env_sha256};
    l.o.min_effect = min_effect;
    int rc = series_each(n->store, &f, look_at, &l, e);
    if (rc == 0 && l.n > 0 && !n->cli->req.quiet)
        fprintf(stderr, "%d change%s of level found in the history; `whichquant history --changes` lists %s\n", l.n,
                l.n == 1 ? "" : "s", l.n == 1 ? "it" : "them");
    return rc;
}
