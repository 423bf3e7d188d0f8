/* config.json from GGUF keys, the way back from hf_config.c; of a model that was read from a folder its own, completed.
 * Numbers that GGUF holds as f32 are written as the shortest decimals that give the same f32. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/hf_write.h"

struct writer {
    const struct gguf *g;
    struct err *e;
    int rc;
    json_t *o;
    const struct hf_arch *a;
    int64_t width, n_layer, n_head, head_dim, rope_dim, n_ctx, n_vocab, window;
    double rope_base;
};

static void fail(struct writer *w, const char *what)
{
    if (!w->rc)
        w->rc = err_set(w->e, ERR_UNSUPPORTED, "config.json of %s cannot say it: %s", w->a->model_type, what);
}

static const char *key_of(const struct writer *w, const char *suffix, char key[96])
{
    snprintf(key, 96, "%s.%s", w->a->gguf, suffix);
    return key;
}

/* A number, or the first of one per layer, which are all the same. */
static int64_t get_int(const struct writer *w, const char *suffix, int64_t otherwise)
{
    char key[96];
    const struct gguf_kv *kv = gguf_find(w->g, key_of(w, suffix, key));
    int64_t v = otherwise;
    if (kv && kv->type == GGUF_ARRAY)
        gguf_array_i64(kv, 0, &v);
    else
        gguf_get_i64(w->g, key, &v);
    return v;
}

static double get_num(const struct writer *w, const char *suffix, double otherwise)
{
    char key[96];
    double v = otherwise;
    gguf_get_f64(w->g, key_of(w, suffix, key), &v);
    return v;
}

static json_t *short_real(double v)
{
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if ((float)strtod(text, NULL) == (float)v)
            break;
    }
    return json_num(strtod(text, NULL));
}

static void put_int(struct writer *w, const char *key, int64_t v)
{
    json_put(w->o, key, json_integer(v));
}

static void put_real(struct writer *w, const char *key, double v)
{
    json_put(w->o, key, short_real(v));
}

static void put_str(struct writer *w, const char *key, const char *v)
{
    json_put(w->o, key, json_string(v));
}

static bool is(const struct writer *w, const char *model_type)
{
    return !strcmp(w->a->model_type, model_type);
}

static void put_sizes(struct writer *w)
{
    w->width = get_int(w, "embedding_length", 0);
    w->n_layer = get_int(w, "block_count", 0);
    w->n_head = get_int(w, "attention.head_count", 0);
    w->n_ctx = get_int(w, "context_length", 0);
    const struct gguf_tensor *embedding = gguf_find_tensor(w->g, "token_embd.weight");
    if (w->width < 1 || w->n_head < 1 || w->n_layer < 1 || !embedding) {
        fail(w, "the model has no sizes");
        return;
    }
    w->n_vocab = embedding->ne[1];
    w->head_dim = get_int(w, "attention.key_length", w->width / w->n_head);
    w->rope_dim = get_int(w, "rope.dimension_count", w->head_dim);
    put_int(w, "vocab_size", w->n_vocab);
    put_int(w, "hidden_size", w->width);
    put_int(w, "intermediate_size", get_int(w, "feed_forward_length", 0));
    put_int(w, "num_hidden_layers", w->n_layer);
    put_int(w, "num_attention_heads", w->n_head);
    put_int(w, "num_key_value_heads", get_int(w, "attention.head_count_kv", w->n_head));
    put_int(w, "head_dim", w->head_dim);
    put_int(w, "max_position_embeddings", w->n_ctx);
    put_real(w, "rms_norm_eps", get_num(w, "attention.layer_norm_rms_epsilon", 1e-6));
    put_str(w, strcmp(w->a->gguf, "gemma3") ? "hidden_act" : "hidden_activation", w->a->activation);
    if (!is(w, "qwen2") && !is(w, "phi3") && !is(w, "mistral")) /* which know no such switch */
        json_put(w->o, "attention_bias", json_false());
    if (is(w, "llama"))
        json_put(w->o, "mlp_bias", json_false());
}

static void put_layer_types(struct writer *w, int every)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < w->n_layer; i++)
        json_array_append_new(list,
                              json_string(every && i % every == every - 1 ? "full_attention" : "sliding_attention"));
    json_put(w->o, "layer_types", list);
}

enum { GEMMA_GLOBAL_EVERY = 6, GEMMA_27B_LAYERS = 62 };

static void put_gemma(struct writer *w)
{
    const double per_head = w->n_layer == GEMMA_27B_LAYERS ? (double)(w->width / w->n_head) : (double)w->head_dim;
    const double scale = get_num(w, "attention.scale", 1 / sqrt(per_head)),
                 cap = get_num(w, "final_logit_softcapping", 0);
    const double scalar = 1 / (scale * scale);
    if (fabs(scalar - rint(scalar)) < 1e-4 * scalar) /* transformers takes whole numbers alone */
        put_int(w, "query_pre_attn_scalar", (int64_t)rint(scalar));
    else
        put_real(w, "query_pre_attn_scalar", scalar);
    json_put(w->o, "attn_logit_softcapping", json_null());
    json_put(w->o, "final_logit_softcapping", cap != 0 ? short_real(cap) : json_null());
    put_real(w, "rope_local_base_freq", get_num(w, "rope.freq_base_swa", 10000));
    put_int(w, "sliding_window", w->window > 0 ? w->window : w->n_ctx);
    put_int(w, "sliding_window_pattern", GEMMA_GLOBAL_EVERY);
    put_layer_types(w, GEMMA_GLOBAL_EVERY);
    if (w->window <= 0) /* local layers rotate with the other base all the same */
        fail(w, "gemma3 without a sliding window");
}

static void put_window(struct writer *w)
{
    if (!strcmp(w->a->gguf, "gemma3")) {
        put_gemma(w);
        return;
    }
    if (w->a->window_switch)
        json_put(w->o, "use_sliding_window", json_boolean(w->window > 0));
    if (w->window <= 0 && is(w, "llama")) /* which never has one */
        return;
    json_put(w->o, "sliding_window", w->window > 0 ? json_integer(w->window) : json_null());
    if (w->window > 0 && w->a->window_switch)
        put_int(w, "max_window_layers", 0);
    if (w->window > 0 && w->a->window_switch)
        put_layer_types(w, 0);
}

/* ---- rotation ---- */

static json_t *factor_list(struct writer *w, const char *name)
{
    const struct gguf_tensor *t = gguf_find_tensor(w->g, name);
    json_t *list = json_array();
    if (!t || !t->data || t->type != 0 || t->ne[0] != w->rope_dim / 2) {
        fail(w, "the model lacks a table of rotation factors");
        return list;
    }
    for (int64_t i = 0; i < t->ne[0]; i++)
        json_array_append_new(list, short_real((double)f32_from_bits(rd_u32le(t->data + 4 * i))));
    return list;
}

/* The gain of cos and sin is not written: it follows from both lengths of context. */
static void put_longrope(struct writer *w)
{
    const double n_ctx = (double)get_int(w, "rope.scaling.original_context_length", w->n_ctx);
    const double stretch = (double)w->n_ctx / n_ctx, gain = stretch > 1 ? sqrt(1 + log(stretch) / log(n_ctx)) : 1;
    const double have = get_num(w, "rope.scaling.attn_factor", 1);
    if (!(fabs(have - gain) < 1e-4))
        fail(w, "the gain of its rotation (rope.scaling.attn_factor) is not the one that its context lengths give");
    put_int(w, "original_max_position_embeddings", (int64_t)n_ctx);
    json_put(w->o, "rope_scaling",
             json_pack("{ss so so}", "type", "longrope", "long_factor", factor_list(w, "rope_factors_long.weight"),
                       "short_factor", factor_list(w, "rope_factors_short.weight")));
}

static float llama3_factor(const struct writer *w, int64_t i, double factor, double low, double high, double n_ctx)
{
    double wave = 2 * M_PI * pow(w->rope_base, 2.0 * (double)i / (double)w->rope_dim);
    double smooth = (n_ctx / wave - low) / (high - low);
    smooth = smooth < 0 ? 0 : smooth > 1 ? 1 : smooth;
    return (float)(1 / ((1 - smooth) / factor + smooth));
}

static bool is_llama3(const struct writer *w, const struct gguf_tensor *t, double factor, double low, double high,
                      double n_ctx)
{
    for (int64_t i = 0; i < t->ne[0]; i++) {
        const float have = f32_from_bits(rd_u32le(t->data + 4 * i));
        if (!(fabsf(have - llama3_factor(w, i, factor, low, high, n_ctx)) <= 1e-5f * have))
            return false;
    }
    return true;
}

/* Files hold the factors alone. They are those of Llama 3 with its usual bounds, for a context that is a power of two;
 * the longest wave is stretched by the whole `factor`. */
static void put_llama3(struct writer *w, const struct gguf_tensor *t)
{
    const double low = 1, high = 4;
    double n_ctx = 16;
    if (!t->data || t->type != 0 || t->ne[0] != w->rope_dim / 2) {
        fail(w, "the model lacks its table of rotation factors");
        return;
    }
    const double factor = (double)f32_from_bits(rd_u32le(t->data + 4 * (t->ne[0] - 1)));
    while (n_ctx <= 1 << 20 && !is_llama3(w, t, factor, low, high, n_ctx))
        n_ctx *= 2;
    if (n_ctx > 1 << 20)
        fail(w, "its rotation factors (rope_freqs.weight) are not those of Llama 3");
    else
        json_put(w->o, "rope_scaling",
                 json_pack("{ss so so so si}", "rope_type", "llama3", "factor", short_real(factor), "low_freq_factor",
                           json_real(low), "high_freq_factor", json_real(high), "original_max_position_embeddings",
                           (int)n_ctx));
}

static void put_rope(struct writer *w)
{
    const struct gguf_tensor *freqs = gguf_find_tensor(w->g, "rope_freqs.weight");
    double factor = get_num(w, "rope.scaling.factor", get_num(w, "rope.scale_linear", 1));
    struct gguf_str type = {0};
    char key[96];
    gguf_get_str(w->g, key_of(w, "rope.scaling.type", key), &type);
    if (type.n == 4 && !memcmp(type.p, "none", 4))
        factor = 1;
    w->rope_base = get_num(w, "rope.freq_base", 10000);
    put_real(w, "rope_theta", w->rope_base);
    if (w->rope_dim != w->head_dim && strcmp(w->a->gguf, "phi3"))
        fail(w, "only a part of each head is rotated");
    if (!strcmp(w->a->gguf, "phi3"))
        put_real(w, "partial_rotary_factor", (double)w->rope_dim / (double)w->head_dim);
    if (freqs && factor > 0 && factor != 1)
        fail(w, "its rotation is scaled twice");
    else if (freqs)
        put_llama3(w, freqs);
    else if (gguf_find_tensor(w->g, "rope_factors_long.weight"))
        put_longrope(w);
    else if (factor > 0 && factor != 1)
        json_put(w->o, "rope_scaling",
                 json_pack("{ss ss so}", "rope_type", "linear", "type", "linear", "factor", short_real(factor)));
    else
        json_put(w->o, "rope_scaling", json_null());
}

/* ---- all of it ---- */

static const struct hf_arch *arch_of(const struct gguf *g, bool window)
{
    struct gguf_str name = {0};
    gguf_get_str(g, "general.architecture", &name);
    return hf_arch_of_gguf(name, window);
}

static void put_special(struct writer *w)
{
    static const char *const names[][2] = {
        {"bos", "bos_token_id"}, {"eos", "eos_token_id"}, {"padding", "pad_token_id"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int64_t id = hf_special_id(w->g, names[i][0]);
        json_put(w->o, names[i][1], id >= 0 ? json_integer(id) : json_null());
    }
}

/* rope_parameters in the form of before, which every reader takes: rope_theta and rope_scaling. */
static void split_rope(json_t *o)
{
    json_t *all = json_incref(json_object_get(o, "rope_parameters")), *full = json_object_get(all, "full_attention");
    const json_t *local = json_object_get(json_object_get(all, "sliding_attention"), "rope_theta");
    json_t *scaling = json_copy(full ? full : all), *theta = json_object_get(scaling, "rope_theta"),
           *part = json_object_get(scaling, "partial_rotary_factor");
    if (theta)
        json_object_set(o, "rope_theta", theta);
    if (part)
        json_object_set(o, "partial_rotary_factor", part);
    if (local)
        json_object_set(o, "rope_local_base_freq", (json_t *)(uintptr_t)local);
    json_object_del(scaling, "rope_theta");
    json_object_del(scaling, "partial_rotary_factor");
    if (json_is_string(json_object_get(scaling, "rope_type"))) /* the name that older readers look for */
        json_object_set(scaling, "type", json_object_get(scaling, "rope_type"));
    if (!strcmp(json_get_str(scaling, "type", ""), "longrope")) { /* whose readers want three members */
        json_t *n_ctx = json_object_get(scaling, "original_max_position_embeddings");
        if (n_ctx)
            json_object_set(o, "original_max_position_embeddings", n_ctx);
        json_object_del(scaling, "original_max_position_embeddings");
        json_object_del(scaling, "rope_type");
    }
    const bool scaled = strcmp(json_get_str(scaling, "type", "default"), "default") != 0;
    json_put(o, "rope_scaling", scaled ? json_incref(scaling) : json_null());
    json_object_del(o, "rope_parameters");
    json_decref(scaling);
    json_decref(all);
}

/* A folder's own settings come first, but for those that the new files decide. */
static void put_source(struct writer *w, const struct hf *source)
{
    static const char *const dropped[] = {"quantization",  "quantization_config", "dtype",        "torch_dtype",
                                          "architectures", "tie_word_embeddings", "_name_or_path"};
    json_t *own = json_deep_copy(source->model);
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        json_object_del(own, dropped[i]);
    json_object_update(w->o, own);
    if (json_is_object(json_object_get(w->o, "rope_parameters")))
        split_rope(w->o);
    json_decref(own);
}

int hf_make_config(json_t **out, const struct gguf *g, const struct hf *source, const char *dtype, struct err *e)
{
    struct writer w = {.g = g, .e = e, .o = json_object()};
    struct gguf_str name = {0};
    char shown[GGUF_SHOWN_BYTES];
    *out = NULL;
    gguf_get_str(g, "general.architecture", &name);
    w.a = source ? source->arch : arch_of(g, false);
    if (w.a && !source) {
        w.window = get_int(&w, "attention.sliding_window", 0);
        w.a = arch_of(g, w.window > 0);
    }
    if (!w.a || !w.o) {
        json_decref(w.o);
        return err_set(e, ERR_UNSUPPORTED, "a Hugging Face folder of architecture '%s' is not written by this program",
                       gguf_shown(name, shown));
    }
    json_put(w.o, "architectures", json_pack("[s]", w.a->class_name));
    put_str(&w, "model_type", w.a->model_type);
    put_str(&w, "torch_dtype", dtype);
    put_sizes(&w);
    json_put(w.o, "tie_word_embeddings", json_boolean(!gguf_find_tensor(g, "output.weight")));
    if (!source && !w.rc) {
        put_window(&w);
        put_rope(&w);
    }
    put_special(&w);
    if (source && !w.rc)
        put_source(&w, source);
    if (w.rc)
        json_decref(w.o);
    else
        *out = w.o;
    return w.rc;
}
