/* The order of rows of many models. Task scores order models, KLD is a limit within each; the pick's format is the
 * fastest of those whose score is nearly the model's best. No row beats the pick in score, speed and memory
 * at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "matrix/choose.h"
#include "matrix/choose_int.h"

static bool by_score(const struct judge *j)
{
    return j->want->objective == OBJECTIVE_BALANCED || j->want->objective == OBJECTIVE_QUALITY;
}

/* Higher is better. By score: models of which nothing is published come behind all others, by what models of their size
 * and year have; without any figure the larger comes first. */
static double key(const struct judge *j, const struct row *r)
{
    static const double behind = 1e3, last = 1e6;
    bool low;
    double v = row_metric(j, r, &low).v;
    if (!isfinite(v))
        return by_score(j) && isfinite(r->params_b) ? r->params_b - last : -INFINITY;
    return low ? -v : by_score(j) && !r->scored ? v - behind : v;
}

static int64_t bytes(const struct row *r)
{
    return r->peak_bytes >= 0 ? r->peak_bytes : r->weights_bytes;
}

/* The better by its key, then the smaller, then the first. */
static bool better(const struct judge *j, const struct row *a, const struct row *b)
{
    double ka = key(j, a), kb = key(j, b);
    return ka != kb ? ka > kb : bytes(a) < bytes(b);
}

static double speed(const struct row *r)
{
    return isfinite(r->decode_tok_s) ? r->decode_tok_s : 0;
}

struct limits {
    uint64_t ignored;
    double kld;
    int group; /* or ANY_GROUP */
};

static bool stands(const struct judge *j, const struct row *r, const struct limits *l)
{
    return (l->group == ANY_GROUP || r->group == l->group) && !r->own && row_within(r, l->ignored, l->kld) &&
           key(j, r) > -INFINITY;
}

/* Within a model: the fastest (smallest where no speed is known) of the rows that keep nearly all of its best score. */
static int fastest_alike(const struct judge *j, int best, const struct limits *l)
{
    static const double nearly_all = 0.99;
    const struct row *r = j->d->row, *top = &r[best];
    int pick = best;
    for (int i = 0; i < j->d->n_rows; i++) {
        if (r[i].group != top->group || !stands(j, &r[i], l) || r[i].task_score < nearly_all * top->task_score)
            continue;
        bool quicker = speed(&r[i]) > speed(&r[pick]);
        if (quicker || (speed(&r[i]) == speed(&r[pick]) && bytes(&r[i]) < bytes(&r[pick])))
            pick = i;
    }
    return pick;
}

static bool beats(const struct judge *j, const struct row *a, const struct row *b)
{
    double ka = key(j, a), kb = key(j, b);
    return ka >= kb && speed(a) >= speed(b) && bytes(a) <= bytes(b) &&
           (ka > kb || speed(a) > speed(b) || bytes(a) < bytes(b));
}

/* Another model may beat the format that was taken for its speed. */
static int climb(const struct judge *j, int pick, const struct limits *l)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < j->d->n_rows; i++)
            if (i != pick && stands(j, &j->d->row[i], l) && beats(j, &j->d->row[i], &j->d->row[pick])) {
                pick = i;
                moved = true;
            }
    }
    return pick;
}

static int best_of(const struct judge *j, const struct limits *l)
{
    int best = -1;
    for (int i = 0; i < j->d->n_rows; i++)
        if (stands(j, &j->d->row[i], l) && (best < 0 || better(j, &j->d->row[i], &j->d->row[best])))
            best = i;
    if (best >= 0 && j->want->objective == OBJECTIVE_BALANCED)
        best = climb(j, fastest_alike(j, best, l), l);
    return best;
}

/* May it be as good as the pick by the objective's figure? The distance is not beyond both errors together. */
static bool tied(const struct judge *j, const struct row *r, const struct row *pick)
{
    bool low;
    struct interval a = row_metric(j, r, &low), b = row_metric(j, pick, &low);
    if (!isfinite(a.v) || !isfinite(b.v) || (by_score(j) && !r->scored))
        return false;
    return low ? a.v - b.v <= hypot(a.v - a.lo, b.hi - b.v) : b.v - a.v <= hypot(a.hi - a.v, b.v - b.lo);
}

int choose_best(const struct judge *j, uint64_t ignored, double kld_limit, int group, int *n_tied)
{
    const struct limits l = {ignored, kld_limit, group};
    const int best = best_of(j, &l);
    int n = 0, last = -1;
    for (int i = 0; n_tied && best >= 0 && i < j->d->n_rows; i++) { /* rows of a model stand together only at first */
        const struct row *r = &j->d->row[i];
        if (r->group != last && r->lead && stands(j, r, &l) && tied(j, r, &j->d->row[best]))
            n++, last = r->group;
    }
    if (n_tied)
        *n_tied = n;
    return best;
}

void choose_set_floor(struct judge *j)
{
    double most = 0;
    j->min_decode_tok_s = j->want->min_decode_tok_s;
    if (isfinite(j->min_decode_tok_s) || j->want->objective != OBJECTIVE_BALANCED)
        return;
    for (int i = 0; i < j->d->n_rows; i++)
        if (row_eligible(&j->d->row[i], RULE_BIT(max_kld)) && j->d->row[i].kld <= DEFAULT_MAX_KLD)
            most = fmax(most, speed(&j->d->row[i]));
    j->min_decode_tok_s = most >= DEFAULT_MIN_DECODE ? DEFAULT_MIN_DECODE : most > 0 ? most / 2 : NAN;
}

/* Wide intervals overlap with nearly everything: beaten is what another row is no worse than in score, speed and memory
 * by its figures, and better beyond the intervals in one. */
bool choose_beats(const struct judge *j, const struct row *a, const struct row *b)
{
    return beats(j, a, b) && row_beaten(b, a);
}

/* Leads beat most of what is beaten. */
static bool beaten(const struct judge *j, int i)
{
    const struct row *r = j->d->row;
    for (int leads = 1; leads >= 0; leads--)
        for (int k = 0; k < j->d->n_rows; k++)
            if (k != i && r[k].lead == leads && row_eligible(&r[k], 0) && choose_beats(j, &r[k], &r[i]))
                return true;
    return false;
}

void choose_mark(struct judge *j)
{
    struct row *r = j->d->row;
    for (int i = 0; i < j->d->n_rows; i++)
        r[i].lead = false;
    for (int i = 0; i < j->d->n_rows; i++) {
        bool first = true;
        for (int k = i - 1; k >= 0 && first; k--)
            first = r[k].group != r[i].group;
        int best = first ? choose_best(j, 0, j->d->kld_limit, r[i].group, NULL) : -1;
        if (best >= 0)
            r[best].lead = true;
    }
    for (int i = 0; i < j->d->n_rows; i++)
        r[i].on_front = row_eligible(&r[i], 0) && !beaten(j, i);
}

enum { CANNOT_RUN = 3 };
static int place_class(const struct row *r)
{
    return r->lead ? 0 : row_eligible(r, 0) ? 1 : !r->ran ? 4 : strcmp(r->verdict, "cannot-run") == 0 ? CANNOT_RUN : 2;
}

static int compare(const void *pa, const void *pb, void *arg)
{
    const struct row *a = pa, *b = pb;
    int ca = place_class(a), cb = place_class(b);
    if (ca != cb)
        return ca - cb;
    double ka = key(arg, a), kb = key(arg, b);
    if (ka != kb && ca != CANNOT_RUN) /* there the nearest to running comes first */
        return ka > kb ? -1 : 1;
    int64_t x = bytes(a), y = bytes(b);
    int m = (x > y) - (x < y);
    m = m ? m : strcmp(a->model, b->model);
    m = m ? m : strcmp(a->format, b->format);
    return m ? m : strcmp(a->framework, b->framework);
}

void choose_sort(struct judge *j)
{
    struct decision *d = j->d;
    if (d->n_rows > 0)
        qsort_r(d->row, (size_t)d->n_rows, sizeof *d->row, compare, j);
    const int best = choose_best(j, 0, d->kld_limit, ANY_GROUP, NULL);
    if (best > 0) { /* the pick may be another model's than the best score's: nothing beats it */
        struct row pick = d->row[best];
        memmove(&d->row[1], &d->row[0], (size_t)best * sizeof *d->row);
        d->row[0] = pick;
    }
    for (int i = 0; i < d->n_rows; i++)
        d->row[i].rank = best >= 0 && d->row[i].lead && tied(j, &d->row[i], &d->row[0]) ? 1 : i + 1;
}
