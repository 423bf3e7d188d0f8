/* Memory of a row: what was measured of it, or its parts added up. */
#include <math.h>
#include <string.h>
#include "matrix/judge.h"

void row_set_memory(struct judge *j, struct row *r)
{
    r->usable_bytes = j->usable_bytes;
    if (r->peak_bytes >= 0 || r->weights_bytes < 0)
        return;
    const struct runtime *run = runtime_find(r->framework);
    r->runtime_bytes = run ? run->base_bytes + run->token_bytes * r->n_vocab +
                                 run->packed_copies * (r->read_bytes >= 0 ? r->read_bytes : r->weights_bytes)
                           : 0;
    r->peak_bytes = r->weights_bytes + r->runtime_bytes;
    if (r->kv_bytes > 0)
        r->peak_bytes += r->kv_bytes;
    if (r->scratch_bytes > 0)
        r->peak_bytes += r->scratch_bytes;
}

/* KV at the context asked for, from any record of that model that counted it: a speed cell for its own
 * context, a quality cell (whose n_ctx is the length of a chunk) for the context that was asked for. */
static int64_t kv_at(const struct judge *j, const struct subject *s, const char *kv_type, int ctx)
{
    int64_t found = INT64_MIN;
    for (int i = 0; i < j->n_recs; i++) {
        const struct record *r = &j->recs[i];
        const char *type = *r->workload.kv_type ? r->workload.kv_type : "f16";
        if (!record_same_model(r, s->first) || r->memory.kv_bytes < 0 || strcmp(type, kv_type) != 0)
            continue;
        if (isfinite(r->speed.decode_tok_s.v) && r->workload.n_ctx > 0)
            found = (int64_t)((double)r->memory.kv_bytes / r->workload.n_ctx * ctx);
        else if (found < 0)
            found = r->memory.kv_bytes;
    }
    return found;
}

/* What the KV cache takes at the context that was asked for beyond that of the measurement, which frameworks do not
 * tell: it grows with the context. */
static int64_t more_kv(const struct row *w, const struct record *r)
{
    const int run = r->workload.n_depth + r->workload.n_prompt + r->workload.n_gen;
    const int n_ctx = r->workload.n_ctx > 0 ? r->workload.n_ctx : run;
    int64_t had = r->memory.kv_bytes;
    if (w->kv_bytes <= 0 || w->ctx <= 0 || (had < 0 && n_ctx <= 0))
        return 0;
    if (had < 0)
        had = (int64_t)((double)w->kv_bytes * n_ctx / (double)w->ctx);
    return w->kv_bytes > had ? w->kv_bytes - had : 0;
}

void row_take_memory(struct judge *j, struct row *w, const struct subject *s, const struct record *r)
{
    const struct memory_use *m = &r->memory;
    w->effective_bpw = r->format.bits_per_weight;
    w->n_vocab = r->model.n_vocab;
    w->weights_bytes = m->weights_bytes >= 0 ? m->weights_bytes : r->format.bytes > 0 ? r->format.bytes : INT64_MIN;
    w->kv_bytes = kv_at(j, s, w->kv_type, (int)w->ctx);
    w->scratch_bytes = m->scratch_bytes >= 0 ? m->scratch_bytes : INT64_MIN;
    bool same_runtime = strcmp(r->framework.name, w->framework) == 0;
    if (same_runtime && !w->own && m->peak_rss_bytes > 0) /* the own engine's process holds other formats too */
        w->peak_bytes = m->peak_rss_bytes + more_kv(w, r);
    w->memory_from = provenance_name(r->model.synthesized    ? FROM_SHAPE_MEASURED
                                     : w->peak_bytes >= 0    ? FROM_MEASURED
                                     : w->weights_bytes >= 0 ? FROM_PREDICTED
                                                             : FROM_NOWHERE);
    w->histogram = keep(j, r->format.histogram);
}

/* A shape's memory for a format that it did not run: the bits per weight are those of the model. */
void row_scale_memory(struct judge *j, struct row *w, const struct subject *shape, const struct record *quality)
{
    w->effective_bpw = quality->format.bits_per_weight;
    if (isfinite(w->effective_bpw) && shape->first->model.n_params > 0)
        w->weights_bytes = (int64_t)(w->effective_bpw * (double)shape->first->model.n_params / 8);
    w->kv_bytes = kv_at(j, shape, w->kv_type, (int)w->ctx);
    w->memory_from = provenance_name(w->weights_bytes >= 0 ? FROM_PREDICTED : FROM_NOWHERE);
}
