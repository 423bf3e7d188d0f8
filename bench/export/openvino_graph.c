/* The graph of a decoder (openvino_graph.h), in the shape that the runtime's fusions know from models converted from
 * transformers: norms and rotations in plain operations, K and V of a state reordered by beam_idx, extended by the new
 * positions and repeated for the heads that share them, one mask for all layers that see alike.
 * Shapes: B batch, S new positions, T all positions, H heads, G heads of K and V, D head length. */
#include "bench/export/openvino_graph.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/export/openvino_matrix.h"
#include "bench/export/openvino_ops.h"

enum { GLOBAL, LOCAL, N_REACHES };

struct decoder {
    struct ir *g;
    const struct model *m;
    const struct model_desc *d;
    const struct weights *w;
    struct ir_value ids, beam, batch, embedding;
    struct ir_value mask[N_REACHES];                /* [B, 1, S, T] */
    struct ir_value cos[N_REACHES], sin[N_REACHES]; /* [B, 1, S, rope_dim] */
    int rc;
    struct err *e;
};

/* ---- tensors ---- */

static int tensor_index(const struct decoder *x, enum tensor_use use, int layer)
{
    return layer < 0 ? x->m->by_use[use] : x->m->by_layer[(int64_t)layer * N_TENSOR_USES + use];
}

/* Heads whose rows GGUF keeps in pairs, for a rotation of neighbours; here halves are rotated. */
static int pairs_of(const struct decoder *x, enum tensor_use use)
{
    bool rotated = use == USE_ATTN_Q || use == USE_ATTN_K || use == USE_ATTN_Q_BIAS || use == USE_ATTN_K_BIAS;
    return rotated && !x->d->arch->rope_neox ? x->d->head_dim : 0;
}

static struct ir_value vector(struct decoder *x, enum tensor_use use, int layer)
{
    int i = tensor_index(x, use, layer);
    const struct qmat *q = &x->w->mat[i];
    float *v = mem_alloc_n((size_t)q->k, 2 * sizeof *v), *ordered = v ? v + q->k : NULL;
    struct ir_value out = {.shape = IR_SHAPE(q->k)};
    if (!v) {
        x->rc = err_nomem(x->e, (size_t)q->k * sizeof *v, x->d->tensor[i].name);
        return out;
    }
    q->codec->decode(v, q, 0, 1);
    for (int64_t r = 0; r < q->k; r++)
        ordered[r] = v[ov_source_row(r, pairs_of(x, use))];
    out = ov_f32_vector(x->g, x->d->tensor[i].name, ordered, IR_SHAPE(q->k));
    mem_free(v);
    return out;
}

static struct ir_value matrix(struct decoder *x, enum tensor_use use, int layer)
{
    int i = tensor_index(x, use, layer);
    const struct qmat *q = &x->w->mat[i];
    struct ir_value out = {.shape = IR_SHAPE(q->n, q->k)};
    if (x->rc == 0)
        x->rc = ov_matrix(&out, x->g, x->d->tensor[i].name, q, pairs_of(x, use), x->e);
    return out;
}

/* y = input W^T (+ bias, where that is another use and there is one) */
static struct ir_value project(struct decoder *x, struct ir_value input, enum tensor_use use, enum tensor_use bias,
                               int layer)
{
    struct ir_value y = ov_matmul(x->g, NULL, input, matrix(x, use, layer), NULL);
    if (bias != use && tensor_index(x, bias, layer) >= 0)
        y = ov_binary(x->g, "Add", y, vector(x, bias, layer));
    return y;
}

/* x / sqrt(mean(x^2) + eps) * weight over the last dimension */
static struct ir_value normalize(struct decoder *x, struct ir_value v, enum tensor_use use, int layer)
{
    struct ir *g = x->g;
    struct ir_value mean = ov_mean_of_rows(g, ov_binary(g, "Power", v, ov_f32(g, 2)));
    struct ir_value root = ov_unary(g, "Sqrt", "opset1", ov_binary(g, "Add", mean, ov_f32(g, (float)x->d->norm_eps)));
    struct ir_value unit = ov_binary(g, "Multiply", v, ov_binary(g, "Divide", ov_f32(g, 1), root));
    return ov_binary(g, "Multiply", vector(x, use, layer), unit);
}

/* ---- positions ---- */

/* True where position j of all T may be seen from position i of the new S: j <= i, j > i - window where there is one,
 * and j is no padding; 0 and the lowest float for that. Written so that the runtime recognizes the window. */
static struct ir_value build_mask(struct decoder *x, struct ir_value attention_mask, int window)
{
    struct ir *g = x->g;
    const struct ir_shape shape = IR_SHAPE(IR_ANY, 1, IR_ANY, IR_ANY);
    struct ir_value n_new = ov_dimension(g, x->ids, 1), n_all = ov_dimension(g, attention_mask, 1);
    struct ir_value end = ov_squeeze(g, n_all), begin = ov_squeeze(g, ov_binary(g, "Subtract", n_all, n_new));
    struct ir_value key = ov_range(g, ov_i64(g, 0), end), query = ov_unsqueeze(g, ov_range(g, begin, end), 1);
    struct ir_value sees = ov_binary(g, "LessEqual", key, query);
    if (window)
        sees = ov_binary(g, "BitwiseAnd", sees,
                         ov_binary(g, "Greater", key, ov_binary(g, "Add", query, ov_i64(g, -window))));
    struct ir_value there = ov_unsqueeze(g, ov_unsqueeze(g, ov_convert(g, attention_mask, IR_BOOL), 1), 2);
    static const uint8_t yes = 1;
    struct ir_value always = ir_constant(g, NULL, IR_BOOL, IR_SCALAR, &yes, 1);
    sees = ov_binary(g, "BitwiseAnd", sees, there);
    sees = ov_binary(g, "BitwiseAnd", always, sees);
    sees = ov_binary(g, "BitwiseAnd", sees, always);
    struct ir_value size = ov_concat(g, (struct ir_value[]){x->batch, OV_LIST(g, 1), n_new, n_all}, 4, 0);
    sees = ov_broadcast(g, sees, size, "bidirectional", shape);
    struct ir_value mask = ov_select(g, sees, ov_f32(g, 0), ov_f32(g, -FLT_MAX));
    return ov_slice(g, mask, OV_LIST(g, 0), n_all, 3);
}

/* base^(-2i/rope_dim) * scale / factor_i as a constant [1, 1, rope_dim / 2]. */
static struct ir_value frequencies(struct decoder *x, bool local, enum tensor_use factors)
{
    const struct model_desc *d = x->d;
    int n = d->rope_dim / 2, i_factors = local ? -1 : tensor_index(x, factors, -1);
    const struct qmat *q = i_factors < 0 ? NULL : &x->w->mat[i_factors];
    float *v = mem_alloc_n((size_t)n, 2 * sizeof *v);
    struct ir_value out = {.shape = IR_SHAPE(1, 1, n)};
    if (!v) {
        x->rc = err_nomem(x->e, (size_t)n * sizeof *v, "a table of frequencies");
        return out;
    }
    if (q)
        q->codec->decode(v + n, q, 0, 1);
    double base = local ? d->rope_base_local : d->rope_base, scale = local ? 1 : 1 / d->rope_scale;
    for (int i = 0; i < n; i++)
        v[i] = (float)(scale * pow(base, -2.0 * i / d->rope_dim) / (q ? (double)v[n + i] : 1));
    out = ov_f32_vector(x->g, NULL, v, IR_SHAPE(1, 1, n));
    mem_free(v);
    return out;
}

static void build_rotation(struct decoder *x, struct ir_value position_ids, bool local)
{
    struct ir *g = x->g;
    bool two = !local && tensor_index(x, USE_ROPE_LONG, -1) >= 0;
    struct ir_value f = frequencies(x, local, two ? USE_ROPE_SHORT : USE_ROPE_FREQS);
    if (two) { /* LongRoPE: the longest position of the call decides */
        struct ir_value is_long =
            ov_binary(g, "GreaterEqual", ov_largest(g, position_ids), ov_i64(g, x->d->rope_n_ctx_short));
        f = ov_select(g, is_long, frequencies(x, local, USE_ROPE_LONG), f);
    }
    struct ir_value angle = ov_binary(g, "Multiply", ov_unsqueeze(g, ov_convert(g, position_ids, IR_F32), 2), f);
    angle = ov_concat(g, (struct ir_value[]){angle, angle}, 2, -1);
    struct ir_value *out[] = {&x->cos[local], &x->sin[local]};
    for (int i = 0; i < 2; i++) {
        struct ir_value y = ov_unary(g, i ? "Sin" : "Cos", "opset1", angle);
        if (x->d->rope_gain > 0 && x->d->rope_gain != 1)
            y = ov_binary(g, "Multiply", y, ov_f32(g, (float)x->d->rope_gain));
        *out[i] = ov_unsqueeze(g, y, 1);
    }
}

/* v[B, H, S, D], of which the first rope_dim are rotated by halves. */
static struct ir_value rotate(struct decoder *x, struct ir_value v, bool local)
{
    struct ir *g = x->g;
    int64_t n = x->d->rope_dim, rest = x->d->head_dim - n;
    struct ir_value part[2] = {v}, half[2];
    if (rest)
        ov_split(g, v, (int64_t[]){n, rest}, 2, part);
    ov_split(g, part[0], (int64_t[]){n / 2, n / 2}, 2, half);
    struct ir_value minus = ov_binary(g, "Multiply", half[1], ov_f32(g, -1));
    struct ir_value turned = ov_concat(g, (struct ir_value[]){minus, half[0]}, 2, -1);
    part[0] = ov_binary(g, "Add", ov_binary(g, "Multiply", part[0], x->cos[local]),
                        ov_binary(g, "Multiply", turned, x->sin[local]));
    return rest ? ov_concat(g, part, 2, -1) : part[0];
}

/* ---- attention ---- */

/* v[B, S, n D] -> [B, n, S, D], normed by head where norm >= 0. */
static struct ir_value heads(struct decoder *x, struct ir_value v, int n, int norm, int layer)
{
    int64_t d = x->d->head_dim;
    v = ov_reshape(x->g, v, IR_SHAPE(0, 0, n, d), IR_SHAPE(IR_ANY, IR_ANY, n, d));
    if (norm >= 0)
        v = normalize(x, v, (enum tensor_use)norm, layer);
    return ov_swap_middle(x->g, v);
}

/* The state with v[B, G, S, D] behind it: [B, G, T, D], and repeated [B, H, T, D]. */
static struct ir_value remember(struct decoder *x, struct ir_value v, const char *what, int layer)
{
    struct ir *g = x->g;
    int64_t n_kv = x->d->n_head_kv, n = x->d->n_head, d = x->d->head_dim, group = n / n_kv;
    char id[96];
    snprintf(id, sizeof id, "past_key_values.%d.%spresent.%d.%s", layer, what, layer, what);
    struct ir_value size = ov_concat(g, (struct ir_value[]){x->batch, OV_LIST(g, n_kv, 0, d)}, 2, 0);
    struct ir_value empty = ov_broadcast(g, ov_f32(g, 0), size, "numpy", IR_SHAPE(IR_ANY, n_kv, 0, d));
    struct ir_value past = ov_gather(g, ov_read_state(g, id, empty), x->beam, 0);
    struct ir_value all = ov_concat(g, (struct ir_value[]){past, v}, 2, 2);
    ov_write_state(g, id, all);
    if (group == 1)
        return all;
    struct ir_value wide = ov_broadcast(g, ov_unsqueeze(g, all, 2), OV_LIST(g, 1, 1, group, 1, 1), "bidirectional",
                                        IR_SHAPE(IR_ANY, n_kv, group, IR_ANY, d));
    return ov_reshape(g, wide, IR_SHAPE(0, n, -1, d), IR_SHAPE(IR_ANY, n, IR_ANY, d));
}

static struct ir_value attention_block(struct decoder *x, struct ir_value h, int layer)
{
    const struct model_desc *d = x->d;
    int64_t d_q = (int64_t)d->n_head * d->head_dim, d_kv = (int64_t)d->n_head_kv * d->head_dim;
    bool local = model_layer_is_local(d, layer), own_rope = local && d->arch->swa_global_every,
         norms = d->arch->qk_norm;
    struct ir_value v[3];
    if (d->arch->fused) {
        ov_split(x->g, project(x, h, USE_ATTN_QKV, USE_ATTN_QKV, layer), (int64_t[]){d_q, d_kv, d_kv}, 3, v);
    } else {
        v[0] = project(x, h, USE_ATTN_Q, USE_ATTN_Q_BIAS, layer);
        v[1] = project(x, h, USE_ATTN_K, USE_ATTN_K_BIAS, layer);
        v[2] = project(x, h, USE_ATTN_V, USE_ATTN_V_BIAS, layer);
    }
    v[0] = rotate(x, heads(x, v[0], d->n_head, norms ? USE_ATTN_Q_NORM : -1, layer), own_rope);
    v[1] = rotate(x, heads(x, v[1], d->n_head_kv, norms ? USE_ATTN_K_NORM : -1, layer), own_rope);
    v[2] = heads(x, v[2], d->n_head_kv, -1, layer);
    v[1] = remember(x, v[1], "key", layer);
    v[2] = remember(x, v[2], "value", layer);
    struct ir_value y = ov_attention(x->g, v[0], v[1], v[2], x->mask[local], (float)d->attn_scale);
    y = ov_reshape(x->g, ov_swap_middle(x->g, y), IR_SHAPE(0, 0, d_q), IR_SHAPE(IR_ANY, IR_ANY, d_q));
    return project(x, y, USE_ATTN_OUT, USE_ATTN_OUT, layer);
}

/* ---- the decoder ---- */

static struct ir_value feed_forward_block(struct decoder *x, struct ir_value h, int layer)
{
    int64_t d_ff = x->d->d_ff;
    struct ir_value v[2];
    if (x->d->arch->fused) {
        ov_split(x->g, project(x, h, USE_FFN_UP, USE_FFN_UP, layer), (int64_t[]){d_ff, d_ff}, 2, v);
    } else {
        v[0] = project(x, h, USE_FFN_GATE, USE_FFN_GATE, layer);
        v[1] = project(x, h, USE_FFN_UP, USE_FFN_UP, layer);
    }
    v[0] = x->d->arch->gate == GATE_GELU ? ov_gelu_tanh(x->g, v[0]) : ov_unary(x->g, "Swish", "opset4", v[0]);
    return project(x, ov_binary(x->g, "Multiply", v[0], v[1]), USE_FFN_DOWN, USE_FFN_DOWN, layer);
}

static struct ir_value add_layer(struct decoder *x, struct ir_value stream, int layer)
{
    bool post = x->d->arch->post_norms;
    struct ir_value h = attention_block(x, normalize(x, stream, USE_ATTN_NORM, layer), layer);
    if (post)
        h = normalize(x, h, USE_ATTN_POST_NORM, layer);
    stream = ov_binary(x->g, "Add", stream, h);
    h = feed_forward_block(x, normalize(x, stream, USE_FFN_NORM, layer), layer);
    if (post)
        h = normalize(x, h, USE_FFN_POST_NORM, layer);
    return ov_binary(x->g, "Add", stream, h);
}

static void add_head(struct decoder *x, struct ir_value stream)
{
    struct ir *g = x->g;
    float cap = (float)x->d->logit_softcap;
    struct ir_value w = x->embedding, h = normalize(x, stream, USE_OUTPUT_NORM, -1);
    if (!x->d->tied)
        w = matrix(x, USE_OUTPUT, -1);
    struct ir_value y = ov_matmul(g, "lm_head", h, w, cap > 0 ? NULL : "logits");
    if (cap > 0) {
        y = ov_unary(g, "Tanh", "opset1", ov_binary(g, "Divide", y, ov_f32(g, cap)));
        y = ov_binary(g, "Multiply", y, ov_f32(g, cap));
    }
    ov_result(g, "logits", y);
}

static bool has_layers(const struct model_desc *d, bool local)
{
    for (int i = 0; i < d->n_layer; i++)
        if (model_layer_is_local(d, i) == local)
            return true;
    return false;
}

int ov_decoder(struct ir *g, const struct model *m, const struct weights *w, struct err *e)
{
    struct decoder x = {.g = g, .m = m, .d = &m->d, .w = w, .e = e};
    const struct ir_shape tokens = IR_SHAPE(IR_ANY, IR_ANY);
    x.ids = ov_input(g, "input_ids", IR_I64, tokens);
    struct ir_value attention_mask = ov_input(g, "attention_mask", IR_I64, tokens);
    struct ir_value position_ids = ov_input(g, "position_ids", IR_I64, tokens);
    x.beam = ov_input(g, "beam_idx", IR_I32, IR_SHAPE(IR_ANY));
    x.batch = ov_dimension(g, x.ids, 0);
    for (int local = 0; local < N_REACHES; local++)
        if (has_layers(x.d, local))
            x.mask[local] = build_mask(&x, attention_mask, local ? x.d->sliding_window : 0);
    build_rotation(&x, position_ids, false);
    if (x.d->arch->swa_global_every && has_layers(x.d, true))
        build_rotation(&x, position_ids, true);

    x.embedding = matrix(&x, USE_TOKEN_EMBD, -1);
    struct ir_value stream = ov_gather(g, x.embedding, x.ids, 0);
    if (x.d->arch->scale_embd)
        stream = ov_binary(g, "Multiply", stream, ov_f32(g, (float)sqrt((double)x.d->d_model)));
    for (int i = 0; i < x.d->n_layer && x.rc == 0; i++)
        stream = add_layer(&x, stream, i);
    add_head(&x, stream);
    return x.rc;
}
