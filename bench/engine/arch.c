/* Architectures: the rows of arch.def, the metadata keys that each needs, the tensors and their shapes. */
#include "bench/engine/arch.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct arch archs[] = {
#define ARCH(id, arch_name, ...) {.name = arch_name, __VA_ARGS__},
#include "bench/engine/arch.def"
#undef ARCH
};
const int n_archs = (int)(sizeof archs / sizeof archs[0]);

static const struct use_row {
    const char *pattern;
    bool matrix;
} uses[N_TENSOR_USES] = {
#define X(id, name, matrix) [USE_##id] = {name, matrix},
    TENSOR_USES(X)
#undef X
};

const char *tensor_pattern(enum tensor_use use)
{
    return uses[use].pattern;
}
bool tensor_is_matrix(enum tensor_use use)
{
    return uses[use].matrix;
}
bool tensor_is_per_layer(enum tensor_use use)
{
    return strncmp(uses[use].pattern, "blk.", 4) == 0;
}

int arch_find(const struct arch **out, struct gguf_str name, struct err *e)
{
    char known[128];
    size_t n = 0;
    for (int i = 0; i < n_archs; i++) {
        if (strlen(archs[i].name) == name.n && memcmp(archs[i].name, name.p, name.n) == 0) {
            *out = &archs[i];
            return 0;
        }
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", archs[i].name);
    }
    char shown[GGUF_SHOWN_BYTES];
    return err_set(e, ERR_UNSUPPORTED, "architecture \"%s\" is not supported: this program runs %s",
                   gguf_shown(name, shown), known);
}

/* ---- metadata ---- */

struct reader {
    const struct gguf *g;
    const char *arch;
    struct err *e;
    int rc; /* sticks at the first failure */
    char key[96];
};

static const struct gguf_kv *lookup(struct reader *r, const char *suffix)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, suffix);
    return gguf_find(r->g, r->key);
}

static void refuse(struct reader *r, int code, const char *what)
{
    if (r->rc == 0)
        r->rc = err_set(r->e, code, "metadata key %s %s", r->key, what);
}

enum { REQUIRED_KEY = -1 };

/* An integer, or an array of one value per layer that are all the same. */
static int64_t read_int(struct reader *r, const char *suffix, int64_t otherwise)
{
    const struct gguf_kv *kv = lookup(r, suffix);
    int64_t v = otherwise, w;
    if (!kv) {
        if (otherwise == REQUIRED_KEY)
            refuse(r, ERR_FORMAT, "is missing");
    } else if (kv->type == GGUF_ARRAY) {
        if (kv->count == 0 || !gguf_array_i64(kv, 0, &v))
            refuse(r, ERR_FORMAT, "is not a list of integers");
        for (uint64_t i = 1; r->rc == 0 && i < kv->count; i++)
            if (!gguf_array_i64(kv, i, &w) || w != v)
                refuse(r, ERR_UNSUPPORTED, "differs between layers, which this program does not run");
    } else if (!gguf_get_i64(r->g, r->key, &v)) {
        refuse(r, ERR_FORMAT, "is not an integer");
    }
    return v;
}

static double read_num(struct reader *r, const char *suffix, double otherwise)
{
    double v = otherwise;
    if (lookup(r, suffix) && !gguf_get_f64(r->g, r->key, &v))
        refuse(r, ERR_FORMAT, "is not a number");
    return v;
}

/* Numbers of the architecture that are plain integers: key, field, bounds, value when absent. */
static const struct int_key {
    const char *key;
    size_t field;
    int64_t min, max, otherwise;
} int_keys[] = {
    {"block_count", offsetof(struct model_desc, n_layer), 1, 1024, REQUIRED_KEY},
    {"embedding_length", offsetof(struct model_desc, d_model), 1, 1 << 17, REQUIRED_KEY},
    {"feed_forward_length", offsetof(struct model_desc, d_ff), 1, 1 << 20, REQUIRED_KEY},
    {"attention.head_count", offsetof(struct model_desc, n_head), 1, 4096, REQUIRED_KEY},
    {"context_length", offsetof(struct model_desc, n_ctx_train), 1, 1 << 28, REQUIRED_KEY},
    {"attention.sliding_window", offsetof(struct model_desc, sliding_window), 0, 1 << 28, 0},
    {"rope.scaling.original_context_length", offsetof(struct model_desc, rope_n_ctx_short), 0, 1 << 28, 0},
};

static void read_ints(struct reader *r, struct model_desc *d)
{
    for (size_t i = 0; i < sizeof int_keys / sizeof int_keys[0] && r->rc == 0; i++) {
        const struct int_key *k = &int_keys[i];
        int64_t v = read_int(r, k->key, k->otherwise);
        if (r->rc == 0 && (v < k->min || v > k->max))
            r->rc = err_set(r->e, ERR_FORMAT, "metadata key %s is %lld, outside %lld to %lld", r->key, (long long)v,
                            (long long)k->min, (long long)k->max);
        *(int *)((char *)d + k->field) = (int)v;
    }
}

/* Head sizes default to d_model / n_head, as in llama.cpp. */
static void read_heads(struct reader *r, struct model_desc *d)
{
    if (r->rc)
        return;
    int64_t kv = read_int(r, "attention.head_count_kv", d->n_head);
    int64_t head = read_int(r, "attention.key_length", d->d_model % d->n_head ? 0 : d->d_model / d->n_head);
    int64_t value = read_int(r, "attention.value_length", head);
    int64_t rope = read_int(r, "rope.dimension_count", head);
    if (r->rc)
        return;
    if (kv < 1 || kv > d->n_head || head < 1 || head > 4096 || rope < 2 || rope > head) {
        r->rc = err_set(r->e, ERR_FORMAT,
                        "contradictory metadata: %d heads, %lld KV heads of %lld, of which %lld are "
                        "rotated, in a width of %d",
                        d->n_head, (long long)kv, (long long)head, (long long)rope, d->d_model);
        return;
    }
    if (value != head)
        r->rc = err_set(r->e, ERR_UNSUPPORTED, "keys of %lld and values of %lld: different lengths are not supported",
                        (long long)head, (long long)value);
    d->n_head_kv = (int)kv;
    d->head_dim = (int)head;
    d->rope_dim = (int)rope;
}

static void read_rope(struct reader *r, struct model_desc *d)
{
    d->rope_base = read_num(r, "rope.freq_base", d->arch->rope_base_default);
    d->rope_scale = read_num(r, "rope.scaling.factor", 0);
    if (d->rope_scale == 0)
        d->rope_scale = read_num(r, "rope.scale_linear", 0);
    if (d->rope_scale == 0)
        d->rope_scale = 1;
    d->rope_gain = read_num(r, "rope.scaling.attn_factor", 0);
    if (d->rope_n_ctx_short == 0)
        d->rope_n_ctx_short = d->n_ctx_train;
    const struct gguf_kv *kv = lookup(r, "rope.scaling.type");
    struct gguf_str type;
    if (!kv)
        return;
    if (!gguf_get_str(r->g, r->key, &type))
        refuse(r, ERR_FORMAT, "is not a text");
    else if (type.n == 4 && memcmp(type.p, "none", 4) == 0)
        d->rope_scale = 1;
    else if (!(type.n == 6 && memcmp(type.p, "linear", 6) == 0) && !(type.n == 8 && memcmp(type.p, "longrope", 8) == 0))
        refuse(r, ERR_UNSUPPORTED,
               "names a kind of rope scaling that is not supported (linear, longrope and none are)");
}

/* Local layers: all but each swa_global_every-th. A file may state the pattern; it must be that one. */
static void read_window(struct reader *r, struct model_desc *d)
{
    int every = d->arch->swa_global_every;
    if (every == 0 || d->sliding_window == 0)
        return;
    d->rope_base_local = read_num(r, "rope.freq_base_swa", d->arch->rope_base_local);
    const struct gguf_kv *kv = lookup(r, "attention.sliding_window_pattern");
    int64_t v = every;
    bool same = true;
    if (kv && kv->type == GGUF_ARRAY) {
        same = kv->count == (uint64_t)d->n_layer;
        for (uint64_t i = 0; same && i < kv->count; i++)
            same = gguf_array_i64(kv, i, &v) && (v != 0) == ((int)(i % (uint64_t)every) < every - 1);
    } else if (kv) {
        same = gguf_get_i64(r->g, r->key, &v) && v == every;
    }
    if (!same)
        refuse(r, ERR_UNSUPPORTED, "differs from the pattern that this program runs");
}

/* Keys that would change the arithmetic in a way that the engine does not have. */
static void read_unsupported(struct reader *r)
{
    bool causal;
    if (read_int(r, "expert_count", 0) != 0)
        refuse(r, ERR_UNSUPPORTED, "says that this is a mixture of experts, which is not supported");
    if (lookup(r, "attention.causal") && gguf_get_bool(r->g, r->key, &causal) && !causal)
        refuse(r, ERR_UNSUPPORTED, "says that this is no causal language model");
    if (read_num(r, "attn_logit_softcapping", 0) != 0)
        refuse(r, ERR_UNSUPPORTED, "caps attention scores, which is not supported");
}

static void copy_text(const struct gguf *g, const char *key, char *dst, size_t size)
{
    struct gguf_str s;
    if (gguf_get_str(g, key, &s))
        snprintf(dst, size, "%.*s", (int)(s.n < size ? s.n : size), s.p);
}

double arch_attn_scale(const struct model_desc *d)
{
    bool gemma_27b = d->arch->post_norms && d->n_layer == 62; /* alone scales by the width per head */
    return 1.0 / sqrt(gemma_27b ? (double)(d->d_model / d->n_head) : (double)d->head_dim);
}

int arch_read(struct model_desc *d, const struct gguf *g, struct err *e)
{
    struct gguf_str name;
    if (!gguf_get_str(g, "general.architecture", &name))
        return err_set(e, ERR_FORMAT, "metadata key general.architecture is missing");
    int rc = arch_find(&d->arch, name, e);
    if (rc)
        return rc;
    copy_text(g, "general.name", d->name, sizeof d->name);
    copy_text(g, "general.size_label", d->size_label, sizeof d->size_label);
    copy_text(g, "general.license", d->license, sizeof d->license);

    struct reader r = {.g = g, .arch = d->arch->name, .e = e};
    read_ints(&r, d);
    read_heads(&r, d);
    read_rope(&r, d);
    read_window(&r, d);
    read_unsupported(&r);
    d->norm_eps = read_num(&r, "attention.layer_norm_rms_epsilon", NAN);
    if (isnan(d->norm_eps))
        refuse(&r, ERR_FORMAT, "is missing");
    d->logit_softcap = read_num(&r, "final_logit_softcapping", 0);
    d->attn_scale = read_num(&r, "attention.scale", r.rc ? 1 : arch_attn_scale(d));
    return r.rc;
}

static bool positive(double v)
{
    return isfinite(v) && v > 0;
}

int desc_check(const struct model_desc *d, struct err *e)
{
    if (d->n_layer < 1 || d->n_layer > 1024 || d->d_model < 1 || d->d_model > 1 << 17 || d->d_ff < 1 ||
        d->d_ff > 1 << 20 || d->n_vocab < 1 || d->n_vocab > 1 << 24)
        return err_set(e, ERR_FORMAT, "a model of %d layers, width %d, feed-forward %d, vocabulary %d is out of bounds",
                       d->n_layer, d->d_model, d->d_ff, d->n_vocab);
    if (d->n_head < 1 || d->n_head > 4096 || d->n_head_kv < 1 || d->n_head % d->n_head_kv != 0 || d->head_dim < 1 ||
        d->head_dim > 4096 || d->rope_dim > d->head_dim || d->rope_dim < 2 || d->rope_dim % 2 != 0 ||
        (int64_t)d->n_head * d->head_dim > 1 << 20)
        return err_set(e, ERR_FORMAT, "contradictory heads: %d heads and %d KV heads of %d, of which %d are rotated",
                       d->n_head, d->n_head_kv, d->head_dim, d->rope_dim);
    if (!positive(d->rope_base) || !positive(d->rope_scale) || !positive(d->attn_scale) ||
        (d->sliding_window > 0 && d->arch->swa_global_every > 0 && !positive(d->rope_base_local)))
        return err_set(e, ERR_FORMAT, "rope base %g (local %g), rope scale %g and attention scale %g must be positive",
                       d->rope_base, d->rope_base_local, d->rope_scale, d->attn_scale);
    if (!positive(d->norm_eps) || d->norm_eps >= 1)
        return err_set(e, ERR_FORMAT, "the epsilon of the norms is %g, outside 0 to 1", d->norm_eps);
    if (!isfinite(d->logit_softcap) || d->logit_softcap < 0)
        return err_set(e, ERR_FORMAT, "a logit cap of %g makes no sense", d->logit_softcap);
    if (!isfinite(d->rope_gain) || d->rope_gain < 0)
        return err_set(e, ERR_FORMAT, "a rope factor of %g makes no sense", d->rope_gain);
    return 0;
}

/* ---- tensors ---- */

bool model_layer_is_local(const struct model_desc *d, int layer)
{
    int every = d->arch->swa_global_every;
    return d->sliding_window > 0 && (every == 0 || layer % every != every - 1);
}

bool tensor_match(const char *name, enum tensor_use *use, int *layer)
{
    *layer = -1;
    const char *rest = name;
    if (strncmp(name, "blk.", 4) == 0 && name[4] >= '0' && name[4] <= '9') {
        char *end;
        long v = strtol(name + 4, &end, 10);
        if (v > 1 << 20 || (name[4] == '0' && end != name + 5))
            return false;
        *layer = (int)v;
        rest = end;
    }
    for (int u = 0; u < N_TENSOR_USES; u++) {
        bool per_layer = tensor_is_per_layer((enum tensor_use)u);
        if (per_layer == (*layer >= 0) && strcmp(uses[u].pattern + (per_layer ? 6 : 0), rest) == 0) {
            *use = (enum tensor_use)u;
            return true;
        }
    }
    return false;
}

enum need tensor_need(const struct model_desc *d, enum tensor_use use)
{
    switch (use) {
    case USE_OUTPUT:
        return NEED_OPTIONAL;
    case USE_ROPE_FREQS: /* one table for all layers: not where local layers rotate by another base */
    case USE_ROPE_LONG:
    case USE_ROPE_SHORT:
        return d->arch->swa_global_every ? NEED_ABSENT : NEED_OPTIONAL;
    case USE_ATTN_QKV:
        return d->arch->fused ? NEED_REQUIRED : NEED_ABSENT;
    case USE_ATTN_Q:
    case USE_ATTN_K:
    case USE_ATTN_V:
    case USE_FFN_GATE:
        return d->arch->fused ? NEED_ABSENT : NEED_REQUIRED;
    case USE_ATTN_Q_BIAS:
    case USE_ATTN_K_BIAS:
    case USE_ATTN_V_BIAS:
        return d->arch->qkv_bias ? NEED_REQUIRED : d->arch->fused ? NEED_ABSENT : NEED_OPTIONAL;
    case USE_ATTN_Q_NORM:
    case USE_ATTN_K_NORM:
        return d->arch->qk_norm ? NEED_REQUIRED : NEED_ABSENT;
    case USE_ATTN_SUB_NORM:
    case USE_FFN_SUB_NORM:
        return d->arch->sub_norms ? NEED_REQUIRED : NEED_ABSENT;
    case USE_ATTN_Q_SCALE:
    case USE_ATTN_K_SCALE:
    case USE_ATTN_V_SCALE:
    case USE_ATTN_OUT_SCALE:
    case USE_FFN_GATE_SCALE:
    case USE_FFN_UP_SCALE:
    case USE_FFN_DOWN_SCALE:
        return d->arch->sub_norms ? NEED_OPTIONAL : NEED_ABSENT;
    case USE_ATTN_POST_NORM:
    case USE_FFN_POST_NORM:
        return d->arch->post_norms ? NEED_REQUIRED : NEED_ABSENT;
    default:
        return NEED_REQUIRED;
    }
}

void tensor_shape(const struct model_desc *d, enum tensor_use use, int64_t *n, int64_t *k)
{
    int64_t d_q = (int64_t)d->n_head * d->head_dim, d_kv = (int64_t)d->n_head_kv * d->head_dim;
    int64_t width = d->d_model;
    const int64_t shape[N_TENSOR_USES][2] = {
        [USE_TOKEN_EMBD] = {d->n_vocab, width},
        [USE_OUTPUT_NORM] = {1, width},
        [USE_OUTPUT] = {d->n_vocab, width},
        [USE_ROPE_FREQS] = {1, d->rope_dim / 2},
        [USE_ATTN_NORM] = {1, width},
        [USE_ATTN_Q] = {d_q, width},
        [USE_ATTN_K] = {d_kv, width},
        [USE_ATTN_V] = {d_kv, width},
        [USE_ATTN_Q_BIAS] = {1, d_q},
        [USE_ATTN_K_BIAS] = {1, d_kv},
        [USE_ATTN_V_BIAS] = {1, d_kv},
        [USE_ATTN_Q_NORM] = {1, d->head_dim},
        [USE_ATTN_K_NORM] = {1, d->head_dim},
        [USE_ATTN_OUT] = {width, d_q},
        [USE_ATTN_POST_NORM] = {1, width},
        [USE_FFN_NORM] = {1, width},
        [USE_FFN_GATE] = {d->d_ff, width},
        [USE_FFN_UP] = {d->d_ff, width},
        [USE_FFN_DOWN] = {width, d->d_ff},
        [USE_FFN_POST_NORM] = {1, width},
        [USE_ATTN_SUB_NORM] = {1, d_q},
        [USE_FFN_SUB_NORM] = {1, d->d_ff},
        [USE_ROPE_LONG] = {1, d->rope_dim / 2},
        [USE_ROPE_SHORT] = {1, d->rope_dim / 2},
        [USE_ATTN_QKV] = {d_q + 2 * d_kv, width},
        [USE_ATTN_Q_SCALE] = {1, 1},
        [USE_ATTN_K_SCALE] = {1, 1},
        [USE_ATTN_V_SCALE] = {1, 1},
        [USE_ATTN_OUT_SCALE] = {1, 1},
        [USE_FFN_GATE_SCALE] = {1, 1},
        [USE_FFN_UP_SCALE] = {1, 1},
        [USE_FFN_DOWN_SCALE] = {1, 1},
    };
    *n = shape[use][0] * (use == USE_FFN_UP && d->arch->fused ? 2 : 1);
    *k = shape[use][1];
}
