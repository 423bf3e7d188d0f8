/* OpenVINO by NNCF: the 8-bit modes take every matrix; the others leave the embedding and the head to the backup mode,
 * and a tied matrix is compressed once, as the embedding. With a ratio below 1 the layers that score highest get the
 * backup as well. Groups that do not divide a row shrink to the largest power of two that does, 32 at least. Scale
 * estimation takes all low matrices, AWQ the down matrix and what is folded into the up matrix before it: nncf.c. */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/quant/algorithm.h"
#include "bench/quant/recipe_family.h"

enum { LEAST_GROUP = 32, PIECE_WEIGHTS = 1 << 16 };

static void adjust_group(const struct recipe *r, const struct model_tensor *t, struct use_assign *a)
{
    int64_t k = t->src.k, fits = k & -k;
    if (a->par.group <= 0 || k % a->par.group == 0)
        return;
    if (fits >= LEAST_GROUP) {
        snprintf(a->why, sizeof a->why, "groups of %d do not divide rows of %lld: groups of %lld", (int)a->par.group,
                 (long long)k, (long long)fits);
        a->par.group = (int32_t)fits;
        return;
    }
    snprintf(a->why, sizeof a->why, "no group divides rows of %lld: backup mode", (long long)k);
    a->codec = codec_find(r->high_codec ? r->high_codec : r->codec);
    a->par = r->high_codec ? r->high : r->par;
    a->par.group = 0;
}

/* Of a matrix in asymmetric int8. */
struct int8_error {
    double worst; /* the largest mean squared error of a row */
    double all;   /* sum of squares */
};

static int measure_int8(const struct qmat *w, struct int8_error *found, struct err *e)
{
    static const struct qpar int8 = {.bits = 8, .scale_type = NUMBER_F32, .zero_type = ZERO_CODE};
    const struct codec *c = codec_find("openvino_int");
    int64_t piece = w->k < PIECE_WEIGHTS ? PIECE_WEIGHTS / w->k : 1;
    struct qmat q = {0};
    struct arena *a = arena_new();
    float *x = mem_alloc_n((size_t)(2 * piece * w->k), sizeof *x), *y = x ? x + piece * w->k : NULL;
    int rc = a && x ? c->layout(&q, piece, w->k, &int8, e) : err_nomem(e, 8 * (size_t)(piece * w->k), "rows");
    if (rc == 0)
        rc = qmat_alloc(&q, e);
    *found = (struct int8_error){0};
    for (int64_t r0 = 0; r0 < w->n && rc == 0; r0 += piece) {
        int64_t n = w->n - r0 < piece ? w->n - r0 : piece;
        size_t mark = arena_mark(a);
        w->codec->decode(x, w, r0, r0 + n);
        rc = c->encode(&q, 0, n, x, NULL, NULL, a);
        c->decode(y, &q, 0, n);
        arena_reset(a, mark);
        for (int64_t r = 0; r < n; r++) {
            double sum = 0;
            for (int64_t i = r * w->k; i < (r + 1) * w->k; i++)
                sum += (double)(x[i] - y[i]) * (double)(x[i] - y[i]);
            found->worst = fmax(found->worst, sum / (double)w->k);
            found->all += sum;
        }
    }
    qmat_free(&q);
    mem_free(x);
    arena_free(a);
    return rc;
}

/* NNCF gives 4 bits to the lowest scores first: 1 / worst error, times what the activations are like. The Hessian's
 * trace goes with the error itself. */
static const struct metric {
    const char *name;
    size_t spread; /* a double of struct calib_spread */
    bool trace;
} metrics[] = {
    {"max-variance", offsetof(struct calib_spread, max_variance), false},
    {"mean-variance", offsetof(struct calib_spread, mean_variance), false},
    {"magnitude", offsetof(struct calib_spread, magnitude), false},
    {"hessian", offsetof(struct calib_spread, power), true},
};

const char *openvino_metric(const char *name)
{
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return metrics[i].name;
    return NULL;
}

static int score_of(const struct model_desc *m, const struct recipe *r, const struct calibration *cal, int tensor,
                    double *score, struct err *e)
{
    const struct metric *metric = metrics;
    struct int8_error found;
    int rc = measure_int8(&m->tensor[tensor].src, &found, e);
    *score = 1 / (found.worst + (double)FLT_EPSILON);
    if (rc || !r->metric)
        return rc;
    if (!cal->tensor[tensor])
        return err_set(e, ERR_DATA, "the calibration text never reached %s", m->tensor[tensor].name);
    while (strcmp(metric->name, r->metric) != 0)
        metric++;
    double figure;
    memcpy(&figure, (const char *)&cal->input[cal->input_of[tensor]].spread + metric->spread, sizeof figure);
    *score = metric->trace ? sqrt(found.all) * 2 * figure : *score * figure;
    return 0;
}

struct scored {
    int tensor;
    double score;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->score < y->score ? -1 : x->score > y->score ? 1 : x->tensor - y->tensor;
}

static bool decides_ratio(const struct model_tensor *t)
{
    return t->matrix && t->use != USE_TOKEN_EMBD && t->use != USE_OUTPUT;
}

/* Fills `low` with the layers that stay in the base codec. Where there are no weights, or no activations yet that would
 * decide, they are taken in model order. */
static int choose(const struct model_desc *m, const struct recipe *r, const struct calibration *cal, bool *low,
                  struct scored *list, struct err *e)
{
    double all = 0, taken = 0;
    int n = 0;
    for (int i = 0; i < m->n_tensors; i++) {
        const struct model_tensor *t = &m->tensor[i];
        if (!decides_ratio(t))
            continue;
        list[n] = (struct scored){.tensor = i};
        bool known = t->src.plane[PLANE_CODE].p && (!r->metric || cal);
        int rc = known ? score_of(m, r, cal, i, &list[n].score, e) : 0;
        if (rc)
            return rc;
        n++;
        all += (double)t->src.n * (double)t->src.k;
    }
    qsort(list, (size_t)n, sizeof *list, by_score);
    for (int i = 0; i < n; i++) {
        const struct qmat *w = &m->tensor[list[i].tensor].src;
        taken += (double)w->n * (double)w->k;
        if (taken / all >= r->ratio)
            break;
        low[list[i].tensor] = true;
    }
    return 0;
}

static void put(const struct recipe *r, const struct model_tensor *t, bool low, struct use_assign *a)
{
    bool edge = (t->use == USE_TOKEN_EMBD || t->use == USE_OUTPUT) && !(r->mix && strcmp(r->mix, "all") == 0);
    bool base = !r->high_codec || (low && !edge);
    recipe_put(a, base ? r->codec : r->high_codec, base ? &r->par : &r->high);
    adjust_group(r, t, a);
    if (r->high_act && a->codec == codec_find(r->high_codec) && a->par.bits == r->high.bits)
        a->act = act_find(r->high_act);
}

static struct use_assign *find(const struct model_desc *m, struct use_assign *a, int layer, enum tensor_use use)
{
    for (int i = 0; i < m->n_tensors; i++)
        if (m->tensor[i].layer == layer && m->tensor[i].use == use)
            return &a[i];
    return NULL;
}

/* AWQ where the down matrix of a layer is low, whatever the up matrix is; where its scales are estimated as well, those
 * of all other low matrices too. */
static void put_algorithms(const struct model_desc *m, const struct recipe *r, struct use_assign *out)
{
    const struct algorithm *algo = algorithm_find(r->algorithm), *scale = algorithm_find("nncf_scale");
    if (r->alpha > 0) { /* a table that is looked up as well as multiplied has no input to divide */
        for (int i = 0; i < m->n_tensors; i++) {
            out[i].algorithm = m->tensor[i].matrix && m->tensor[i].use != USE_TOKEN_EMBD ? algo : NULL;
            out[i].alpha = r->alpha;
        }
        return;
    }
    bool folds = algo != scale, estimates = strstr(r->algorithm, "scale");
    for (int i = 0; i < m->n_tensors; i++)
        if (m->tensor[i].matrix && out[i].par.bits <= 4 && estimates)
            out[i].algorithm = scale;
    for (int layer = 0; layer < m->n_layer && folds; layer++) {
        struct use_assign *down = find(m, out, layer, USE_FFN_DOWN), *up = find(m, out, layer, USE_FFN_UP);
        if (down && up && down->par.bits <= 4)
            down->algorithm = up->algorithm = algo;
    }
}

static int assign(const struct model_desc *m, const struct recipe *r, const struct recipe_known *known,
                  struct use_assign out[], struct err *e)
{
    size_t n = (size_t)m->n_tensors;
    if (r->algorithm && !(r->alpha > 0) && (m->arch->fused || m->arch->sub_norms))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: NNCF's algorithms are known here for models with separate up and gate "
                       "matrices and nothing between them and down, unlike %s",
                       r->name, m->arch->name);
    struct scored *list = mem_alloc_n(n, sizeof *list);
    bool *low = list ? mem_alloc_n(n, sizeof *low) : NULL, mixed = r->ratio > 0 && r->ratio < 1;
    int rc = low ? 0 : err_nomem(e, (unsigned long long)(n * sizeof *list), "the tensor table");
    if (rc == 0)
        memset(low, !mixed, n * sizeof *low);
    if (rc == 0 && mixed)
        rc = choose(m, r, known->cal, low, list, e);
    for (int i = 0; i < m->n_tensors && rc == 0; i++)
        if (m->tensor[i].matrix)
            put(r, &m->tensor[i], low[i], &out[i]);
    if (rc == 0 && r->algorithm)
        put_algorithms(m, r, out);
    mem_free(low);
    mem_free(list);
    return rc;
}

const struct recipe_family family_openvino = {.name = "openvino", .assign = assign};
