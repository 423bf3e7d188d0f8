/* The detector: gaps out, logarithms, isolated spikes out (Hampel), candidates (changepoint_split.c), merge, figures.
 */
#include "matrix/changepoint.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "bench/stats_compare.h"
#include "matrix/changepoint_int.h"

const struct changepoint_options changepoint_defaults = {.min_effect = 0.02,
                                                         .p_split = 0.01,
                                                         .p_merge = 0.005,
                                                         .window = 60,
                                                         .step = 30,
                                                         .min_side = 3,
                                                         .n_permutations = 199};

enum { SPIKE_REACH = 7 };
static const double spike_sigmas = 4, standard_errors = 4;
static const double mad_to_sigma = 1.4826,
                    median_to_mean = 1.2533; /* sqrt(pi / 2): their standard errors, of normals */

struct candidate {
    int at;                    /* first value of the new level */
    double p_split, p, effect; /* effect: |difference of the medians| */
    double least, noise, needed;
};
struct detector {
    const struct changepoint_options *o;
    bool ratios; /* y are logarithms */
    int n;
    int *index;    /* [n] of the caller's value */
    double *raw;   /* [n] without gaps */
    double *y;     /* [n] without spikes */
    double *draft; /* [n] */
    double *p;     /* [n] */
    bool *spike;   /* [n] */
    struct candidate *c;
    int n_c;
};

/* ---- what is looked at ---- */

static int start(struct detector *d, const double *value, int n, struct err *e)
{
    size_t k = n > 0 ? (size_t)n : 1;
    d->index = mem_alloc_n(k, sizeof *d->index);
    d->raw = mem_alloc_n(4 * k, sizeof *d->raw);
    d->spike = mem_alloc_n(k, sizeof *d->spike);
    d->c = mem_alloc_n(k, sizeof *d->c);
    if (!d->index || !d->raw || !d->spike || !d->c)
        return err_nomem(e, k * (4 * sizeof *d->raw + sizeof *d->c), "the series");
    d->y = d->raw + k;
    d->draft = d->raw + 2 * k;
    d->p = d->raw + 3 * k;
    d->ratios = true;
    double largest = 0; /* y of values that are no ratios: within one, where no difference overflows */
    for (int i = 0; i < n; i++)
        if (isfinite(value[i])) {
            d->ratios = d->ratios && value[i] > 0;
            largest = fmax(largest, fabs(value[i]));
            d->index[d->n] = i;
            d->raw[d->n++] = value[i];
        }
    for (int i = 0; i < d->n; i++)
        d->y[i] = d->ratios ? log(d->raw[i]) : largest > 0 ? d->raw[i] / largest : 0;
    return 0;
}

/* A value far from its neighbourhood whose two neighbours are not: it is looked at as the median of that
 * neighbourhood. The first and the last value stay: what follows the last one is not known yet. */
static int remove_spikes(struct detector *d, struct err *e)
{
    memcpy(d->draft, d->y, (size_t)d->n * sizeof *d->y);
    const double *y = d->draft;
    for (int i = 1; i + 1 < d->n; i++) {
        int lo = i > SPIKE_REACH ? i - SPIKE_REACH : 0, hi = i + SPIKE_REACH < d->n ? i + SPIKE_REACH + 1 : d->n;
        double mid = stats_median(y + lo, hi - lo), far = spike_sigmas * stats_mad(y + lo, hi - lo);
        if (isnan(mid) || isnan(far))
            return err_nomem(e, sizeof *y * (size_t)(hi - lo), "the neighbourhood of a value");
        d->spike[i] = fabs(y[i] - mid) > far && fabs(y[i - 1] - mid) <= far && fabs(y[i + 1] - mid) <= far;
        if (d->spike[i])
            d->y[i] = mid;
    }
    return 0;
}

/* ---- merge ---- */

static int left_of(const struct detector *d, int i)
{
    return i > 0 ? d->c[i - 1].at : 0;
}
static int right_of(const struct detector *d, int i)
{
    return i + 1 < d->n_c ? d->c[i + 1].at : d->n;
}

/* The effect asked for, as a difference of y. */
static double least_difference(const struct detector *d, double before, double after)
{
    if (!d->ratios)
        return d->o->min_effect * fabs(before);
    return after < before ? -log1p(-d->o->min_effect) : log1p(d->o->min_effect);
}

static int weigh(struct detector *d, int i, struct err *e)
{
    struct candidate *c = &d->c[i];
    int lo = left_of(d, i), hi = right_of(d, i), n_before = c->at - lo, n_after = hi - c->at;
    const double *left = d->y + lo, *right = d->y + c->at;
    double before = stats_median(left, n_before), after = stats_median(right, n_after);
    c->p = n_before < d->o->min_side || n_after < d->o->min_side
               ? 2 /* more than any p: goes first */
               : stats_mann_whitney_two_sided(left, n_before, right, n_after);
    c->effect = fabs(after - before);
    c->least = least_difference(d, before, after);
    for (int k = lo; k < hi; k++)
        d->draft[k] = fabs(d->y[k] - (k < c->at ? before : after));
    c->noise = mad_to_sigma * stats_median(d->draft + lo, hi - lo);
    if (isnan(c->p) || isnan(c->effect) || isnan(c->noise))
        return err_nomem(e, sizeof *left * (size_t)(hi - lo), "the levels beside a change");
    return 0;
}

/* Neighbouring nights are often alike: the correlation of each value with the one before it when the levels are taken
 * off, cut at three robust sigmas; 0 where it may be chance (one-sided 10 %). NaN without memory. */
static double autocorrelation(struct detector *d)
{
    double *r = d->draft, products = 0, squares = 0;
    for (int i = 0, k = 0; i <= d->n_c; i++) {
        int hi = i < d->n_c ? d->c[i].at : d->n;
        double level = stats_median(d->y + k, hi - k);
        for (; k < hi; k++)
            r[k] = d->y[k] - level;
    }
    double cut = 3 * stats_mad(r, d->n);
    if (isnan(cut))
        return NAN;
    for (int k = 0, next = 0; k < d->n; k++) {
        bool first = k == 0 || (next < d->n_c && d->c[next].at == k);
        next += k > 0 && first;
        r[k] = fmin(fmax(r[k], -cut), cut);
        squares += r[k] * r[k];
        products += first ? 0 : r[k] * r[k - 1];
    }
    double phi = squares > 0 ? products / squares : 0;
    return phi > 1.28 / sqrt(d->n) ? fmin(phi, 0.9) : 0;
}

/* Of a mean of n values, each correlated by phi with the one before: its variance in units of one value's. */
static double variance_of_mean(double phi, int n)
{
    double v = 1, f = phi;
    for (int k = 1; k < n && f > 1e-6; k++, f *= phi)
        v += 2 * (1 - (double)k / n) * f;
    return v / n;
}

/* What each effect must reach: what was asked for, the noise around both levels, and four standard errors of a
 * difference of two medians. */
static int require(struct detector *d, struct err *e)
{
    double phi = autocorrelation(d);
    if (isnan(phi))
        return err_nomem(e, sizeof *d->y * (size_t)d->n, "the noise of the series");
    for (int i = 0; i < d->n_c; i++) {
        struct candidate *c = &d->c[i];
        double v = variance_of_mean(phi, c->at - left_of(d, i)) + variance_of_mean(phi, right_of(d, i) - c->at);
        c->needed = fmax(fmax(c->least, c->noise), standard_errors * median_to_mean * c->noise * sqrt(v));
    }
    return 0;
}

/* The one with the largest p that is too large; else the one whose effect is the smallest part of what is needed; -1
 * when all may stay. */
static int weakest(const struct detector *d)
{
    int p = 0, effect = 0;
    for (int i = 1; i < d->n_c; i++) {
        p = d->c[i].p > d->c[p].p ? i : p;
        effect = d->c[i].effect * d->c[effect].needed < d->c[effect].effect * d->c[i].needed ? i : effect;
    }
    if (d->n_c > 0 && d->c[p].p > d->o->p_merge)
        return p;
    const struct candidate *c = d->n_c > 0 ? &d->c[effect] : NULL;
    return c && (c->effect < c->needed || c->effect == 0) ? effect : -1;
}

static int merge(struct detector *d, struct err *e)
{
    int rc = 0, drop;
    for (int i = 0; rc == 0 && i < d->n_c; i++)
        rc = weigh(d, i, e);
    while (rc == 0 && (rc = require(d, e)) == 0 && (drop = weakest(d)) >= 0) {
        d->n_c--;
        memmove(d->c + drop, d->c + drop + 1, (size_t)(d->n_c - drop) * sizeof *d->c);
        for (int i = drop > 0 ? drop - 1 : 0; rc == 0 && i <= drop && i < d->n_c; i++)
            rc = weigh(d, i, e);
    }
    return rc;
}

/* The energy statistic is drawn to the middle of a segment. The levels being known now, a change stands where the
 * values fit them best: least distance to the level before, then to the one after. */
static void relocate(struct detector *d, int i)
{
    int lo = left_of(d, i), hi = right_of(d, i), at = d->c[i].at;
    double before = stats_median(d->y + lo, at - lo), after = stats_median(d->y + at, hi - at), sum = 0,
           least = INFINITY;
    for (int k = lo + 1; k <= hi - d->o->min_side; k++) {
        sum += fabs(d->y[k - 1] - before) - fabs(d->y[k - 1] - after);
        if (k - lo >= d->o->min_side && sum < least) {
            least = sum;
            d->c[i].at = k;
        }
    }
}

/* ---- the answer ---- */

static struct changepoint describe(const struct detector *d, int i)
{
    const struct candidate *c = &d->c[i];
    int lo = left_of(d, i), n_before = c->at - lo, n_after = right_of(d, i) - c->at;
    const double *left = d->raw + lo, *right = d->raw + c->at;
    struct changepoint r = {.index = d->index[c->at], .p = fmax(c->p, c->p_split)};
    r.before = stats_median(left, n_before);
    r.after = stats_median(right, n_after);
    r.effect = r.before != 0 ? (r.after - r.before) / fabs(r.before) : NAN;
    r.mean_before = stats_mean(left, n_before);
    r.mean_after = stats_mean(right, n_after);
    r.sd_before = stats_stddev(left, n_before);
    r.sd_after = stats_stddev(right, n_after);
    int df = n_before + n_after - 2;
    double pooled = ((n_before - 1) * r.sd_before * r.sd_before + (n_after - 1) * r.sd_after * r.sd_after) / df;
    r.t = (r.mean_after - r.mean_before) / sqrt(pooled * (1.0 / n_before + 1.0 / n_after));
    r.p_t = stats_student_two_sided(r.t, df);
    return r;
}

static int detect(struct detector *d, const char *name, struct err *e)
{
    if (d->n < 2 * d->o->min_side)
        return 0;
    int rc = remove_spikes(d, e);
    if (rc == 0)
        rc = changepoint_split(d->p, d->y, d->n, name, d->o, e);
    for (int i = 0; rc == 0 && i < d->n; i++)
        if (!isnan(d->p[i]))
            d->c[d->n_c++] = (struct candidate){.at = i, .p_split = d->p[i]};
    if (rc == 0)
        rc = merge(d, e);
    for (int i = 0; rc == 0 && i < d->n_c; i++)
        relocate(d, i);
    return rc ? rc : merge(d, e); /* with sides that moved */
}

static int check(const struct changepoint_options *o, struct err *e)
{
    if (!(o->min_effect >= 0 && o->min_effect < 1))
        return err_set(e, ERR_USAGE, "a smallest effect of %g makes no sense; give one in [0, 1)", o->min_effect);
    if (!(o->p_split > 0 && o->p_split <= 1 && o->p_merge > 0 && o->p_merge <= 1))
        return err_set(e, ERR_USAGE, "p must lie in (0, 1]");
    if (o->min_side < 2 || o->window < 2 * o->min_side || o->step < 1 || o->step > o->window || o->n_permutations < 1)
        return err_set(e, ERR_USAGE, "windows of %d values, a step of %d and sides of %d do not go together", o->window,
                       o->step, o->min_side);
    return 0;
}

int changepoint_find(struct changepoint **out, int *n_out, bool *outlier, const double *value, int n, const char *name,
                     const struct changepoint_options *o, struct err *e)
{
    struct detector d = {.o = o ? o : &changepoint_defaults};
    *out = NULL;
    *n_out = 0;
    int rc = check(d.o, e);
    if (rc == 0)
        rc = start(&d, value, n, e);
    if (rc == 0)
        rc = detect(&d, name, e);
    if (rc == 0 && d.n_c > 0 && !(*out = mem_alloc_n((size_t)d.n_c, sizeof **out)))
        rc = err_nomem(e, (size_t)d.n_c * sizeof **out, "the changes");
    for (int i = 0; rc == 0 && i < d.n_c; i++)
        (*out)[(*n_out)++] = describe(&d, i);
    for (int i = 0; rc == 0 && outlier && i < n; i++)
        outlier[i] = false;
    for (int i = 0; rc == 0 && outlier && i < d.n; i++)
        outlier[d.index[i]] = d.spike[i];
    mem_free(d.index);
    mem_free(d.raw);
    mem_free(d.spike);
    mem_free(d.c);
    return rc;
}
