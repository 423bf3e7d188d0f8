/* AWQ (Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", 2023): columns
 * with large inputs are scaled up before rounding, and the layer before is scaled down by as much; then every group is
 * clipped where that helps.
 *
 * The scale of column k is mean|x_k|^a / (mean relative |w_k|^(1 - a)), a of 0, 1/20 ... 19/20 by the least error of
 * the outputs; the matrices of a group share it. The error is measured through the inputs' gram matrix instead of
 * sampled tokens, over the outputs of these matrices instead of those of the whole block: both stated in
 * docs/METHOD.md. Where nothing can be folded into the layer before (attention output with fewer value heads) there is
 * no scale. */
#include <math.h>
#include <string.h>
#include "bench/quant/algorithm.h"
#include "bench/quant/calib.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"
#include "kernels/kernels.h"

enum { N_GRID = 20, N_CLIPS = 10, MAX_CODE = 15, MAX_ROWS = 512, CLIP_ROWS = 8 };

/* ---- the 4-bit grid in plain f32: half precision matters for bytes, not for a search ---- */

static void round_group(float *dst, const float *w, int64_t n, float cut)
{
    float lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        float v = clampf(w[i], -cut, cut);
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
    }
    float scale = (hi - lo < 1e-5f ? 1e-5f : hi - lo) / MAX_CODE, inv = 1 / scale;
    float zero = clampf(-fit_round(lo * inv), 0, MAX_CODE);
    for (int64_t i = 0; i < n; i++)
        dst[i] = (clampf(fit_round(clampf(w[i], -cut, cut) * inv) + zero, 0, MAX_CODE) - zero) * scale;
}

/* ---- scales ---- */

/* Mean over all rows of the group's matrices of |w| over the largest of its 128. */
static void relative_weights(const struct algo_group *g, float *mean)
{
    int64_t len = group_size(g->target[0].q), rows = 0;
    for (int64_t i = 0; i < g->k; i++)
        mean[i] = 0;
    for (int t = 0; t < g->n; t++) {
        const float *w = g->target[t].w;
        for (int64_t r = 0; r < g->target[t].q->n; r++, rows++, w += g->k)
            for (int64_t k0 = 0; k0 < g->k; k0 += len) {
                float inv = 1 / (range_absmax(w + k0, len) + 1e-6f);
                for (int64_t i = k0; i < k0 + len; i++)
                    mean[i] += fabsf(w[i]) * inv;
            }
    }
    for (int64_t i = 0; i < g->k; i++)
        mean[i] /= (float)rows;
}

static void scales_of(float *s, const float *x_mean, const float *w_mean, int64_t k, int step)
{
    float a = (float)step / N_GRID, lo = INFINITY, hi = 0;
    for (int64_t i = 0; i < k; i++) {
        s[i] = powf(x_mean[i], a) / (powf(w_mean[i], 1 - a) + 1e-4f);
        s[i] = s[i] < 1e-4f ? 1e-4f : s[i];
        lo = s[i] < lo ? s[i] : lo;
        hi = s[i] > hi ? s[i] : hi;
    }
    float middle = sqrtf(hi * lo);
    for (int64_t i = 0; i < k; i++) {
        s[i] /= middle;
        s[i] = isfinite(s[i]) && s[i] > 0 ? s[i] : 1;
    }
}

struct rows_job {
    const struct algo_target *t;
    const float *scale, *gram;
    float *out; /* [n][k] */
    int64_t k, len;
    bool clip;
    float *tmp; /* per thread: struct clip_work */
    const struct kernel *gemm;
    int64_t step; /* of the rows looked at */
};

/* out = Q(w s) / s - w, of every step-th row: the search looks at up to MAX_ROWS rows of a matrix. */
static void difference_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct rows_job *j = arg;
    (void)i_thread;
    for (int64_t r = r0; r < r1; r++) {
        const float *w = j->t->w + r * j->step * j->k;
        float *d = j->out + r * j->k;
        for (int64_t i = 0; i < j->k; i++)
            d[i] = w[i] * j->scale[i];
        for (int64_t k0 = 0; k0 < j->k; k0 += j->len)
            round_group(d + k0, d + k0, j->len, INFINITY);
        for (int64_t i = 0; i < j->k; i++)
            d[i] = d[i] / j->scale[i] - w[i];
    }
}

static int error_of(const struct algo_group *g, const float *scale, float *out, double *sum, struct err *e)
{
    int rc = 0;
    *sum = 0;
    for (int t = 0; t < g->n && rc == 0; t++) {
        double part = 0;
        struct rows_job j = {
            .t = &g->target[t], .scale = scale, .out = out, .k = g->k, .len = group_size(g->target[t].q)};
        j.step = (j.t->q->n + MAX_ROWS - 1) / MAX_ROWS;
        int64_t n = j.t->q->n / j.step;
        pool_for(g->pool, n, 8, difference_rows, &j);
        rc = algo_quadratic(g, out, n, g->cal->gram, &part, e);
        *sum += part * (double)j.step;
    }
    return rc;
}

static int find_scales(const struct algo_group *g, float *best, float *out, struct err *e)
{
    float *s = arena_alloc_n(g->arena, (size_t)g->k, sizeof *s);
    float *w_mean = arena_alloc_n(g->arena, (size_t)g->k, sizeof *w_mean);
    double least = INFINITY;
    int rc = s && w_mean ? 0 : err_nomem(e, (unsigned long long)g->k * sizeof *s, "scales");
    if (rc == 0)
        relative_weights(g, w_mean);
    for (int i = 0; i < N_GRID && rc == 0; i++) {
        double error = 0;
        scales_of(s, g->cal->magnitude, w_mean, g->k, i);
        rc = error_of(g, s, out, &error, e);
        if (rc == 0 && error < least) {
            least = error;
            memcpy(best, s, (size_t)g->k * sizeof *best);
        }
    }
    return rc;
}

/* What the outputs of the layer before can take: norms before Q, K, V and gate, up; rows of up before down; rows of V
 * before the output projection, unless several heads share them. */
static bool can_fold(const struct model_desc *d, const struct model_tensor *t)
{
    switch (t->use) {
    case USE_ATTN_Q:
    case USE_ATTN_K:
    case USE_ATTN_V:
    case USE_FFN_GATE:
    case USE_FFN_UP:
    case USE_FFN_DOWN:
        return true;
    case USE_ATTN_OUT:
        return d->n_head == d->n_head_kv;
    default:
        return false;
    }
}

/* ---- clipping and encoding ---- */

/* Softmax makes it hard to judge a clipped query or key by its own error. */
static bool may_clip(const struct model_tensor *t)
{
    return t->use != USE_ATTN_Q && t->use != USE_ATTN_K;
}

/* Eight sums, so that they need not wait for each other. */
static float dot(const float *x, const float *y, int64_t n)
{
    float sum[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            sum[l] += x[i + l] * y[i + l];
    for (; i < n; i++)
        sum[0] += x[i] * y[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* Per thread: w[CLIP_ROWS][len] less what each cut makes of it, over the columns' scales; that times the gram matrix.
 */
struct clip_work {
    float *x, *y; /* [CLIP_ROWS][N_CLIPS][len] */
};

static float cut_of(float most, int i)
{
    return most * (1 - (float)i / N_GRID);
}

/* One group of n rows w[n][k], each clipped where its outputs lose least by it. */
static void clip_groups(const struct rows_job *j, float *w, int64_t n, int64_t k0, const struct clip_work *t)
{
    const int64_t k = j->k, len = j->len;
    const float *scale = j->scale + k0;
    float most[CLIP_ROWS];
    for (int64_t r = 0; r < n; r++) {
        float *x = t->x + r * N_CLIPS * len;
        const float *v = w + r * k + k0;
        most[r] = range_absmax(v, len);
        for (int i = 0; i < N_CLIPS; i++, x += len) {
            round_group(x, v, len, cut_of(most[r], i));
            for (int64_t c = 0; c < len; c++)
                x[c] = (x[c] - v[c]) / scale[c];
        }
    }
    j->gemm->gemm_f32(t->y, len, t->x, len, j->gram + k0 * k + k0, k, n * N_CLIPS, len, len);
    for (int64_t r = 0; r < n; r++) {
        float best = most[r], least = INFINITY;
        for (int i = 0; i < N_CLIPS; i++) {
            const int64_t at = (r * N_CLIPS + i) * len;
            float error = dot(t->x + at, t->y + at, len);
            best = error < least ? cut_of(most[r], i) : best;
            least = error < least ? error : least;
        }
        for (int64_t c = k0; c < k0 + len; c++)
            w[r * k + c] = clampf(w[r * k + c], -best, best);
    }
}

/* The rows that are to be rounded. */
static void make_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct rows_job *j = arg;
    const int64_t size = CLIP_ROWS * N_CLIPS * j->len;
    struct clip_work work = {j->tmp + 2 * i_thread * size, j->tmp + (2 * i_thread + 1) * size};
    float *w = j->out + r0 * j->k;
    for (int64_t r = r0; r < r1; r++)
        for (int64_t i = 0; i < j->k; i++)
            j->out[r * j->k + i] = j->t->w[r * j->k + i] * j->scale[i];
    for (int64_t k0 = 0; k0 < j->k && j->clip; k0 += j->len)
        clip_groups(j, w, r1 - r0, k0, &work);
}

static int encode(const struct algo_group *g, struct err *e)
{
    int64_t rows = 0, len = group_size(g->target[0].q);
    bool fold = true;
    for (int t = 0; t < g->n; t++) {
        rows = g->target[t].q->n > rows ? g->target[t].q->n : rows;
        fold &= can_fold(g->d, g->target[t].t);
    }
    float *scale = arena_alloc_n(g->arena, (size_t)g->k, sizeof *scale);
    float *out = arena_alloc_n(g->arena, (size_t)rows * (size_t)g->k, sizeof *out);
    float *tmp =
        arena_alloc_n(g->arena, (size_t)pool_n_threads(g->pool) * 2 * CLIP_ROWS * N_CLIPS, (size_t)len * sizeof *tmp);
    if (!scale || !out || !tmp)
        return err_nomem(e, (unsigned long long)rows * (unsigned long long)g->k * sizeof *out, "a matrix to scale");
    for (int64_t i = 0; i < g->k; i++)
        scale[i] = 1;
    int rc = fold ? find_scales(g, scale, out, e) : 0;
    for (int t = 0; t < g->n && rc == 0; t++) {
        struct rows_job j = {.t = &g->target[t],
                             .scale = scale,
                             .gram = g->cal->gram,
                             .out = out,
                             .k = g->k,
                             .len = len,
                             .clip = may_clip(g->target[t].t),
                             .tmp = tmp,
                             .gemm = g->gemm};
        memcpy(j.t->q->plane[PLANE_COLUMN].p, scale, (size_t)g->k * sizeof *scale);
        pool_for(g->pool, j.t->q->n, CLIP_ROWS, make_rows, &j);
        rc = algo_encode_rows(j.t, out, NULL, g->pool, e);
    }
    return rc;
}

static int layout(struct qmat *q, struct err *e)
{
    (void)e;
    group_share_plane(q, PLANE_COLUMN, (size_t)q->k * sizeof(float));
    return 0;
}

const struct algorithm algorithm_awq = {.name = "awq",
                                        .doc = "columns scaled by what flows into them, groups clipped",
                                        .codec = "awq",
                                        .needs = CALIB_GRAM | CALIB_MAGNITUDE,
                                        .layout = layout,
                                        .encode = encode};
