/* What NNCF adds to rounding: AWQ and scale estimation, over OpenVINO's integer codecs.
 *
 * AWQ takes the down matrix alone, the only one of a gated model whose input is a product: its columns are multiplied
 * by a scale and the rows of the up matrix, whose output that product has, are divided by it. Without data the scale is
 * 1 / mean |column|. With data it is s^a in the groups of the 0.2 % of columns with the largest inputs, a of 0, 0.01
 * ... 0.99 by the mean error of the outputs, 1 elsewhere.
 *
 * Scale estimation chooses the scale of each group among 5 rectified ones and 5 of a grid by the squared error of the
 * group's part of the outputs. Both see the mean of x over each chunk of the calibration text, of 32 and 64 chunks or
 * so. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/pool.h"
#include "bench/quant/algorithm.h"
#include "bench/quant/pairwise.h"
#include "bench/quant/recipe.h"
#include "kernels/formats/openvino_int.h"

enum { AWQ_SAMPLES = 32, SCALE_SAMPLES = 64, N_STEPS = 100, N_RECTIFY = 5, N_GRID = 5 };

/* Means over chunks as [k][n]. Of more than `most` every (number / most)-th is taken, from the first. */
struct samples {
    float *x;
    int64_t k;
    int n;
    float *peak; /* [k] the largest |x| of all chunks */
};

static int take_samples(struct samples *s, const struct calib *cal, int64_t k, int most, struct arena *a, struct err *e)
{
    if (cal->n_samples < 1)
        return err_set(e, ERR_DATA, "the calibration text has no whole chunk");
    int step = cal->n_samples > most ? cal->n_samples / most : 1;
    *s = (struct samples){.k = k, .n = (cal->n_samples + step - 1) / step};
    s->x = arena_alloc_n(a, (size_t)k, (size_t)s->n * sizeof *s->x);
    s->peak = arena_alloc_n(a, (size_t)k, sizeof *s->peak);
    if (!s->x || !s->peak)
        return err_nomem(e, (size_t)k * (size_t)s->n * sizeof *s->x, "activation samples");
    for (int i = 0; i < cal->n_samples; i++)
        for (int64_t j = 0; j < k; j++) {
            float v = cal->sample[i * k + j];
            if (i % step == 0)
                s->x[j * s->n + i / step] = v;
            s->peak[j] = i == 0 || fabsf(v) > s->peak[j] ? fabsf(v) : s->peak[j];
        }
    return 0;
}

/* y[n] = w[len] times x[len][n] */
static void product(float *y, const float *w, const float *x, int64_t len, int n)
{
    memset(y, 0, (size_t)n * sizeof *y);
    for (int64_t i = 0; i < len; i++)
        for (int j = 0; j < n; j++)
            y[j] += w[i] * x[i * n + j];
}

/* Of a group at least; whole rows where there are none. */
static int64_t group_len(const struct qpar *par, int64_t k)
{
    return par->group > 0 ? par->group : k;
}

static const struct model_tensor *find(const struct model_desc *d, int layer, enum tensor_use use)
{
    for (int i = 0; i < d->n_tensors; i++)
        if (d->tensor[i].layer == layer && d->tensor[i].use == use)
            return &d->tensor[i];
    return NULL;
}

static float *decoded(const struct qmat *q, struct arena *a)
{
    float *w = arena_alloc_n(a, (size_t)q->n, (size_t)q->k * sizeof *w);
    if (w)
        q->codec->decode(w, q, 0, q->n);
    return w;
}

/* ---- AWQ ---- */

struct awq {
    const float *w; /* [n][k] the down matrix */
    int64_t n, k;
    struct qpar par;
    struct samples x;
    const float *output; /* [k] an upper estimate of what the up matrix puts out */
    float *scale;        /* [k] */
};

static void scale_without_data(struct awq *a)
{
    memset(a->scale, 0, (size_t)a->k * sizeof *a->scale);
    for (int64_t r = 0; r < a->n; r++)
        for (int64_t i = 0; i < a->k; i++)
            a->scale[i] += fabsf(a->w[r * a->k + i]);
    for (int64_t i = 0; i < a->k; i++)
        a->scale[i] = 1 / fmaxf(a->scale[i] / (float)a->n, FLT_EPSILON);
}

/* A group of columns under one of the exponents. */
struct awq_search {
    const struct awq *a;
    int64_t k0, len;
    const float *strength; /* [len] */
    const float *exact;    /* [n][samples] */
    double *error;         /* [N_STEPS] */
    float *tmp;            /* per thread: [len] scale, [len] weights, [len][samples] inputs, [samples] outputs */
    size_t n_tmp;
};

/* 100 times 0.01 in f64, as a loop that adds it arrives there. */
static float exponent_of(int step)
{
    double a = 0;
    for (int i = 0; i < step; i++)
        a += 0.01;
    return (float)a;
}

/* No output of the up matrix may come near the largest f16. */
static void step_scale(const struct awq_search *s, int step, float *scale)
{
    static const float most = 0.25f * 65504;
    const float *output = s->a->output + s->k0;
    float power = exponent_of(step);
    for (int64_t i = 0; i < s->len; i++) {
        scale[i] = powf(s->strength[i], power);
        if (output[i] / scale[i] >= most)
            scale[i] = output[i] / most;
    }
}

static void search_steps(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct awq_search *s = arg;
    const struct awq *a = s->a;
    float *scale = s->tmp + (size_t)i_thread * s->n_tmp, *w = scale + s->len, *x = w + s->len;
    float *y = x + s->len * a->x.n;
    for (int64_t step = i0; step < i1; step++) {
        double sum = 0;
        step_scale(s, (int)step, scale);
        for (int64_t i = 0; i < s->len; i++)
            for (int j = 0; j < a->x.n; j++)
                x[i * a->x.n + j] = a->x.x[(s->k0 + i) * a->x.n + j] / scale[i];
        for (int64_t r = 0; r < a->n; r++) {
            for (int64_t i = 0; i < s->len; i++)
                w[i] = a->w[r * a->k + s->k0 + i] * scale[i];
            struct grid g = openvino_int_grid(&a->par, w, s->len);
            openvino_int_levels(&a->par, g, w, s->len, w);
            for (int64_t i = 0; i < s->len; i++)
                w[i] *= g.scale;
            product(y, w, x, s->len, a->x.n);
            for (int j = 0; j < a->x.n; j++)
                sum += (double)fabsf(y[j] - s->exact[r * a->x.n + j]);
        }
        s->error[step] = sum / (double)a->n / a->x.n;
    }
}

/* The largest input of each column, not less than a tenth of them have; sorted[len] is scratch. */
static void strengths(float *strength, float *sorted, const float *peak, int64_t len)
{
    float least = quantile_of(peak, sorted, len, 0.1f);
    for (int64_t i = 0; i < len; i++)
        strength[i] = clampf(peak[i], least, 100);
}

static int search_group(const struct awq *a, int64_t k0, int64_t len, struct pool *pool, struct arena *arena,
                        struct err *e)
{
    size_t mark = arena_mark(arena), n = (size_t)a->x.n;
    struct awq_search s = {.a = a, .k0 = k0, .len = len, .n_tmp = (size_t)len * (2 + n) + n};
    float *exact = arena_alloc_n(arena, (size_t)a->n, n * sizeof *exact);
    float *strength = arena_alloc_n(arena, (size_t)len * 2, sizeof *strength);
    s.error = arena_alloc_n(arena, N_STEPS, sizeof *s.error);
    s.tmp = arena_alloc_n(arena, (size_t)pool_n_threads(pool) * s.n_tmp, sizeof *s.tmp);
    if (!exact || !strength || !s.error || !s.tmp)
        return err_nomem(e, (size_t)a->n * n * sizeof *exact, "a search for scales");
    double least = 0;
    for (int64_t r = 0; r < a->n; r++) {
        product(exact + (size_t)r * n, a->w + r * a->k + k0, a->x.x + (size_t)k0 * n, len, a->x.n);
        least = fmax(least, (double)range_absmax(exact + (size_t)r * n, a->x.n));
    }
    strengths(strength, strength + len, a->x.peak + k0, len);
    s.exact = exact;
    s.strength = strength;
    pool_for(pool, N_STEPS, 4, search_steps, &s);
    int best = -1;
    for (int i = 0; i < N_STEPS; i++)
        if (s.error[i] < least) {
            least = s.error[i];
            best = i;
        }
    if (best >= 0)
        step_scale(&s, best, a->scale + k0);
    arena_reset(arena, mark);
    return 0;
}

/* Does a column of the group belong to the n largest? Of equal ones the first. */
static bool has_outlier(const struct awq *a, int64_t k0, int64_t len, int64_t n)
{
    for (int64_t i = k0; i < k0 + len; i++) {
        int64_t larger = 0;
        for (int64_t j = 0; j < a->k; j++)
            larger += a->x.peak[j] > a->x.peak[i] || (a->x.peak[j] == a->x.peak[i] && j < i);
        if (larger < n)
            return true;
    }
    return false;
}

static int scale_with_data(const struct awq *a, struct pool *pool, struct arena *arena, struct err *e)
{
    int64_t len = group_len(&a->par, a->k), n = (int64_t)((double)a->k * 0.002);
    int rc = 0;
    for (int64_t i = 0; i < a->k; i++)
        a->scale[i] = 1;
    for (int64_t k0 = 0; k0 < a->k && rc == 0; k0 += len)
        if (has_outlier(a, k0, len, n > 1 ? n : 1))
            rc = search_group(a, k0, len, pool, arena, e);
    return rc;
}

/* mean |w| of a row of the up matrix times its largest input times its columns */
static int estimate_output(struct awq *a, const struct model_tensor *up, const struct calib *cal, struct arena *arena,
                           struct err *e)
{
    float *output = arena_alloc_n(arena, (size_t)a->k, sizeof *output), peak = 0;
    float *w = arena_alloc_n(arena, (size_t)up->src.k, sizeof *w);
    if (!output || !w)
        return err_nomem(e, (size_t)a->k * sizeof *output, "a search for scales");
    for (int64_t i = 0; i < cal->n_samples * up->src.k; i++)
        peak = fmaxf(peak, fabsf(cal->sample[i]));
    for (int64_t r = 0; r < a->k; r++) {
        up->src.codec->decode(w, &up->src, r, r + 1);
        for (int64_t i = 0; i < up->src.k; i++)
            w[i] = fabsf(w[i]);
        output[r] = sum_pairwise(w, up->src.k) / (float)up->src.k * peak * (float)up->src.k;
    }
    a->output = output;
    return 0;
}

/* What the down matrix of that layer is multiplied by: scale[k], arena's. */
static int awq_scale(const struct algo_group *g, int layer, bool data, float **scale, struct err *e)
{
    const struct model_tensor *down = find(g->d, layer, USE_FFN_DOWN), *up = find(g->d, layer, USE_FFN_UP);
    if (!down || !up || up->src.n != down->src.k)
        return err_set(e, ERR_UNSUPPORTED, "layer %d has no up matrix that AWQ could fold into", layer);
    struct awq a = {.n = down->src.n, .k = down->src.k, .par = g->assign[down - g->d->tensor].par};
    a.w = decoded(&down->src, g->arena);
    a.scale = *scale = arena_alloc_n(g->arena, (size_t)a.k, sizeof *a.scale);
    if (!a.w || !a.scale)
        return err_nomem(e, (size_t)a.n * (size_t)a.k * sizeof *a.w, "a matrix to scale");
    if (!data) {
        scale_without_data(&a);
        return 0;
    }
    const struct calib *into_down = g->all->tensor[down - g->d->tensor], *into_up = g->all->tensor[up - g->d->tensor];
    if (!into_down || !into_up)
        return err_set(e, ERR_DATA, "the calibration text never reached layer %d", layer);
    int rc = take_samples(&a.x, into_down, a.k, AWQ_SAMPLES, g->arena, e);
    if (rc == 0)
        rc = estimate_output(&a, up, into_up, g->arena, e);
    return rc ? rc : scale_with_data(&a, g->pool, g->arena, e);
}

/* ---- scale estimation ---- */

struct estimate {
    const struct qmat *q;
    const float *w; /* [n][k] */
    const struct samples *x;
    float *tmp; /* per thread */
    size_t n_tmp;
};
struct group_fit {
    const struct qpar *par;
    const float *w, *x, *peak; /* [len], [len][samples], [len] */
    int64_t len;
    int n;
    float zero;
    float *importance, *level, *ratio, *exact, *y; /* [len] thrice, [samples] twice */
    float best, scale;
};

/* The error of the outputs with that scale, kept where it is not worse than the best. */
static void try_scale(struct group_fit *f, float scale)
{
    openvino_int_levels(f->par, (struct grid){scale, f->zero}, f->w, f->len, f->ratio);
    for (int64_t i = 0; i < f->len; i++)
        f->ratio[i] *= scale;
    product(f->y, f->ratio, f->x, f->len, f->n);
    for (int j = 0; j < f->n; j++)
        f->y[j] = (f->exact[j] - f->y[j]) * (f->exact[j] - f->y[j]);
    float error = sum_pairwise(f->y, f->n) / (float)f->n;
    if (error > f->best)
        return;
    f->best = error;
    f->scale = scale;
}

/* The weighted mean of |w| / |level|. */
static float ideal_scale(struct group_fit *f)
{
    for (int64_t i = 0; i < f->len; i++) {
        float level = fabsf(f->level[i]);
        f->ratio[i] = fabsf(f->w[i]) / (level + (level > 0 ? 0 : 0.001f)) * f->importance[i];
    }
    return sum_pairwise(f->ratio, f->len);
}

static void set_levels(struct group_fit *f, float scale)
{
    openvino_int_levels(f->par, (struct grid){scale, f->zero}, f->w, f->len, f->level);
}

static float fit_scale(struct group_fit *f, struct grid first)
{
    float sign = first.scale < 0 ? -1 : 1, all;
    f->zero = first.zero;
    product(f->exact, f->w, f->x, f->len, f->n);
    f->best = INFINITY;
    try_scale(f, first.scale);
    set_levels(f, first.scale);
    for (int64_t i = 0; i < f->len; i++)
        f->importance[i] = f->level[i] != 0 ? f->peak[i] : 0;
    all = sum_pairwise(f->importance, f->len);
    if (!(all > 0))
        return first.scale; /* nothing flows in, or there are only zeros */
    for (int64_t i = 0; i < f->len; i++)
        f->importance[i] /= all + FLT_EPSILON;
    for (int i = 0; i < N_RECTIFY; i++) {
        float scale = ideal_scale(f) * sign;
        if (scale != 0)
            try_scale(f, scale);
        if (i < N_RECTIFY - 1)
            set_levels(f, f->scale);
    }
    for (int i = 0; i < N_GRID; i++) {
        set_levels(f, (float)(1 - 0.05 * i) * first.scale);
        float scale = ideal_scale(f) * sign;
        if (scale != 0)
            try_scale(f, scale);
    }
    return f->scale;
}

static void estimate_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct estimate *s = arg;
    const struct qpar *par = &s->q->seg->q;
    int64_t k = s->q->k, len = group_len(par, k), n_groups = k / len;
    float *at = s->tmp + (size_t)i_thread * s->n_tmp;
    struct group_fit f = {.par = par, .len = len, .n = s->x->n, .importance = at, .level = at + len};
    f.ratio = at + 2 * len;
    f.exact = at + 3 * len;
    f.y = f.exact + f.n;
    struct grid *grid = (struct grid *)(void *)(f.y + f.n);
    uint8_t *code = (uint8_t *)(grid + n_groups);
    for (int64_t r = r0; r < r1; r++) {
        for (int64_t i = 0; i < n_groups; i++) {
            f.w = s->w + r * k + i * len;
            f.x = s->x->x + i * len * f.n;
            f.peak = s->x->peak + i * len;
            grid[i] = openvino_int_grid(par, f.w, len);
            grid[i].scale = fit_scale(&f, grid[i]);
            openvino_int_codes(par, grid[i], f.w, len, code + i * len);
        }
        openvino_int_store((struct qmat *)(uintptr_t)s->q, r, code, grid);
    }
}

static int estimate_scales(struct qmat *q, const float *w, const struct samples *x, const struct algo_group *g,
                           struct err *e)
{
    struct estimate s = {.q = q, .w = w, .x = x};
    int64_t len = group_len(&q->seg->q, q->k);
    s.n_tmp = (size_t)(3 * len + 2 * x->n + 2 * (q->k / len) + q->k / 4 + 4);
    s.tmp = arena_alloc_n(g->arena, (size_t)pool_n_threads(g->pool) * s.n_tmp, sizeof *s.tmp);
    if (!s.tmp)
        return err_nomem(e, s.n_tmp * sizeof *s.tmp, "scale estimation");
    pool_for(g->pool, q->n, 4, estimate_rows, &s);
    return 0;
}

/* ---- both ---- */

enum what { AWQ_FREE = 1, AWQ_DATA = 2, SCALE = 4 };

static int round_rows(struct qmat *q, const float *w, struct arena *a)
{
    size_t mark = arena_mark(a);
    int rc = 0;
    for (int64_t r = 0; r < q->n && rc == 0; r++) {
        rc = q->codec->encode(q, r, r + 1, w + r * q->k, NULL, NULL, a);
        arena_reset(a, mark);
    }
    return rc;
}

/* w[n][k] of the target, columns or rows multiplied; x is of what then flows in. */
static int apply_awq(const struct algo_group *g, const struct algo_target *t, enum what what, float *w,
                     struct samples *x, struct err *e)
{
    bool down = t->t->use == USE_FFN_DOWN;
    float *scale = NULL;
    if (!(what & (AWQ_FREE | AWQ_DATA)) || (!down && t->t->use != USE_FFN_UP))
        return 0;
    int rc = awq_scale(g, t->t->layer, what & AWQ_DATA, &scale, e);
    for (int64_t r = 0; r < t->q->n && rc == 0; r++)
        for (int64_t i = 0; i < t->q->k; i++)
            w[r * t->q->k + i] *= down ? scale[i] : 1 / scale[r];
    for (int64_t i = 0; i < t->q->k && rc == 0 && down && x->x; i++) {
        for (int j = 0; j < x->n; j++)
            x->x[i * x->n + j] *= 1 / scale[i];
        x->peak[i] *= 1 / scale[i];
    }
    return rc;
}

static int encode_target(const struct algo_group *g, const struct algo_target *t, enum what what, struct err *e)
{
    struct samples x = {0};
    bool estimates = (what & SCALE) && t->q->seg->q.bits <= 4;
    float *w = arena_alloc_n(g->arena, (size_t)t->q->n, (size_t)t->q->k * sizeof *w);
    if (!w)
        return err_nomem(e, (size_t)t->q->n * (size_t)t->q->k * sizeof *w, "a matrix to scale");
    memcpy(w, t->w, (size_t)t->q->n * (size_t)t->q->k * sizeof *w);
    int rc = estimates ? take_samples(&x, g->cal, t->q->k, SCALE_SAMPLES, g->arena, e) : 0;
    if (rc == 0)
        rc = apply_awq(g, t, what, w, &x, e);
    if (rc)
        return rc;
    return estimates ? estimate_scales(t->q, w, &x, g, e) : round_rows(t->q, w, g->arena);
}

static int encode(const struct algo_group *g, enum what what, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < g->n && rc == 0; i++) {
        size_t mark = arena_mark(g->arena);
        rc = encode_target(g, &g->target[i], what, e);
        arena_reset(g->arena, mark);
    }
    return rc;
}

#define NNCF(id, what, needs_, doc_)                                                                                   \
    static int encode_##id(const struct algo_group *g, struct err *e)                                                  \
    {                                                                                                                  \
        return encode(g, what, e);                                                                                     \
    }                                                                                                                  \
    const struct algorithm algorithm_nncf_##id = {                                                                     \
        .name = "nncf_" #id, .doc = doc_, .codec = "openvino_int", .needs = needs_, .encode = encode_##id}
NNCF(awq, AWQ_FREE, 0, "NNCF's AWQ without data: down matrices scaled by their columns");
NNCF(awq_data, AWQ_DATA, CALIB_SAMPLES, "NNCF's AWQ: down matrices scaled by what flows into them");
NNCF(scale, SCALE, CALIB_SAMPLES, "NNCF's scale estimation");
NNCF(awq_scale, AWQ_DATA | SCALE, CALIB_SAMPLES, "NNCF's AWQ, then its scale estimation");
