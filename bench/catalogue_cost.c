/* What a row of the catalogue needs in a format: bytes of its tensors as the recipe assigns them, cache, operations
 * (catalogue.h). Caches and buffers are those of llama.cpp 0c1e570 with its defaults. */
#include <math.h>
#include <string.h>
#include "bench/catalogue_shape.h"
#include "bench/engine/kv.h"

enum { BATCH = 512, CELLS = 256 /* caches grow by as many positions */, VOCABULARY_BYTES = 60 };

static int64_t padded(int64_t n)
{
    return (n + CELLS - 1) / CELLS * CELLS;
}

/* ---- what is kept of the tokens before ---- */

static int add_layer_kv(struct catalogue_cost *out, const struct catalogue_model *m, struct kv_pair kv, int layer,
                        int ctx, struct err *e)
{
    struct layer_memory w = catalogue_layer_memory(m, layer);
    int64_t state = 4 * w.state_values, cells = padded(ctx), kept = cells;
    out->kv_bytes += state;
    out->kv_full_bytes += state;
    out->kv_read_bytes += state;
    if (w.head_dim == 0)
        return 0;
    const struct model_desc head = {.n_layer = 1, .n_head_kv = w.n_head_kv, .head_dim = w.head_dim};
    int rc = kv_check(kv, &head, e);
    if (rc)
        return err_context(e, "%s", m->id), rc;
    double token = kv_bytes_per_token(kv, &head);
    const struct catalogue_arch *row = catalogue_arch_find(m->arch);
    if (w.local && row && row->keeps_window && padded((int64_t)m->sliding_window + BATCH) < cells)
        kept = padded((int64_t)m->sliding_window + BATCH);
    out->kv_bytes += (int64_t)ceil(token * (double)kept);
    out->kv_full_bytes += (int64_t)ceil(token * (double)cells);
    out->kv_read_bytes += (int64_t)ceil(token * (double)(kept < ctx ? kept : ctx));
    return 0;
}

static int add_kv(struct catalogue_cost *out, const struct catalogue_model *m, const char *kv_type, int ctx,
                  struct err *e)
{
    struct kv_pair kv;
    int rc = kv_parse(&kv, kv_type ? kv_type : "f16", e);
    if (rc == 0 && (ctx < 1 || ctx > m->context))
        rc = err_set(e, ERR_LIMIT, "a context of %d positions is none of %s, which has up to %d", ctx, m->id,
                     m->context);
    for (int layer = 0; layer < m->n_layer && rc == 0; layer++)
        rc = add_layer_kv(out, m, kv, layer, ctx, e);
    return rc;
}

/* ---- weights ---- */

static int64_t stored(const struct codec *c, const struct qmat *w, const struct qpar *par)
{
    struct qmat q;
    return c && c->layout(&q, w->n, w->k, par, NULL) == 0 ? (int64_t)qmat_bytes(&q) : 0;
}

static void add_tensor(struct catalogue_cost *out, const struct catalogue_shape *s, int i, const struct use_assign *a)
{
    const struct qmat *w = &s->d.tensor[i].src;
    int64_t bytes = stored(a->codec, w, &a->par), head = stored(a->head, w, &a->head_par);
    out->weights_bytes += bytes + head;
    out->read_bytes += head ? head : llrint((double)bytes * s->share[i].read);
    if (s->share[i].multiplied)
        out->ops_per_token += 2 * (double)w->n * (double)w->k * s->share[i].read;
    if (a->codec != a->wanted)
        out->share_substituted += (double)w->n * (double)w->k / (double)s->d.n_params;
}

static int add_weights(struct catalogue_cost *out, const struct catalogue_shape *s, const struct recipe *r,
                       struct err *e)
{
    struct use_assign *a = arena_alloc_n(s->arena, (size_t)s->d.n_tensors, sizeof *a);
    if (!a)
        return err_nomem(e, (unsigned long long)s->d.n_tensors * sizeof *a, "the tensors of a catalogue row");
    int rc = recipe_assign(&s->d, r, NULL, &(struct recipe_known){.importance = true}, a, e);
    for (int i = 0; i < s->d.n_tensors && rc == 0; i++)
        add_tensor(out, s, i, &a[i]);
    out->exact = s->regular || !strcmp(r->family->name, "gguf") || !strcmp(r->family->name, "base");
    return rc;
}

/* Where the tensors are not known: all weights in the codec itself. */
static int add_estimate(struct catalogue_cost *out, const struct catalogue_model *m, const struct recipe *r,
                        struct err *e)
{
    struct qmat q;
    int rc = codec_find(r->codec)->layout(&q, 4096, 4096, &r->par, e);
    if (rc)
        return rc;
    double bytes_each = qmat_bits_per_weight(&q) / 8, looked_up = m->tied ? 0 : (double)m->n_vocab * m->d_model;
    out->weights_bytes = llrint(m->params_b * 1e9 * bytes_each);
    out->read_bytes = llrint((m->active_params_b * 1e9 - looked_up) * bytes_each);
    out->ops_per_token = 2 * (m->active_params_b * 1e9 - looked_up);
    return 0;
}

static int add_weights_of(struct catalogue_cost *out, const struct catalogue_model *m, const struct recipe *r,
                          struct err *e)
{
    struct catalogue_shape *s = NULL;
    if (!catalogue_arch_find(m->arch))
        return add_estimate(out, m, r, e);
    int rc = catalogue_shape_make(&s, m, e);
    rc = rc ? rc : add_weights(out, s, r, e);
    catalogue_shape_free(s);
    return rc;
}

/* Of one token: the states before and after the norms, queries, keys, values and heads, gate, up and their product. */
static int64_t activation_floats(const struct catalogue_model *m)
{
    int64_t heads = 2 * (int64_t)m->n_head * m->head_dim, kv = 2 * (int64_t)m->n_head_kv * m->head_dim;
    int64_t ff = 3 * ((int64_t)m->d_ff + (int64_t)m->n_expert_used * m->d_ff_expert);
    return 4 * (int64_t)m->d_model + heads + kv + ff;
}

int catalogue_cost(struct catalogue_cost *out, const struct catalogue_model *m, const struct recipe *r,
                   const char *kv_type, int ctx, struct err *e)
{
    const struct catalogue_arch *row = catalogue_arch_find(m->arch);
    int64_t entry = row && row->vocabulary_bytes ? row->vocabulary_bytes : VOCABULARY_BYTES;
    int64_t batch = ctx < BATCH ? ctx : BATCH;
    *out = (struct catalogue_cost){0};
    int rc = add_kv(out, m, kv_type, ctx, e);
    rc = rc ? rc : add_weights_of(out, m, r, e);
    out->scratch_bytes = 4 * (batch * activation_floats(m) + m->n_vocab);
    out->reserved_bytes = 4 * batch * (activation_floats(m) + m->n_vocab);
    out->download_bytes = out->weights_bytes + entry * m->n_vocab;
    out->effective_bpw = 8.0 * (double)out->weights_bytes / (m->params_b * 1e9);
    return rc;
}
