/* The fit: ln seconds = ln(sum of three terms) + effects, by Gauss and Newton with priors, so that an effect with few
 * rows stays near its class, and with weights that fall for rows far away, so that a wrong one does not bend it.
 * The error of each row is that of the fit without its device. */
#include "matrix/predict_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 14, ROUNDS_WARM = 5 };
static const double least_sigma = 0.08, tail = 4; /* degrees of freedom of the residuals */
static const double few_devices = 2;

static bool belongs(const struct observation *o, int family, enum predict_phase phase)
{
    return !o->why_not && o->phase == phase && predict_classes[o->class_id].family == family;
}

/* Parameters of the levels that occur, and the hull. */
static void lay_out(const struct predict_table *t, struct family_fit *f, int family, enum predict_phase phase)
{
    bool seen[MAX_DEVICES] = {false};
    *f = (struct family_fit){.n_params = N_TERMS, .params_lo = INFINITY, .bandwidth_lo = INFINITY, .sigma = 0.25};
    memset(f->level_at, -1, sizeof f->level_at);
    for (int i = 0; i < t->n; i++) {
        const struct observation *o = &t->row[i];
        if (!belongs(o, family, phase))
            continue;
        for (int e = 0; e < N_EFFECTS; e++)
            if (f->level_at[e][o->level[e]] < 0 && f->n_params < MAX_PARAMS)
                f->level_at[e][o->level[e]] = f->n_params++;
        f->n_rows++;
        f->n_devices += !seen[o->device];
        seen[o->device] = true;
        f->params_lo = fmin(f->params_lo, o->params_b);
        f->params_hi = fmax(f->params_hi, o->params_b);
        f->bandwidth_lo = fmin(f->bandwidth_lo, o->bandwidth_gb_s);
        f->bandwidth_hi = fmax(f->bandwidth_hi, o->bandwidth_gb_s);
    }
}

/* Solves A x = b in place by Cholesky; A is positive definite by its priors. */
static void solve(double a[MAX_PARAMS][MAX_PARAMS], double b[MAX_PARAMS], int n)
{
    for (int j = 0; j < n; j++) {
        for (int k = 0; k < j; k++)
            for (int i = j; i < n; i++)
                a[i][j] -= a[i][k] * a[j][k];
        double d = 1 / sqrt(a[j][j]);
        for (int i = j; i < n; i++)
            a[i][j] *= d;
    }
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++)
            b[i] -= a[i][k] * b[k];
        b[i] /= a[i][i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            b[i] -= a[k][i] * b[k];
        b[i] /= a[i][i];
    }
}

struct step {
    double a[MAX_PARAMS][MAX_PARAMS], b[MAX_PARAMS];
    double squares, weights;
};

/* One row into the normal equations: three terms and up to four effects are not zero. */
static void add_row(struct step *s, const struct family_fit *f, const struct predict_prior *prior,
                    const struct observation *o)
{
    int at[N_TERMS + N_EFFECTS], n = 0;
    double slope[N_TERMS + N_EFFECTS], sum = 0, r = -log(o->tok_s);
    for (int k = 0; k < N_TERMS; k++)
        if (prior->term[k][1] > 0) {
            at[n] = k;
            slope[n] = exp(f->param[k]) * o->x[k];
            sum += slope[n++];
        }
    for (int k = 0; k < n; k++)
        slope[k] /= sum;
    r -= log(sum);
    for (int e = 0; e < N_EFFECTS; e++) {
        int p = f->level_at[e][o->level[e]];
        if (p < 0)
            continue;
        r -= f->param[p];
        at[n] = p;
        slope[n++] = 1;
    }
    double z = r / f->sigma, w = o->weight * (tail + 1) / (tail + z * z), scale = w / (f->sigma * f->sigma);
    s->squares += w * r * r;
    s->weights += o->weight;
    for (int i = 0; i < n; i++) {
        s->b[at[i]] += scale * slope[i] * r;
        for (int j = 0; j < n; j++)
            s->a[at[i]][at[j]] += scale * slope[i] * slope[j];
    }
}

static void add_prior(struct step *s, int p, double value, double expected, double spread)
{
    double sd = spread > 0 ? spread : 1e-3;
    s->a[p][p] += 1 / (sd * sd);
    s->b[p] += (expected - value) / (sd * sd);
}

static double expected_term(const struct predict_prior *prior, int k)
{
    return prior->term[k][1] > 0 ? log(prior->term[k][0]) : 0;
}

static void improve(const struct predict_table *t, struct family_fit *f, const struct predict_prior *prior, int family,
                    enum predict_phase phase, int without, struct step *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < t->n; i++)
        if (belongs(&t->row[i], family, phase) && t->row[i].device != without)
            add_row(s, f, prior, &t->row[i]);
    for (int k = 0; k < N_TERMS; k++)
        add_prior(s, k, f->param[k], expected_term(prior, k), prior->term[k][1]);
    for (int e = 0; e < N_EFFECTS; e++)
        for (int i = 0; i < t->names[e].n; i++)
            if (f->level_at[e][i] >= 0)
                add_prior(s, f->level_at[e][i], f->param[f->level_at[e][i]], 0, prior->effect[e]);
    solve(s->a, s->b, f->n_params);
    for (int p = 0; p < f->n_params; p++)
        f->param[p] += fmax(-1, fmin(1, s->b[p]));
    if (s->weights > 0)
        f->sigma = fmax(least_sigma, sqrt(s->squares / s->weights));
}

void predict_family_fit(const struct predict_table *t, struct family_fit *f, int family, enum predict_phase phase,
                        int without)
{
    const struct predict_prior *prior = predict_prior(family, phase);
    struct step *s = mem_alloc(sizeof *s);
    int rounds = ROUNDS_WARM;
    if (!s)
        return;
    if (f->n_params == 0) {
        lay_out(t, f, family, phase);
        for (int k = 0; k < N_TERMS; k++)
            f->param[k] = expected_term(prior, k);
        rounds = ROUNDS;
    }
    for (int i = 0; i < rounds && f->n_rows > 0; i++)
        improve(t, f, prior, family, phase, without, s);
    mem_free(s);
}

double predict_ln_seconds(const struct family_fit *f, const struct predict_prior *prior, const double x[N_TERMS],
                          const int level[N_EFFECTS], double *unseen)
{
    double sum = 0, effects = 0;
    *unseen = 0;
    for (int k = 0; k < N_TERMS; k++)
        if (prior->term[k][1] > 0)
            sum += exp(f->param[k]) * x[k];
    for (int e = 0; e < N_EFFECTS; e++) {
        int p = level[e] < 0 ? -1 : f->level_at[e][level[e]];
        if (p >= 0)
            effects += f->param[p];
        else
            *unseen += prior->effect[e] * prior->effect[e];
    }
    return log(sum) + effects;
}

/* Fits each family with all of its devices, and each row's error without its own. */
static void fit_family(struct predict_table *t, int family, enum predict_phase phase, struct family_fit *apart)
{
    bool done[MAX_DEVICES] = {false};
    const struct predict_prior *prior = predict_prior(family, phase);
    struct family_fit *all = &t->fit[family][phase];
    predict_family_fit(t, all, family, phase, -1);
    for (int i = 0; i < t->n; i++) {
        int device = t->row[i].device;
        if (!belongs(&t->row[i], family, phase) || done[device])
            continue;
        done[device] = true;
        *apart = *all;
        predict_family_fit(t, apart, family, phase, device);
        for (int j = i; j < t->n; j++) {
            struct observation *o = &t->row[j];
            double unseen;
            if (o->device == device && belongs(o, family, phase))
                o->ln_error = -predict_ln_seconds(apart, prior, o->x, o->level, &unseen) - log(o->tok_s);
        }
    }
}

bool predict_table_fit(struct predict_table *t)
{
    struct family_fit *apart = mem_alloc(sizeof *apart);
    for (int family = 0; apart && family < N_FAMILIES; family++)
        for (int phase = 0; phase < N_PHASES; phase++)
            fit_family(t, family, (enum predict_phase)phase, apart);
    for (int k = 0; apart && k < n_predict_classes; k++)
        for (int f = -1; f < t->names[EFFECT_FRAMEWORK].n; f++)
            for (int phase = 0; phase < N_PHASES; phase++)
                t->half[k][f + 1][phase] = predict_half_width(t, k, f, (enum predict_phase)phase, -1);
    bool ok = apart != NULL;
    mem_free(apart);
    return ok;
}

/* ---- the interval ---- */

struct weighed {
    double v, w;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct weighed *)a)->v, y = ((const struct weighed *)b)->v;
    return (x > y) - (x < y);
}

struct half_width predict_half_width(const struct predict_table *t, int class_id, int framework,
                                     enum predict_phase phase, int without)
{
    enum { MOST = 1024 };
    struct weighed *e = mem_alloc_n(MOST, sizeof *e);
    bool seen[MAX_DEVICES] = {false};
    struct half_width h = {NAN, 0};
    int n = 0;
    double sum = 0, reached = 0;
    for (int i = 0; e && i < t->n && n < MOST; i++) {
        const struct observation *o = &t->row[i];
        if (o->class_id != class_id || o->phase != phase || o->why_not || o->device == without ||
            (framework >= 0 && o->level[EFFECT_FRAMEWORK] != framework))
            continue;
        e[n] = (struct weighed){fabs(o->ln_error), o->weight};
        sum += e[n++].w;
        h.n_devices += !seen[o->device];
        seen[o->device] = true;
    }
    if (n > 0)
        qsort(e, (size_t)n, sizeof *e, by_value);
    for (int i = 0; i < n && !(i > 0 && reached >= 0.9 * sum); i++) {
        reached += e[i].w;
        h.ln = e[i].v;
    }
    h.ln *= 1 + few_devices / fmax(1, h.n_devices); /* of few the quantile is an understatement */
    mem_free(e);
    return h;
}

const char *predict_unfit(struct half_width half)
{
    enum { LEAST_DEVICES = 3 };
    static const double widest = 6; /* times and a part as fast: no answer */
    if (half.n_devices < LEAST_DEVICES || !isfinite(half.ln))
        return "too few devices";
    return half.ln > log(widest) ? "published speeds disagree too much" : NULL;
}

struct half_width predict_half_for(const struct predict_table *t, int class_id, int framework, enum predict_phase phase,
                                   int without)
{
    enum { ENOUGH = 6 };
    struct half_width own = {NAN, 0};
    if (framework >= 0)
        own = without < 0 ? t->half[class_id][framework + 1][phase]
                          : predict_half_width(t, class_id, framework, phase, without);
    if (own.n_devices >= ENOUGH)
        return own;
    return without < 0 ? t->half[class_id][0][phase] : predict_half_width(t, class_id, -1, phase, without);
}
