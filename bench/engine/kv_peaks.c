/* The largest magnitudes of K and V by channel over a text (kv_peaks.h). */
#include "bench/engine/kv_peaks.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "bench/engine/engine.h"

enum { PIECE = 512 };

struct watch {
    struct kv_peaks *peaks;
    int64_t n_values; /* of one position in a layer */
};

static void raise(float *peak, const float *x, int64_t n, int64_t d)
{
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < d; i++) {
            float a = fabsf(x[t * d + i]);
            peak[i] = a > peak[i] ? a : peak[i];
        }
}

static void on_kv(void *arg, int layer, const float *k, const float *v, int n)
{
    const struct watch *w = arg;
    raise(w->peaks->k + layer * w->n_values, k, n, w->n_values);
    raise(w->peaks->v + layer * w->n_values, v, n, w->n_values);
}

static int run_chunks(struct engine *g, struct kv_peaks *p, const struct kv_peaks_text *text, int32_t *chunk,
                      struct err *e)
{
    const int n = text->n_ctx, n_chunks = (int)(text->n_tokens / n);
    int rc = 0;
    for (int i = 0; i < n_chunks && rc == 0; i++) {
        memcpy(chunk, text->tokens + (int64_t)i * n, (size_t)n * sizeof *chunk);
        chunk[0] = text->bos >= 0 ? text->bos : chunk[0];
        engine_reset(g);
        for (int t = 0, m; t < n && rc == 0; t += m) {
            m = n - t < PIECE ? n - t : PIECE;
            rc = engine_forward(g, chunk + t, m, e);
        }
        p->n_tokens += n;
        if (text->on_chunk)
            text->on_chunk(text->arg, i + 1, n_chunks);
    }
    return rc;
}

static int peaks_new(struct kv_peaks **out, const struct model_desc *d, struct err *e)
{
    const size_t n = (size_t)d->n_layer * (size_t)d->n_head_kv * (size_t)d->head_dim;
    struct kv_peaks *p = *out = mem_alloc(sizeof *p);
    if (p) {
        p->k = mem_alloc_n(n, sizeof *p->k);
        p->v = mem_alloc_n(n, sizeof *p->v);
        if (p->k && p->v)
            return 0;
    }
    kv_peaks_free(p);
    *out = NULL;
    return err_nomem(e, n, "magnitudes of K and V");
}

int kv_peaks_even(struct kv_peaks **out, const struct model_desc *d, struct err *e)
{
    int rc = peaks_new(out, d, e);
    for (int64_t i = 0; rc == 0 && i < (int64_t)d->n_layer * d->n_head_kv * d->head_dim; i++)
        (*out)->k[i] = (*out)->v[i] = 8;
    return rc;
}

int kv_peaks_collect(struct kv_peaks **out, const struct weights *w, const struct kv_peaks_text *text, uint64_t isa,
                     struct pool *pool, struct err *e)
{
    const struct model_desc *d = &w->model->d;
    const size_t n_values = (size_t)d->n_head_kv * (size_t)d->head_dim;
    *out = NULL;
    if (text->n_tokens < text->n_ctx)
        return err_set(e, ERR_USAGE, "the calibration text has %lld tokens: one chunk takes %d",
                       (long long)text->n_tokens, text->n_ctx);
    struct kv_peaks *p;
    int rc = peaks_new(&p, d, e);
    int32_t *chunk = mem_alloc_n((size_t)text->n_ctx, sizeof *chunk);
    struct watch watch = {.peaks = p, .n_values = (int64_t)n_values};
    struct engine_opts o = {.mode = ENGINE_REFERENCE,
                            .n_ctx = text->n_ctx,
                            .n_batch = text->n_ctx < PIECE ? text->n_ctx : PIECE,
                            .kv = KV_BOTH(F32),
                            .isa = isa,
                            .pool = pool,
                            .on_kv = on_kv,
                            .on_kv_arg = &watch};
    struct engine *g = NULL;
    if (rc == 0)
        rc = chunk ? engine_new(&g, w, &o, e) : err_nomem(e, (size_t)text->n_ctx, "a chunk of tokens");
    if (rc == 0)
        rc = run_chunks(g, p, text, chunk, e);
    engine_free(g);
    mem_free(chunk);
    if (rc == 0)
        *out = p;
    else
        kv_peaks_free(p);
    return rc;
}

void kv_scales_settle(float *scale, const float *peak, int64_t n, const struct kv_format *f)
{
    const float top = (float)((1 << (f->par.bits - 1)) - 1);
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = peak[i] > most ? peak[i] : most;
    for (int64_t i = 0; i < n; i++) {
        float s = (f->scale == KV_SCALE_CHANNEL ? peak[i] : most) / top;
        scale[i] = s > 0 ? s : 1;
    }
}

void kv_peaks_free(struct kv_peaks *p)
{
    if (!p)
        return;
    mem_free(p->k);
    mem_free(p->v);
    mem_free(p);
}
