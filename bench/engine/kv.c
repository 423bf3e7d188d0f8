/* The table of KV cache formats and questions to it (kv.h). */
#include "bench/engine/kv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/words.h"
#include "bench/engine/model.h"

const struct kv_format kv_formats[] = {
#define KV(id, name_, frameworks_, codec_, ...)                                                                        \
    {.name = name_, .frameworks = frameworks_, .codec = codec_, __VA_ARGS__},
#include "bench/engine/kv.def"
#undef KV
};
const int n_kv_formats = sizeof kv_formats / sizeof *kv_formats;

static const struct kv_format *find(const char *name, size_t n)
{
    for (int i = 0; i < n_kv_formats; i++)
        if (strlen(kv_formats[i].name) == n && memcmp(kv_formats[i].name, name, n) == 0)
            return &kv_formats[i];
    return NULL;
}

int kv_parse(struct kv_pair *out, const char *text, struct err *e)
{
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    out->k = find(text, n);
    out->v = slash ? find(slash + 1, strlen(slash + 1)) : out->k && out->k->v_id ? &kv_formats[out->k->v_id] : out->k;
    if (out->k && out->v)
        return 0;
    return err_set(e, ERR_USAGE, "KV format \"%s\" is unknown: `whichquant list kv` names them; K/V apart: q8_0/q4_0",
                   text);
}

const char *kv_name(struct kv_pair p, char buf[48])
{
    const char *k = p.k ? p.k->name : "f16", *v = p.v ? p.v->name : "f16";
    snprintf(buf, 48, p.k == p.v ? "%s" : "%s/%s", k, v);
    return buf;
}

/* The shape of n heads at one position, or of n channels at `positions` of them. */
static int layout_heads(struct qmat *q, const struct kv_format *f, int64_t n, int head_dim, struct err *e)
{
    return codec_find(f->codec)->layout(q, n, f->positions ? f->positions : head_dim, &f->par, e);
}

int kv_check(struct kv_pair p, const struct model_desc *d, struct err *e)
{
    const struct kv_format *const side[] = {p.k, p.v};
    struct err why = {0};
    struct qmat q;
    if (p.v && p.v->v_id)
        return err_set(e, ERR_UNSUPPORTED, "the KV format %s is one of keys: give another for V, as in %s/%s",
                       p.v->name, p.v->name, kv_formats[p.v->v_id].name);
    for (int i = 0; i < 2; i++)
        if (side[i] && layout_heads(&q, side[i], d->n_head_kv, d->head_dim, &why))
            return err_set(e, ERR_UNSUPPORTED, "the KV format %s does not fit heads of %d values: %s", side[i]->name,
                           d->head_dim, why.text);
    return 0;
}

bool kv_needs_peaks(struct kv_pair p)
{
    return (p.k && p.k->scale != KV_SCALE_FOUND) || (p.v && p.v->scale != KV_SCALE_FOUND);
}

int kv_check_peaks(struct kv_pair p, const struct kv_peaks *peaks, struct err *e)
{
    if (peaks || !kv_needs_peaks(p))
        return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "the KV format %s has scales that were settled on a text before: give one with --calibration TEXT",
                   (p.k && p.k->scale ? p.k : p.v)->name);
}

int kv_check_framework(struct kv_pair p, const char *framework, struct err *e)
{
    const struct kv_format *const side[] = {p.k, p.v};
    if (!framework || strcmp(framework, "weights-only") == 0)
        return 0;
    for (int i = 0; i < 2; i++)
        if (side[i] && !words_have(side[i]->frameworks, framework, strlen(framework)))
            return err_set(e, ERR_UNSUPPORTED,
                           "%s has no KV cache of %s (that is of %s): --numerics weights-only measures the cache alone",
                           framework, side[i]->name, side[i]->frameworks);
    return 0;
}

bool kv_is_verified(struct kv_pair p)
{
    return (!p.k || p.k->verified_by) && (!p.v || p.v->verified_by);
}

static double bytes_of_head(const struct kv_format *f, int head_dim)
{
    struct qmat q; /* of many rows, so that what a tensor has once does not count */
    const struct kv_format *given = f ? f : &kv_formats[KV_ID_F16];
    enum { MANY = 1 << 20 };
    if (layout_heads(&q, given, MANY, head_dim, NULL))
        return NAN;
    double row = (double)(qmat_bytes(&q) / MANY);
    return given->positions ? row * head_dim / given->positions : row;
}

double kv_bytes_per_token(struct kv_pair p, const struct model_desc *d)
{
    return (bytes_of_head(p.k, d->head_dim) + bytes_of_head(p.v, d->head_dim)) * d->n_head_kv * d->n_layer;
}
