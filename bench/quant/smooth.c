/* SmoothQuant as NNCF's quantize does it: what flows into the matrices of a group is divided by a scale per column, and
 * their columns are multiplied by it: (largest |x|)^alpha / (largest |w|)^(1 - alpha), from its first decile to 100. Of
 * the group's matrices the one whose scales lie closest together decides. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "bench/quant/algorithm.h"
#include "bench/quant/pairwise.h"
#include "bench/quant/recipe.h"
#include "kernels/formats/group.h"

enum { SAMPLES = 300 };
static const float least_stat = 1e-5f;

/* [k] largest magnitudes over the chunks. */
static void input_peaks(float *peak, const struct calib_input *in)
{
    int n = in->n_edges < SAMPLES ? in->n_edges : SAMPLES;
    for (int64_t j = 0; j < in->k; j++)
        peak[j] = least_stat;
    for (int i = 0; i < n; i++)
        for (int64_t j = 0; j < in->k; j++)
            peak[j] = fmaxf(peak[j], fmaxf(fabsf(in->lo[i * in->k + j]), fabsf(in->hi[i * in->k + j])));
}

static void weight_peaks(float *peak, const struct algo_target *t, int64_t k)
{
    for (int64_t j = 0; j < k; j++)
        peak[j] = least_stat;
    for (int64_t r = 0; r < t->q->n; r++)
        for (int64_t j = 0; j < k; j++)
            peak[j] = fmaxf(peak[j], fabsf(t->w[r * k + j]));
}

/* The scales that one matrix asks for, and smallest / largest of them. scale[k] holds its peaks before. */
static float scales_of(float *scale, const float *x, float *sorted, int64_t k, double alpha)
{
    float lo = INFINITY, hi = 0;
    for (int64_t j = 0; j < k; j++)
        scale[j] = powf(x[j], (float)alpha) / (powf(scale[j], (float)(1 - alpha)) + FLT_EPSILON);
    float least = quantile_of(scale, sorted, k, 0.1f);
    for (int64_t j = 0; j < k; j++) {
        scale[j] = fminf(fmaxf(scale[j], least), 100);
        lo = fminf(lo, scale[j]);
        hi = fmaxf(hi, scale[j]);
    }
    return lo / (hi + FLT_EPSILON);
}

static int encode_target(const struct algo_target *t, const float *scale, int64_t k, struct pool *pool, struct arena *a,
                         struct err *e)
{
    struct wstat stat = {0};
    float *w = arena_alloc_n(a, (size_t)t->q->n, (size_t)k * sizeof *w);
    if (!w)
        return err_nomem(e, (size_t)t->q->n * (size_t)k * sizeof *w, "a matrix to scale");
    for (int64_t r = 0; r < t->q->n; r++)
        for (int64_t j = 0; j < k; j++)
            w[r * k + j] = t->w[r * k + j] * scale[j];
    memcpy(t->q->plane[PLANE_COLUMN].p, scale, (size_t)k * sizeof *scale);
    t->q->codec->measure(&stat, t->q, w, t->q->n);
    return algo_encode_rows(t, w, &stat, pool, e);
}

static int encode(const struct algo_group *g, struct err *e)
{
    const struct model_tensor *first = g->target[0].t;
    const struct calib_input *in = &g->all->input[g->all->input_of[first - g->d->tensor]];
    double alpha = g->assign[first - g->d->tensor].alpha;
    size_t k = (size_t)g->k;
    float *x = arena_alloc_n(g->arena, 4 * k, sizeof *x), *best = x + k, *scale = x + 2 * k, *sorted = x + 3 * k;
    float best_ratio = 0;
    if (!x)
        return err_nomem(e, 4 * k * sizeof *x, "SmoothQuant's scales");
    input_peaks(x, in);
    for (size_t j = 0; j < k; j++)
        best[j] = 1;
    for (int i = 0; i < g->n; i++) {
        weight_peaks(scale, &g->target[i], g->k);
        float ratio = scales_of(scale, x, sorted, g->k, alpha);
        if (ratio > best_ratio)
            memcpy(best, scale, k * sizeof *best);
        best_ratio = fmaxf(best_ratio, ratio);
    }
    for (int i = 0; i < g->n; i++) {
        size_t mark = arena_mark(g->arena);
        int rc = encode_target(&g->target[i], best, g->k, g->pool, g->arena, e);
        arena_reset(g->arena, mark);
        if (rc)
            return rc;
    }
    return 0;
}

static int layout(struct qmat *q, struct err *e)
{
    (void)e;
    group_share_plane(q, PLANE_COLUMN, (size_t)q->k * sizeof(float));
    return 0;
}

const struct algorithm algorithm_smooth = {.name = "smooth",
                                           .doc = "NNCF's SmoothQuant",
                                           .codec = "openvino_i8",
                                           .needs = CALIB_EDGES,
                                           .layout = layout,
                                           .encode = encode};
