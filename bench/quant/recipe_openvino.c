/* OpenVINO by NNCF: the 8-bit modes take every matrix; the others leave the embedding and the head to the backup mode,
 * and a tied matrix is compressed once, as the embedding. With a ratio below 1 the layers that int8 damages most get
 * the backup as well. Groups that do not divide a row shrink to the largest power of two that does, 32 at least. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
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

/* Of a layer: 1 / (largest mean squared error of a row in asymmetric int8). NNCF gives 4 bits to the lowest first. */
static int sensitivity(const struct qmat *w, double *score, struct err *e)
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
    double worst = 0;
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
            worst = sum / (double)w->k > worst ? sum / (double)w->k : worst;
        }
    }
    *score = 1 / (worst + (double)FLT_EPSILON);
    qmat_free(&q);
    mem_free(x);
    arena_free(a);
    return rc;
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

/* Fills `low` with the layers that stay in the base codec. A shape without weights is taken in model order. */
static int choose(const struct model_desc *m, const struct recipe *r, bool *low, struct scored *list, struct err *e)
{
    double all = 0, taken = 0;
    int n = 0;
    for (int i = 0; i < m->n_tensors; i++) {
        const struct model_tensor *t = &m->tensor[i];
        if (!decides_ratio(t))
            continue;
        list[n] = (struct scored){.tensor = i};
        int rc = t->src.plane[PLANE_CODE].p ? sensitivity(&t->src, &list[n].score, e) : 0;
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

static int assign(const struct model_desc *m, const struct recipe *r, bool have_importance, struct use_assign out[],
                  struct err *e)
{
    (void)have_importance;
    size_t n = (size_t)m->n_tensors;
    struct scored *list = mem_alloc_n(n, sizeof *list);
    bool *low = list ? mem_alloc_n(n, sizeof *low) : NULL, mixed = r->ratio > 0 && r->ratio < 1;
    int rc = low ? 0 : err_nomem(e, (unsigned long long)(n * sizeof *list), "the tensor table");
    if (rc == 0)
        memset(low, !mixed, n * sizeof *low);
    if (rc == 0 && mixed)
        rc = choose(m, r, low, list, e);
    for (int i = 0; i < m->n_tensors && rc == 0; i++) {
        const struct model_tensor *t = &m->tensor[i];
        if (!t->matrix)
            continue;
        bool edge = (t->use == USE_TOKEN_EMBD || t->use == USE_OUTPUT) && !(r->mix && strcmp(r->mix, "all") == 0);
        bool base = !r->high_codec || (low[i] && !edge);
        recipe_put(&out[i], base ? r->codec : r->high_codec, base ? &r->par : &r->high);
        adjust_group(r, t, &out[i]);
    }
    mem_free(low);
    mem_free(list);
    return rc;
}

const struct recipe_family family_openvino = {.name = "openvino", .assign = assign};
