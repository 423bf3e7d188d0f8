/* config.json of a Hugging Face model as GGUF keys: numbers, windows, rotation. What would change the arithmetic and
 * is not known here is refused; bounds are the business of whoever reads the keys. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "bench/artifact/hf.h"

static const struct hf_arch archs[] = {
#define HF(type, arch, act, class, ...)                                                                                \
    {.model_type = type, .gguf = arch, .activation = act, .class_name = class, __VA_ARGS__},
#include "bench/artifact/hf_archs.def"
#undef HF
};
enum { N_ARCHS = sizeof archs / sizeof *archs, MAX_ROPE = 4096 };

int hf_find_arch(const struct hf_arch **out, json_t **model, json_t *config, struct err *e)
{
    json_t *text = json_object_get(config, "text_config");
    struct sbuf known = {0};
    *model = json_is_object(text) ? text : config; /* models of text and images keep their text part apart */
    const char *type = json_get_str(*model, "model_type", NULL);
    if (!type)
        return err_set(e, ERR_FORMAT, "config.json names no model_type: it does not describe a model");
    for (int i = 0; i < N_ARCHS; i++) {
        if (!strcmp(archs[i].model_type, type)) {
            *out = &archs[i];
            sbuf_free(&known);
            return 0;
        }
        sbuf_printf(&known, "%s%s", i ? ", " : "", archs[i].model_type);
    }
    int rc = err_set(e, ERR_UNSUPPORTED, "model_type \"%.40s\" of config.json is not supported: this program runs %s",
                     type, sbuf_str(&known));
    sbuf_free(&known);
    return rc;
}

/* GGUF has one name for Llama and Mistral, which differ in the window. */
const struct hf_arch *hf_arch_of_gguf(struct gguf_str name, bool window)
{
    const struct hf_arch *found = NULL;
    for (int i = 0; i < N_ARCHS && (!found || window); i++)
        if (strlen(archs[i].gguf) == name.n && !memcmp(archs[i].gguf, name.p, name.n))
            found = &archs[i];
    return found;
}

struct config {
    struct gguf_build *b;
    const struct hf_arch *a;
    const json_t *c;
    int64_t n_layer, n_head, head_dim, rope_dim, n_ctx;
};

static void fail(struct config *c, int code, const char *key, const char *what)
{
    if (!c->b->rc)
        c->b->rc = err_set(c->b->e, code, "config.json: %s %s", key, what);
}

static const json_t *member(const json_t *c, const char *key)
{
    const json_t *v = json_object_get(c, key);
    return json_is_null(v) ? NULL : v;
}

/* otherwise 0: the key must be there. */
static int64_t get_int(struct config *c, const char *key, int64_t otherwise)
{
    const json_t *v = member(c->c, key);
    if (!v && !otherwise)
        fail(c, ERR_FORMAT, key, "is missing");
    else if (v && (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX))
        fail(c, ERR_FORMAT, key, "is not a size");
    return v ? json_integer_value(v) : otherwise;
}

static double get_num(struct config *c, const json_t *from, const char *key, double otherwise)
{
    const json_t *v = member(from, key);
    if (!v && isnan(otherwise))
        fail(c, ERR_FORMAT, key, "is missing");
    else if (v && !json_is_number(v))
        fail(c, ERR_FORMAT, key, "is not a number");
    return v ? json_number_value(v) : otherwise;
}

static void key_u32(struct config *c, const char *suffix, int64_t v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", c->a->gguf, suffix);
    build_u32(c->b, key, v);
}

static void key_f32(struct config *c, const char *suffix, double v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", c->a->gguf, suffix);
    build_f32(c->b, key, v);
}

static void key_str(struct config *c, const char *suffix, const char *v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", c->a->gguf, suffix);
    build_str(c->b, key, v, strlen(v));
}

static void read_sizes(struct config *c)
{
    const struct hf_arch *a = c->a;
    int64_t width = get_int(c, "hidden_size", 0);
    c->n_layer = get_int(c, "num_hidden_layers", 0);
    c->n_head = get_int(c, "num_attention_heads", a->n_head);
    c->n_ctx = get_int(c, "max_position_embeddings", a->n_ctx);
    if (!c->b->rc && c->n_head < 1)
        fail(c, ERR_FORMAT, "num_attention_heads", "is not a size");
    if (c->b->rc)
        return;
    c->head_dim = get_int(c, "head_dim", a->head_dim ? a->head_dim : width / c->n_head);
    key_u32(c, "context_length", c->n_ctx);
    key_u32(c, "embedding_length", width);
    key_u32(c, "block_count", c->n_layer);
    key_u32(c, "feed_forward_length", get_int(c, "intermediate_size", 0));
    key_u32(c, "attention.head_count", c->n_head);
    key_u32(c, "attention.head_count_kv", get_int(c, "num_key_value_heads", a->n_head_kv ? a->n_head_kv : c->n_head));
    key_u32(c, "attention.key_length", c->head_dim);
    key_u32(c, "attention.value_length", c->head_dim);
    key_f32(c, "attention.layer_norm_rms_epsilon", get_num(c, c->c, "rms_norm_eps", a->norm_eps ? a->norm_eps : 1e-6));
    double cap = get_num(c, c->c, "final_logit_softcapping", 0);
    if (cap != 0)
        key_f32(c, "final_logit_softcapping", cap);
    double heads = get_num(c, c->c, "query_pre_attn_scalar", (double)c->head_dim);
    if (heads != (double)c->head_dim)
        key_f32(c, "attention.scale", 1 / sqrt(heads));
}

/* Values that the arithmetic here presumes. */
static void read_unsupported(struct config *c)
{
    const char *act = json_get_str(c->c, "hidden_activation", NULL);
    if (!act)
        act = json_get_str(c->c, "hidden_act", c->a->activation);
    if (strcmp(act, c->a->activation))
        fail(c, ERR_UNSUPPORTED, "hidden_act", "is another activation than this architecture is run with");
    if (get_num(c, c->c, "attn_logit_softcapping", 0) != 0)
        fail(c, ERR_UNSUPPORTED, "attn_logit_softcapping", "caps attention scores, which is not supported");
    if (json_is_true(json_object_get(c->c, "use_bidirectional_attention")))
        fail(c, ERR_UNSUPPORTED, "use_bidirectional_attention", "is set: this is no causal language model");
    if (get_num(c, c->c, "partial_rotary_factor", 1) != 1 && strcmp(c->a->gguf, "phi3"))
        fail(c, ERR_UNSUPPORTED, "partial_rotary_factor", "is not 1, which this architecture is run with");
}

/* layer_types, where it is given, decides; else the switches that each family has. */
static void read_window(struct config *c)
{
    const json_t *types = member(c->c, "layer_types"), *use = member(c->c, "use_sliding_window");
    int64_t window = get_int(c, "sliding_window", -1), n_local = 0;
    size_t n = json_array_size(types);
    bool gemma = !strcmp(c->a->gguf, "gemma3");
    if (types && n != (size_t)c->n_layer)
        fail(c, ERR_FORMAT, "layer_types", "does not name one type per layer");
    int32_t *local = mem_alloc_n(n + 1, sizeof *local);
    if (!local && !c->b->rc)
        c->b->rc = err_nomem(c->b->e, (n + 1) * sizeof *local, "the types of layers");
    for (size_t i = 0; i < n && !c->b->rc; i++) {
        const char *t = json_string_value(json_array_get(types, i));
        local[i] = t && !strcmp(t, "sliding_attention");
        n_local += local[i];
        if (!t || (!local[i] && strcmp(t, "full_attention")))
            fail(c, ERR_UNSUPPORTED, "layer_types", "names a kind of layer that is not supported");
    }
    if (window > 0 && (types ? n_local > 0 : !c->a->window_switch || json_is_true(use))) {
        key_u32(c, "attention.sliding_window", window);
        if (types && gemma)
            build_i32s(c->b, "gemma3.attention.sliding_window_pattern", local, n);
        else if (gemma)
            key_u32(c, "attention.sliding_window_pattern", get_int(c, "sliding_window_pattern", 6));
        else if (types && n_local < c->n_layer)
            fail(c, ERR_UNSUPPORTED, "layer_types", "mixes windows and full attention, which only gemma3 is run with");
        else if (!types && c->a->window_switch)
            fail(c, ERR_UNSUPPORTED, "use_sliding_window",
                 "is set without layer_types: which layers it is for is unclear");
    }
    mem_free(local);
}

/* ---- rotation ---- */

static void put_factors(struct config *c, const char *name, const float *f)
{
    if (c->b->rc)
        return;
    const size_t bytes = (size_t)c->rope_dim / 2 * sizeof *f;
    float *copy = arena_alloc(c->b->g->arena, bytes);
    if (copy)
        build_tensor(c->b, name, 0, 1, 1, c->rope_dim / 2, memcpy(copy, f, bytes));
    else
        c->b->rc = err_nomem(c->b->e, bytes, name);
}

static void list_factors(struct config *c, const json_t *scaling, const char *key, const char *name)
{
    float f[MAX_ROPE / 2];
    const json_t *list = json_object_get(scaling, key);
    if (json_array_size(list) != (size_t)c->rope_dim / 2) {
        fail(c, ERR_FORMAT, key, "of rope_scaling has not one factor per pair of rotated values");
        return;
    }
    for (size_t i = 0; i < (size_t)c->rope_dim / 2; i++) {
        const json_t *v = json_array_get(list, i);
        f[i] = (float)json_number_value(v);
        if (!(f[i] > 0) || isinf(f[i]))
            fail(c, ERR_FORMAT, key, "of rope_scaling holds what is no factor");
    }
    put_factors(c, name, f);
}

/* LongRoPE: two tables, and cos and sin grow with the stretch of the context. */
static void read_longrope(struct config *c, const json_t *scaling)
{
    double n_ctx = get_num(c, scaling, "original_max_position_embeddings",
                           get_num(c, c->c, "original_max_position_embeddings", (double)c->n_ctx));
    if (!(n_ctx >= 2 && n_ctx <= INT32_MAX)) {
        fail(c, ERR_FORMAT, "original_max_position_embeddings", "is out of bounds");
        return;
    }
    double stretch = get_num(c, scaling, "factor", (double)c->n_ctx / n_ctx);
    double gain = stretch > 1 ? sqrt(1 + log(stretch) / log(n_ctx)) : 1;
    key_u32(c, "rope.scaling.original_context_length", (int64_t)n_ctx);
    key_f32(c, "rope.scaling.attn_factor", get_num(c, scaling, "attention_factor", gain));
    list_factors(c, scaling, "long_factor", "rope_factors_long.weight");
    list_factors(c, scaling, "short_factor", "rope_factors_short.weight");
}

/* Llama 3: long waves are stretched by `factor`, short ones not at all, those between in part. */
static void read_llama3(struct config *c, const json_t *scaling, double base)
{
    float f[MAX_ROPE / 2];
    double factor = get_num(c, scaling, "factor", 8), low = get_num(c, scaling, "low_freq_factor", 1),
           high = get_num(c, scaling, "high_freq_factor", 4),
           n_ctx = get_num(c, scaling, "original_max_position_embeddings", 8192);
    if (!(factor > 0 && low > 0 && high > low && n_ctx > 0)) {
        fail(c, ERR_FORMAT, "rope_scaling", "has factors that make no sense");
        return;
    }
    for (int64_t i = 0; i < c->rope_dim / 2; i++) {
        double wave = 2 * M_PI * pow(base, 2.0 * (double)i / (double)c->rope_dim);
        double smooth = (n_ctx / wave - low) / (high - low);
        smooth = smooth < 0 ? 0 : smooth > 1 ? 1 : smooth;
        f[i] = (float)(1 / ((1 - smooth) / factor + smooth));
    }
    put_factors(c, "rope_freqs.weight", f);
}

static void read_scaling(struct config *c, const json_t *scaling, double base)
{
    const char *type = json_get_str(scaling, "rope_type", json_get_str(scaling, "type", "default"));
    if (!strcmp(type, "linear")) {
        key_str(c, "rope.scaling.type", "linear");
        key_f32(c, "rope.scaling.factor", get_num(c, scaling, "factor", NAN));
    } else if (!strcmp(type, "llama3")) {
        read_llama3(c, scaling, base);
    } else if (!strcmp(type, "longrope") || !strcmp(type, "su")) {
        read_longrope(c, scaling);
    } else if (strcmp(type, "default") && !c->b->rc) {
        c->b->rc = err_set(c->b->e, ERR_UNSUPPORTED,
                           "config.json: rope_scaling of type \"%.32s\" is not supported (linear, llama3 and longrope "
                           "are)",
                           type);
    }
}

/* Two forms: rope_theta and rope_scaling, or all of it in rope_parameters, which may differ by type of layer. */
static void read_rope(struct config *c)
{
    const json_t *p = member(c->c, "rope_parameters"), *scaling = p ? p : member(c->c, "rope_scaling");
    const json_t *local = member(p, "sliding_attention");
    double base = c->a->rope_base ? c->a->rope_base : 10000;
    if (member(p, "full_attention"))
        scaling = p = member(p, "full_attention");
    base = get_num(c, p, "rope_theta", get_num(c, c->c, "rope_theta", base));
    double part = get_num(c, p, "partial_rotary_factor", get_num(c, c->c, "partial_rotary_factor", 1));
    double rope_dim = (double)c->head_dim * part;
    if (!(rope_dim >= 2 && rope_dim <= MAX_ROPE) || !(base > 0)) {
        fail(c, ERR_FORMAT, "head_dim", "and rope_theta: the rotation makes no sense");
        return;
    }
    c->rope_dim = (int64_t)rope_dim;
    key_u32(c, "rope.dimension_count", c->rope_dim);
    key_f32(c, "rope.freq_base", base);
    if (!strcmp(c->a->gguf, "gemma3"))
        key_f32(c, "rope.freq_base_swa",
                get_num(c, local, "rope_theta", get_num(c, c->c, "rope_local_base_freq", 10000)));
    if (scaling)
        read_scaling(c, scaling, base);
}

void hf_config(struct gguf_build *b, const struct hf_arch *a, const json_t *model)
{
    struct config c = {.b = b, .a = a, .c = model};
    const char *name = json_get_str(model, "_name_or_path", "");
    build_str(b, "general.architecture", a->gguf, strlen(a->gguf));
    if (*name)
        build_str(b, "general.name", name, strlen(name));
    read_sizes(&c);
    if (!b->rc)
        read_unsupported(&c);
    if (!b->rc)
        read_window(&c);
    if (!b->rc)
        read_rope(&c);
}
