/* Candidates: in windows that overlap by half, the split with the largest energy statistic, kept where few random
 * orders of the same values give one as large, and so on in both halves (Matteson and James 2014).
 *
 * The permutation test is honest about the search: each random order is searched for its own best split too. A t-test
 * at the best split is not, it finds p = 0.001 in one flat series of twenty. */
#include "matrix/changepoint_int.h"

#include <math.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/rng.h"

struct split {
    const double *y;
    double *p;
    const char *name;
    const struct changepoint_options *o;
    double *distance; /* [m][m] of the segment in hand */
    double *row;      /* [m] its sums by rows */
    int *order;       /* [m] */
};

static double measure(struct split *s, int lo, int m)
{
    double all = 0;
    for (int i = 0; i < m; i++) {
        s->row[i] = 0;
        for (int k = 0; k < m; k++) {
            double d = fabs(s->y[lo + i] - s->y[lo + k]);
            s->distance[i * m + k] = d;
            s->row[i] += d;
        }
        all += s->row[i];
    }
    return all / 2;
}

/* Largest Q over the splits of the m values in s->order; all: the sum of distances over pairs. One value after the
 * other goes from the right side to the left, with its distances to both. */
static double best_split(const struct split *s, int m, double all, int *where)
{
    double left = 0, right = all, best = -1;
    *where = 0;
    for (int a = 1; a < m; a++) {
        int x = s->order[a - 1], b = m - a;
        const double *to = s->distance + (size_t)x * (size_t)m;
        double joined = 0;
        for (int i = 0; i < a - 1; i++)
            joined += to[s->order[i]];
        left += joined;
        right -= s->row[x] - joined;
        if (a < s->o->min_side || b < s->o->min_side)
            continue;
        double between = 2 / ((double)a * b) * (all - left - right);
        double within = 2 / (a * (a - 1.0)) * left + 2 / (b * (b - 1.0)) * right;
        double q = (double)a * b / m * (between - within);
        if (q > best) {
            best = q;
            *where = a;
        }
    }
    return best;
}

/* Seeded by the segment too: its answer does not depend on what was tested before it, so that a series that grew keeps
 * the answers of its old windows. Rounding must not make an order seem larger than itself. */
static double permutation_p(struct split *s, int lo, int m, double all, double seen)
{
    char segment[48];
    struct rng rng, own;
    snprintf(segment, sizeof segment, "%d+%d", lo, m);
    rng_seed_text(&own, 0, s->name);
    rng_seed_text(&rng, rng_u64(&own), segment);
    int n_larger = 0, n = s->o->n_permutations, where;
    for (int r = 0; r < n; r++) {
        rng_shuffle(&rng, s->order, m);
        n_larger += best_split(s, m, all, &where) >= seen * (1 - 1e-12);
        if (1 + n_larger > s->o->p_split * (n + 1)) /* no later order can mend that */
            return 1;
    }
    return (1.0 + n_larger) / (n + 1);
}

static void divide(struct split *s, int lo, int hi)
{
    int m = hi - lo, where;
    if (m < 2 * s->o->min_side)
        return;
    double all = measure(s, lo, m);
    for (int i = 0; i < m; i++)
        s->order[i] = i;
    double q = best_split(s, m, all, &where), p = q > 0 ? permutation_p(s, lo, m, all, q) : 1;
    if (p > s->o->p_split)
        return;
    int at = lo + where;
    s->p[at] = isnan(s->p[at]) || p < s->p[at] ? p : s->p[at];
    divide(s, lo, at);
    divide(s, at, hi);
}

int changepoint_split(double *p, const double *y, int n, const char *name, const struct changepoint_options *o,
                      struct err *e)
{
    size_t w = (size_t)(o->window < n ? o->window : n);
    struct split s = {.y = y, .p = p, .name = name, .o = o};
    s.distance = mem_alloc_n(w * w + w, sizeof *s.distance);
    s.order = mem_alloc_n(w, sizeof *s.order);
    int rc = s.distance && s.order ? 0 : err_nomem(e, w * w * sizeof *s.distance, "the distances of a window");
    s.row = s.distance ? s.distance + w * w : NULL;
    for (int i = 0; i < n; i++)
        p[i] = NAN;
    for (int lo = 0, hi = 0; rc == 0 && hi < n; lo += o->step) {
        hi = lo + o->window < n ? lo + o->window : n;
        divide(&s, lo, hi);
    }
    mem_free(s.distance);
    mem_free(s.order);
    return rc;
}
