/* What is known of each form of each tensor: the error of its outputs of all, the divergence that it makes of some, and
 * from both the divergence of all (mix.h). */
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/quant/mix.h"
#include "bench/quant/mix_probe.h"

enum { LARGE_SHARE = 64 /* 1/64 of the weights: every form of such a tensor is measured */ };

struct wanted { /* a measurement: the mean over chunks */
    int tensor, form;
    int order; /* small ones first */
    double sum;
};

/* ---- errors ---- */

static int estimate(struct mix *x, struct err *e)
{
    const struct mix_setup *s = &x->setup;
    for (int i = 0; i < x->n; i++) {
        struct mix_tensor *t = &x->tensor[i];
        const struct model_tensor *of = &x->model->d.tensor[t->tensor];
        const struct calib *cal = s->cal ? s->cal->tensor[t->tensor] : NULL;
        int n_x, rc = 0;
        const float *in = mix_probe_inputs(x->probe, t->tensor, &n_x);
        for (int f = 0; f < t->n && rc == 0; f++) {
            rc = interrupt_seen() ? err_set(e, ERR_CANCELLED, "interrupted") : 0;
            if (isfinite(t->form[f].error))
                continue;
            t->form[f].error = 0;
            if (rc == 0 && t->form[f].codec != of->src.codec)
                rc = mix_error(&t->form[f].error, of, t->form[f].codec, cal, in, n_x, s->isa, s->pool, e);
        }
        if (rc)
            return rc;
        if (s->tell)
            s->tell(s->arg, i + 1, x->n, "errors of every codec in every tensor");
    }
    return 0;
}

/* ---- which forms are measured, and in which order ---- */

static int nearest_form(const struct mix *x, const struct mix_tensor *t)
{
    const struct qmat *src = &x->model->d.tensor[t->tensor].src;
    double best = INFINITY;
    int at = 0;
    for (int f = 0; f < t->n; f++) {
        double off = fabs(8.0 * (double)t->form[f].bytes / ((double)src->n * (double)src->k) - x->setup.bpw);
        if (off < best && t->form[f].error > 0) {
            best = off;
            at = f;
        }
    }
    return at;
}

/* How often a layer number can be halved: every 2^k-th layer comes before those between, so that measuring may stop at
 * any time and what is missing lies between neighbours. What is outside the layers comes first. */
static int order_of(const struct mix *x, const struct mix_tensor *t)
{
    int layer = x->model->d.tensor[t->tensor].layer, last = x->model->d.n_layer - 1, twos = 0;
    if (layer < 0)
        return -2;
    if (layer == 0 || layer == last)
        return -1;
    while (layer % 2 == 0) {
        layer /= 2;
        twos++;
    }
    return 32 - twos;
}

static int by_order(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    if (x->order != y->order)
        return x->order - y->order;
    return x->tensor != y->tensor ? x->tensor - y->tensor : x->form - y->form;
}

static bool is_large(const struct mix *x, const struct mix_tensor *t)
{
    const struct qmat *src = &x->model->d.tensor[t->tensor].src;
    return (double)src->n * (double)src->k * LARGE_SHARE > (double)x->model->d.n_params;
}

static bool has_measured(const struct mix_tensor *t)
{
    for (int f = 0; f < t->n; f++)
        if (t->form[f].measured)
            return true;
    return false;
}

static int list_wanted(const struct mix *x, struct wanted *w)
{
    int n = 0;
    for (int i = 0; i < x->n; i++) {
        const struct mix_tensor *t = &x->tensor[i];
        int only = nearest_form(x, t);
        bool all = is_large(x, t), none = !has_measured(t);
        for (int f = 0; f < t->n; f++)
            if ((all || (none && f == only)) && t->form[f].error > 0 && !t->form[f].measured)
                w[n++] = (struct wanted){i, f, order_of(x, t) + (all && f != only ? 64 : 0), 0};
    }
    qsort(w, (size_t)n, sizeof *w, by_order);
    return n;
}

/* ---- divergences ---- */

static bool late(const struct mix *x)
{
    return x->setup.end_ns && clock_ns() >= x->setup.end_ns;
}

/* One chunk's measurements; returns how many, all unless time is up. */
static int run_chunk(struct mix *x, struct wanted *w, int n, int chunk, int n_chunks, struct err *e)
{
    const struct mix_setup *s = &x->setup;
    for (int i = 0; i < n; i++) {
        const struct mix_tensor *t = &x->tensor[w[i].tensor];
        double kld;
        if (late(x) && (i > 0 || chunk > 0)) /* one there must be */
            return i;
        int rc = mix_probe_kld(x->probe, t->tensor, t->form[w[i].form].codec, &kld, e);
        if (rc)
            return rc;
        if (!isfinite(kld))
            return err_set(e, ERR_DATA, "with %s in %s the model gives NaN or infinite logits: leave that codec out",
                           x->model->d.tensor[t->tensor].name, t->form[w[i].form].codec->name);
        w[i].sum += kld;
        if (s->tell)
            s->tell(s->arg, chunk * n + i + 1, n_chunks * n, "divergence of one tensor changed at a time");
    }
    return n;
}

/* A chunk that is not finished counts only where it is the first one: sums over different texts do not compare. */
static int run_wanted(struct mix *x, struct wanted *w, int n, struct err *e)
{
    const int n_chunks = mix_probe_n_chunks(x->probe);
    double *before = mem_alloc_n((size_t)n + 1, sizeof *before);
    int done = 0, n_measured = 0, rc = before ? 0 : err_nomem(e, (size_t)n * sizeof *before, "measurements");
    for (int c = 0; c < n_chunks && rc == 0 && !(c > 0 && late(x)); c++) {
        rc = mix_probe_chunk(x->probe, c, e);
        for (int i = 0; i < n; i++)
            before[i] = w[i].sum;
        int got = rc ? rc : run_chunk(x, w, n, c, n_chunks, e);
        rc = got < 0 ? got : 0;
        if (got < n && c > 0)
            for (int i = 0; i < n; i++)
                w[i].sum = before[i];
        done += got == n || c == 0;
        n_measured = c == 0 ? got : n_measured;
    }
    for (int i = 0; i < n_measured && rc == 0; i++) {
        struct mix_form *f = &x->tensor[w[i].tensor].form[w[i].form];
        f->kld = fmax(w[i].sum / done, 0);
        f->measured = true;
    }
    x->n_probes += rc ? 0 : n_measured;
    x->n_wanted += n;
    x->out_of_time |= late(x);
    mem_free(before);
    return rc;
}

/* ---- from some to all ---- */

/* Divergence over error of what was measured of the tensor: where several forms were, of all of them together. */
static void find_ratio(struct mix_tensor *t)
{
    double sum = 0;
    int n = 0;
    for (int f = 0; f < t->n; f++)
        if (t->form[f].measured && t->form[f].error > 0 && t->form[f].kld > 0) {
            sum += log(t->form[f].kld / t->form[f].error);
            n++;
        }
    t->probed = n > 0;
    t->kld_per_error = n > 0 ? exp(sum / n) : NAN;
}

/* Of all that was measured. */
static double ratio_anywhere(const struct mix *x)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < x->n; i++)
        if (x->tensor[i].probed) {
            sum += log(x->tensor[i].kld_per_error);
            n++;
        }
    return n > 0 ? exp(sum / n) : NAN;
}

/* Of tensors for the same use in the nearest layers on both sides, weighted by how near they are. */
static double ratio_between(const struct mix *x, const struct mix_tensor *t)
{
    const struct model_tensor *of = x->model->d.tensor, *me = &of[t->tensor];
    double sum = 0, weight = 0, best[2] = {NAN, NAN};
    int near[2] = {INT32_MAX, INT32_MAX};
    for (int i = 0; i < x->n; i++) {
        const struct model_tensor *o = &of[x->tensor[i].tensor];
        int side = o->layer > me->layer, off = abs(o->layer - me->layer);
        if (!x->tensor[i].probed || o->use != me->use || off >= near[side])
            continue;
        near[side] = off;
        best[side] = x->tensor[i].kld_per_error;
    }
    for (int side = 0; side < 2; side++)
        if (isfinite(best[side])) {
            sum += log(best[side]) / near[side];
            weight += 1.0 / near[side];
        }
    return weight > 0 ? exp(sum / weight) : ratio_anywhere(x);
}

/* A form's divergence is its own where it was measured, else its error times the ratio of the nearest measured form by
 * error: the two grow together, not in exact proportion. */
static void fill_tensor(struct mix_tensor *t)
{
    for (int f = 0; f < t->n; f++) {
        struct mix_form *o = &t->form[f];
        double off = INFINITY, ratio = t->kld_per_error;
        if (o->measured)
            continue;
        for (int g = 0; g < t->n && o->error > 0; g++) {
            const struct mix_form *m = &t->form[g];
            if (!m->measured || !(m->error > 0) || !(m->kld > 0) || fabs(log(m->error / o->error)) >= off)
                continue;
            off = fabs(log(m->error / o->error));
            ratio = m->kld / m->error;
        }
        o->kld = o->error > 0 ? o->error * ratio : 0;
    }
}

static int fill(struct mix *x, struct err *e)
{
    for (int i = 0; i < x->n; i++)
        find_ratio(&x->tensor[i]);
    for (int i = 0; i < x->n; i++) {
        struct mix_tensor *t = &x->tensor[i];
        double largest = 0;
        for (int f = 0; f < t->n; f++)
            largest = fmax(largest, t->form[f].error);
        if (!t->probed && largest > 0)
            t->kld_per_error = ratio_between(x, t);
        if (!t->probed && largest > 0 && !isfinite(t->kld_per_error))
            return err_set(e, ERR_DATA, "%s: no codec in any tensor changes what the model answers",
                           x->model->d.tensor[t->tensor].name);
        fill_tensor(t);
    }
    return 0;
}

static int make_probe(struct mix *x, struct err *e)
{
    return x->probe ? 0 : mix_probe_new(&x->probe, x->model, &x->setup, e);
}

static bool knows_errors(const struct mix *x)
{
    for (int i = 0; i < x->n; i++)
        for (int f = 0; f < x->tensor[i].n; f++)
            if (!isfinite(x->tensor[i].form[f].error))
                return false;
    return true;
}

static int estimate_unknown(struct mix *x, struct err *e)
{
    int rc = knows_errors(x) ? 0 : make_probe(x, e);
    if (rc || !x->probe)
        return rc;
    rc = mix_probe_chunk(x->probe, 0, e);
    return rc ? rc : estimate(x, e);
}

int mix_measure(struct mix *x, struct err *e)
{
    struct wanted *w = mem_alloc_n((size_t)x->n * MIX_MOST_CODECS, sizeof *w);
    int n, rc = w ? estimate_unknown(x, e) : err_nomem(e, (size_t)x->n * MIX_MOST_CODECS * sizeof *w, "measurements");
    if (rc == 0 && (n = list_wanted(x, w)) > 0) {
        rc = make_probe(x, e);
        rc = rc ? rc : run_wanted(x, w, n, e);
    }
    if (rc == 0)
        rc = fill(x, e);
    mem_free(w);
    return rc;
}
