/* A decoder as ONNX Runtime GenAI runs it: one graph for prompt and single tokens, keys and values of earlier positions
 * come in and go out. Rotation and attention are GroupQueryAttention, a residual sum and the norm behind it
 * SkipSimplifiedLayerNormalization, other norms the standard's RMSNormalization. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/half.h"
#include "bench/export/onnx_graph.h"

/* ---- names and constants ---- */

const char *onnx_name(struct onnx_graph *g, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *name = arena_strdup(g->names, text);
    struct err e = {0};
    if (!name) {
        err_nomem(&e, sizeof text, "the names of an ONNX graph");
        onnx_writer_fail(g->w, &e);
    }
    return name ? name : "";
}

const char *onnx_put(struct onnx_graph *g, const struct onnx_node *n)
{
    onnx_writer_node(g->w, n);
    return n->out[0];
}

const char *onnx_stem(struct onnx_graph *g, const struct model_tensor *t)
{
    const size_t n = strlen(t->name), suffix = strlen(".weight");
    const bool ends = n > suffix && strcmp(t->name + n - suffix, ".weight") == 0;
    return onnx_name(g, "%.*s", (int)(ends ? n - suffix : n), t->name);
}

const char *onnx_f32(struct onnx_graph *g, const char *name, float v)
{
    uint8_t p[4];
    wr_u32le(p, f32_bits(v));
    onnx_writer_constant(g->w, &(struct onnx_tensor){name, ONNX_F32, 0, {0}}, p, sizeof p);
    return name;
}

const char *onnx_i64s(struct onnx_graph *g, const char *name, const int64_t *v, int n, int n_dims)
{
    uint8_t p[8 * ONNX_MOST_DIMS];
    for (int i = 0; i < n; i++)
        wr_u64le(p + 8 * i, (uint64_t)v[i]);
    onnx_writer_constant(g->w, &(struct onnx_tensor){name, ONNX_I64, n_dims, {n}}, p, 8 * (size_t)n);
    return name;
}

static const char *one_i64(struct onnx_graph *g, const char *name, int64_t v, int n_dims)
{
    return onnx_i64s(g, name, &v, 1, n_dims);
}

static const char *cast_i32(struct onnx_graph *g, const char *x, const char *out)
{
    return onnx_put(
        g, &(struct onnx_node){.op = "Cast", .in = {x}, .out = {out}, .attribute = {{"to", ONNX_INT, .i = ONNX_I32}}});
}

static const struct model_tensor *tensor(const struct onnx_graph *g, enum tensor_use use, int layer)
{
    return model_tensor(g->m, use, layer);
}

/* ---- rotation ---- */

int onnx_context(const struct model_desc *d)
{
    enum { MOST_POSITIONS = 1 << 20 }; /* longer tables of rotations are no use to anybody */
    /* LongRoPE has other factors beyond its short context: the graph has one table, that of the short one. */
    const int n =
        d->rope_n_ctx_short > 0 && d->rope_n_ctx_short < d->n_ctx_train ? d->rope_n_ctx_short : d->n_ctx_train;
    return n < MOST_POSITIONS ? n : MOST_POSITIONS;
}

static const float *rope_factors(struct onnx_graph *g)
{
    const struct model_tensor *t = tensor(g, USE_ROPE_FREQS, -1);
    t = t ? t : tensor(g, USE_ROPE_SHORT, -1);
    float *f = t ? arena_alloc_n(g->names, (size_t)t->src.k, sizeof *f) : NULL;
    if (f)
        t->src.codec->decode(f, &t->src, 0, 1);
    return f;
}

static void put_rotations(struct onnx_graph *g, const char *name, const double *freq, uint8_t *row,
                          double (*fn)(double))
{
    const struct model_desc *d = &g->m->d;
    const int half = d->rope_dim / 2, n = onnx_context(d);
    const double gain = d->rope_gain > 0 ? d->rope_gain : 1;
    onnx_writer_tensor(g->w, &(struct onnx_tensor){name, ONNX_F32, 2, {n, half}});
    for (int t = 0; t < n; t++) {
        for (int i = 0; i < half; i++)
            wr_u32le(row + 4 * i, f32_bits((float)(gain * fn(t * freq[i]))));
        onnx_writer_data(g->w, row, 4 * (size_t)half);
    }
}

void onnx_rope(struct onnx_graph *g, const char *suffix, bool local)
{
    const struct model_desc *d = &g->m->d;
    const double base = local ? d->rope_base_local : d->rope_base, scale = local ? 1 : 1 / d->rope_scale;
    const float *factor = rope_factors(g);
    double *freq = arena_alloc_n(g->names, (size_t)d->rope_dim / 2, sizeof *freq);
    uint8_t *row = arena_alloc_n(g->names, (size_t)d->rope_dim / 2, 4);
    struct err e = {0};
    if (!freq || !row) {
        err_nomem(&e, (size_t)d->rope_dim * sizeof *freq, "a table of rotations");
        onnx_writer_fail(g->w, &e);
        return;
    }
    for (int i = 0; i < d->rope_dim / 2; i++)
        freq[i] = scale * pow(base, -2.0 * i / d->rope_dim) / (factor ? (double)factor[i] : 1);
    put_rotations(g, onnx_name(g, "cos%s", suffix), freq, row, cos);
    put_rotations(g, onnx_name(g, "sin%s", suffix), freq, row, sin);
}

/* ---- norms ---- */

static const char *norm(struct onnx_graph *g, const char *x, enum tensor_use use, int layer)
{
    const struct model_tensor *t = tensor(g, use, layer);
    const char *weight = onnx_vector(g, t);
    return onnx_put(g, &(struct onnx_node){
                           .op = "RMSNormalization",
                           .in = {x, weight},
                           .out = {onnx_stem(g, t)},
                           .attribute = {{"axis", ONNX_INT, .i = -1}, {"epsilon", ONNX_FLOAT, .f = g->m->d.norm_eps}}});
}

/* *x += h; the norm of it. */
static const char *add_norm(struct onnx_graph *g, const char **x, const char *h, enum tensor_use use, int layer)
{
    const struct model_tensor *t = tensor(g, use, layer);
    const char *stem = onnx_stem(g, t), *sum = onnx_name(g, "%s.residual", stem), *weight = onnx_vector(g, t);
    onnx_put(g, &(struct onnx_node){.op = "SkipSimplifiedLayerNormalization",
                                    .domain = ONNX_CONTRIB,
                                    .in = {*x, h, weight},
                                    .out = {stem, "", "", sum},
                                    .attribute = {{"epsilon", ONNX_FLOAT, .f = g->m->d.norm_eps}}});
    *x = sum;
    return stem;
}

static const char *reshape(struct onnx_graph *g, const char *x, const char *shape, const char *out)
{
    return onnx_put(g, &(struct onnx_node){.op = "Reshape", .in = {x, shape}, .out = {out}});
}

/* The norm of every head of x [batch][positions][heads * head_dim]. */
static const char *norm_heads(struct onnx_graph *g, const char *x, enum tensor_use use, int layer)
{
    const char *parts = reshape(g, x, "by_head", onnx_name(g, "%s.heads", x));
    return reshape(g, norm(g, parts, use, layer), "joined", onnx_name(g, "%s.normed", x));
}

/* ---- blocks ---- */

static const char *project(struct onnx_graph *g, const char *x, enum tensor_use w, enum tensor_use bias, int layer)
{
    const char *y = onnx_linear(g, x, tensor(g, w, layer), NULL);
    const struct model_tensor *b = w == bias ? NULL : tensor(g, bias, layer);
    if (!b)
        return y;
    const char *row = onnx_vector(g, b);
    return onnx_put(g, &(struct onnx_node){.op = "Add", .in = {y, row}, .out = {onnx_name(g, "%s.biased", y)}});
}

static const char *attention(struct onnx_graph *g, const char *h, int layer)
{
    const struct model_desc *d = &g->m->d;
    const bool local = model_layer_is_local(d, layer), own_base = local && d->arch->swa_global_every;
    const char *q, *k = "", *v = "";
    if (d->arch->fused) {
        q = project(g, h, USE_ATTN_QKV, USE_ATTN_QKV, layer);
    } else {
        q = project(g, h, USE_ATTN_Q, USE_ATTN_Q_BIAS, layer);
        k = project(g, h, USE_ATTN_K, USE_ATTN_K_BIAS, layer);
        v = project(g, h, USE_ATTN_V, USE_ATTN_V_BIAS, layer);
    }
    if (d->arch->qk_norm) {
        q = norm_heads(g, q, USE_ATTN_Q_NORM, layer);
        k = norm_heads(g, k, USE_ATTN_K_NORM, layer);
    }
    const char *out = onnx_put(
        g, &(struct onnx_node){.op = "GroupQueryAttention",
                               .domain = ONNX_CONTRIB,
                               .in = {q, k, v, onnx_name(g, "past_key_values.%d.key", layer),
                                      onnx_name(g, "past_key_values.%d.value", layer), "seqlens_k", "total_length",
                                      own_base ? "cos_local" : "cos", own_base ? "sin_local" : "sin"},
                               .out = {onnx_name(g, "blk.%d.attn", layer), onnx_name(g, "present.%d.key", layer),
                                       onnx_name(g, "present.%d.value", layer)},
                               .attribute = {{"do_rotary", ONNX_INT, .i = 1},
                                             {"kv_num_heads", ONNX_INT, .i = d->n_head_kv},
                                             {"local_window_size", ONNX_INT, .i = local ? d->sliding_window : -1},
                                             {"num_heads", ONNX_INT, .i = d->n_head},
                                             {"rotary_interleaved", ONNX_INT, .i = !d->arch->rope_neox},
                                             {"scale", ONNX_FLOAT, .f = d->attn_scale}}});
    return project(g, out, USE_ATTN_OUT, USE_ATTN_OUT, layer);
}

/* What the gate passes through its function, times up. */
static const char *gated(struct onnx_graph *g, const char *gate, const char *up, int layer)
{
    const char *act = onnx_name(g, "blk.%d.gate", layer);
    if (g->m->d.arch->gate == GATE_GELU) {
        onnx_put(
            g, &(struct onnx_node){
                   .op = "Gelu", .in = {gate}, .out = {act}, .attribute = {{"approximate", ONNX_STRING, .s = "tanh"}}});
    } else {
        const char *share = onnx_name(g, "blk.%d.gate.sigmoid", layer);
        onnx_put(g, &(struct onnx_node){.op = "Sigmoid", .in = {gate}, .out = {share}});
        onnx_put(g, &(struct onnx_node){.op = "Mul", .in = {gate, share}, .out = {act}});
    }
    return onnx_put(g, &(struct onnx_node){.op = "Mul", .in = {act, up}, .out = {onnx_name(g, "blk.%d.gated", layer)}});
}

static const char *feed_forward(struct onnx_graph *g, const char *h, int layer)
{
    const char *gate, *up;
    if (g->m->d.arch->fused) {
        const char *both = project(g, h, USE_FFN_UP, USE_FFN_UP, layer);
        gate = onnx_name(g, "%s.0", both);
        up = onnx_name(g, "%s.1", both);
        onnx_put(g, &(struct onnx_node){.op = "Split",
                                        .in = {both},
                                        .out = {gate, up},
                                        .attribute = {{"axis", ONNX_INT, .i = -1}, {"num_outputs", ONNX_INT, .i = 2}}});
    } else {
        gate = project(g, h, USE_FFN_GATE, USE_FFN_GATE, layer);
        up = project(g, h, USE_FFN_UP, USE_FFN_UP, layer);
    }
    return project(g, gated(g, gate, up, layer), USE_FFN_DOWN, USE_FFN_DOWN, layer);
}

/* ---- the graph ---- */

/* Positions per sequence less one, and of the longest: from the mask, as the attention wants them. */
static void put_lengths(struct onnx_graph *g)
{
    const char *axis = one_i64(g, "axis_1", 1, 1), *one = one_i64(g, "one", 1, 0);
    onnx_put(g, &(struct onnx_node){.op = "ReduceSum",
                                    .in = {"attention_mask", axis},
                                    .out = {"n_positions"},
                                    .attribute = {{"keepdims", ONNX_INT, .i = 0}}});
    onnx_put(g, &(struct onnx_node){.op = "Sub", .in = {"n_positions", one}, .out = {"last_position"}});
    cast_i32(g, "last_position", "seqlens_k");
    onnx_put(g, &(struct onnx_node){.op = "Shape", .in = {"attention_mask"}, .out = {"mask_shape"}});
    onnx_put(g, &(struct onnx_node){.op = "Gather", .in = {"mask_shape", one}, .out = {"mask_length"}});
    cast_i32(g, "mask_length", "total_length");
}

static void put_values(struct onnx_graph *g)
{
    static const char *const part[] = {"key", "value"};
    const struct model_desc *d = &g->m->d;
    struct onnx_writer *w = g->w;
    onnx_writer_input(w, &(struct onnx_value){"input_ids", ONNX_I64, 2, {0}, {"batch", "length"}});
    onnx_writer_input(w, &(struct onnx_value){"attention_mask", ONNX_I64, 2, {0}, {"batch", "total_length"}});
    onnx_writer_output(w, &(struct onnx_value){"logits", ONNX_F32, 3, {0, 0, d->n_vocab}, {"batch", "length"}});
    for (int i = 0; i < 2 * d->n_layer; i++) {
        const char *name = onnx_name(g, "past_key_values.%d.%s", i / 2, part[i % 2]);
        const int64_t heads = d->n_head_kv, width = d->head_dim;
        onnx_writer_input(
            w, &(struct onnx_value){name, ONNX_F32, 4, {0, heads, 0, width}, {"batch", NULL, "past_length"}});
        name = onnx_name(g, "present.%d.%s", i / 2, part[i % 2]);
        onnx_writer_output(
            w, &(struct onnx_value){name, ONNX_F32, 4, {0, heads, 0, width}, {"batch", NULL, "total_length"}});
    }
}

static void put_shared(struct onnx_graph *g)
{
    const struct model_desc *d = &g->m->d;
    put_lengths(g);
    onnx_rope(g, "", false);
    if (d->sliding_window > 0 && d->arch->swa_global_every)
        onnx_rope(g, "_local", true);
    if (!d->arch->qk_norm)
        return;
    onnx_i64s(g, "by_head", (int64_t[]){0, 0, -1, d->head_dim}, 4, 1);
    onnx_i64s(g, "joined", (int64_t[]){0, 0, -1}, 3, 1);
}

static const char *embed(struct onnx_graph *g)
{
    const struct model_desc *d = &g->m->d;
    const char *x = onnx_embedding(g, "input_ids", tensor(g, USE_TOKEN_EMBD, -1));
    if (!d->arch->scale_embd)
        return x;
    const char *by = onnx_f32(g, "embedding_scale", (float)sqrt((double)d->d_model));
    return onnx_put(g, &(struct onnx_node){.op = "Mul", .in = {x, by}, .out = {"embedding"}});
}

static void head(struct onnx_graph *g, const char *h)
{
    const struct model_desc *d = &g->m->d;
    const bool capped = d->logit_softcap > 0;
    const char *y =
        onnx_linear(g, h, tensor(g, d->tied ? USE_TOKEN_EMBD : USE_OUTPUT, -1), capped ? "scores" : "logits");
    if (!capped)
        return;
    const char *cap = onnx_f32(g, "logit_cap", (float)d->logit_softcap);
    onnx_put(g, &(struct onnx_node){.op = "Div", .in = {y, cap}, .out = {"scores.shares"}});
    onnx_put(g, &(struct onnx_node){.op = "Tanh", .in = {"scores.shares"}, .out = {"scores.tanh"}});
    onnx_put(g, &(struct onnx_node){.op = "Mul", .in = {"scores.tanh", cap}, .out = {"logits"}});
}

void onnx_decoder(struct onnx_graph *g)
{
    const struct model_desc *d = &g->m->d;
    const bool post = d->arch->post_norms;
    put_values(g);
    put_shared(g);
    const char *x = embed(g), *h = norm(g, x, USE_ATTN_NORM, 0);
    for (int l = 0; l < d->n_layer; l++) {
        const bool last = l + 1 == d->n_layer;
        h = attention(g, h, l);
        if (post)
            h = norm(g, h, USE_ATTN_POST_NORM, l);
        h = add_norm(g, &x, h, USE_FFN_NORM, l);
        h = feed_forward(g, h, l);
        if (post)
            h = norm(g, h, USE_FFN_POST_NORM, l);
        h = add_norm(g, &x, h, last ? USE_OUTPUT_NORM : USE_ATTN_NORM, last ? -1 : l + 1);
    }
    head(g, h);
}
