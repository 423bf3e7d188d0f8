/* Which tensors a row of the catalogue has, in the names and forms of GGUF (catalogue_shape.h). Facts: the models'
 * configurations and the tensor lists of published files; a test compares the sums with published counts of weights. */
#include "bench/catalogue_shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct catalogue_arch rows[] = {
#define A(arch_name, ...) {.name = arch_name, ##__VA_ARGS__},
#include "bench/catalogue_archs.def"
#undef A
};

const struct catalogue_arch *catalogue_arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* ---- sliding patterns: "5:1;global_head_dim=512;rec=3:1;kv=2+5" ---- */

static const char *pattern_value(const struct catalogue_model *m, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = m->sliding_pattern; p; p = strchr(p, ';'), p = p ? p + 1 : NULL)
        if (strncmp(p, key, n) == 0 && p[n] == '=')
            return p + n + 1;
    return NULL;
}

int catalogue_pattern_int(const struct catalogue_model *m, const char *key, int otherwise)
{
    const char *v = pattern_value(m, key);
    long n = v ? strtol(v, NULL, 10) : otherwise;
    return n < 0 || n > 1 << 24 ? otherwise : (int)n;
}

/* Layers i of a + b for which i % (a + b) < a; none where the text has no such pair. */
static bool first_of(const char *pair, int layer)
{
    char *end;
    long a = pair ? strtol(pair, &end, 10) : 0;
    if (a < 1 || a > 1024 || *end != ':')
        return false;
    long b = strtol(end + 1, NULL, 10);
    return b >= 0 && b <= 1024 && layer % (a + b) < a;
}

static bool listed(const char *list, int layer)
{
    for (char *end; list && *list >= '0' && *list <= '9'; list = *end == '+' ? end + 1 : NULL)
        if (strtol(list, &end, 10) == layer)
            return true;
    return false;
}

static bool is_recurrent(const struct catalogue_model *m, int layer)
{
    return first_of(pattern_value(m, "rec"), layer);
}

static bool is_convolution(const struct catalogue_model *m, int layer)
{
    return pattern_value(m, "kv") && !listed(pattern_value(m, "kv"), layer);
}

static bool is_local(const struct catalogue_model *m, int layer)
{
    if (m->sliding_window == 0)
        return false;
    if (strncmp(m->sliding_pattern, "all", 3) == 0)
        return true;
    bool last_is_full = !strcmp(m->arch, "gemma4") && layer == m->n_layer - 1;
    return first_of(m->sliding_pattern, layer) && !last_is_full;
}

static int n_own_kv(const struct catalogue_model *m)
{
    int shared = catalogue_pattern_int(m, "kv_shared_layers", 0);
    return shared < m->n_layer ? m->n_layer - shared : 0;
}

/* Heads of that layer, whether or not it keeps what they compute. */
static void heads_of(const struct catalogue_model *m, int layer, int *n_kv, int *head_dim)
{
    bool global = !is_local(m, layer);
    *n_kv = global ? catalogue_pattern_int(m, "global_kv_heads", m->n_head_kv) : m->n_head_kv;
    *head_dim = global ? catalogue_pattern_int(m, "global_head_dim", m->head_dim) : m->head_dim;
}

/* Widths of a gated delta net. */
static void delta_widths(const struct catalogue_model *m, int64_t *keys, int64_t *values, int64_t *heads)
{
    int64_t dim = catalogue_pattern_int(m, "lin_head_dim", 0);
    *heads = catalogue_pattern_int(m, "lin_v_heads", 0);
    *keys = catalogue_pattern_int(m, "lin_k_heads", 0) * dim;
    *values = *heads * dim;
}

struct layer_memory catalogue_layer_memory(const struct catalogue_model *m, int layer)
{
    struct layer_memory w = {.local = is_local(m, layer)};
    int64_t kept = catalogue_pattern_int(m, "conv", 1) - 1, keys, values, heads;
    if (is_recurrent(m, layer)) {
        delta_widths(m, &keys, &values, &heads);
        w.state_values = values * catalogue_pattern_int(m, "lin_head_dim", 0) + (2 * keys + values) * kept;
    } else if (is_convolution(m, layer)) {
        w.state_values = m->d_model * kept;
    } else if (layer < n_own_kv(m)) {
        heads_of(m, layer, &w.n_head_kv, &w.head_dim);
    }
    return w;
}

/* ---- tensors ---- */

enum role {
    MATRIX,
    EXPERTS, /* as many as there are, one below the other */
    TABLE,   /* a matrix of which a token reads a row */
    IDLE,    /* a matrix that nothing uses */
    FLOATS,  /* stays f32 in every format */
    EXPERT_FLOATS,
    IDLE_FLOATS,
    HALVES, /* stays as the source has it */
};
struct builder {
    struct catalogue_shape *s;
    const struct catalogue_model *m;
    const struct catalogue_arch *row;
    int layer, rc;
    struct err *e;
};

static double share_read(const struct catalogue_model *m, enum role role)
{
    bool apart = role == TABLE || role == IDLE || role == IDLE_FLOATS;
    return role == EXPERTS || role == EXPERT_FLOATS ? (double)m->n_expert_used / m->n_expert : apart ? 0 : 1;
}

/* `name` without "blk.N." inside layers. */
static void add(struct builder *b, enum role role, int use, const char *name, int64_t n, int64_t k)
{
    struct catalogue_shape *s = b->s;
    if (b->rc)
        return;
    if (s->d.n_tensors == s->n_room || n < 1 || k < 1) {
        b->rc = err_set(b->e, ERR_DATA, "catalogue of models: %s would have a tensor %s of %lld x %lld", b->m->id, name,
                        (long long)n, (long long)k);
        return;
    }
    struct model_tensor *t = &s->d.tensor[s->d.n_tensors];
    bool matrix = role < FLOATS;
    *t = (struct model_tensor){.use = (enum tensor_use)use, .layer = b->layer, .matrix = matrix};
    t->expert = role == EXPERTS;
    t->name = b->layer < 0 ? name : arena_printf(s->arena, "blk.%d.%s", b->layer, name);
    b->rc = t->name ? codec_find(matrix || role == HALVES ? "f16" : "f32")->layout(&t->src, n, k, NULL, b->e)
                    : err_nomem(b->e, 64, "a tensor name");
    t->src.seg = &t->src.seg1;
    bool idle = role == IDLE || role == IDLE_FLOATS;
    s->share[s->d.n_tensors++] = (struct shape_share){share_read(b->m, role), role != TABLE && !idle && n > 1, idle};
    s->d.n_params += idle ? 0 : n * k;
}

static void vector(struct builder *b, const char *name, int64_t k)
{
    add(b, FLOATS, USE_OTHER, name, 1, k);
}

/* A norm of that width, with its offsets where the architecture has them. */
static void norm(struct builder *b, const char *name, int64_t k)
{
    vector(b, name, k);
    if (b->row->layer_norm)
        vector(b, "norm.bias", k);
}

static void add_norms(struct builder *b)
{
    static const char *const names[] = {"attn_norm.weight", "ffn_norm.weight", "post_attention_norm.weight",
                                        "post_ffw_norm.weight"};
    for (int i = 0, n = b->row->n_norm ? b->row->n_norm : 2; i < n; i++)
        norm(b, names[i], b->m->d_model);
}

static void add_qk_norms(struct builder *b, int64_t q, int64_t kv, int64_t head_dim)
{
    enum qk_kind kind = b->row->qk_norm;
    if (kind == QK_NONE)
        return;
    vector(b, "attn_q_norm.weight", kind == QK_FULL ? q : head_dim);
    add(b, b->layer < n_own_kv(b->m) ? FLOATS : IDLE_FLOATS, USE_OTHER, "attn_k_norm.weight", 1,
        kind == QK_FULL ? kv : head_dim);
}

/* The query matrix of Qwen3.5 is twice as wide: a gate of the output. */
static void add_attention(struct builder *b)
{
    const struct catalogue_model *m = b->m;
    int n_kv, head_dim;
    heads_of(m, b->layer, &n_kv, &head_dim);
    int64_t d = m->d_model, q = (int64_t)m->n_head * head_dim, kv = (int64_t)n_kv * head_dim;
    int64_t gate = catalogue_pattern_int(m, "q_gate", 0) ? q : 0;
    enum role own = b->layer < n_own_kv(m) ? MATRIX : IDLE;
    bool v_is_k = catalogue_pattern_int(m, "global_k_eq_v", 0) && !is_local(m, b->layer);
    if (b->row->fused_qkv) {
        add(b, MATRIX, USE_ATTN_QKV, "attn_qkv.weight", q + 2 * kv, d);
    } else {
        add(b, MATRIX, USE_ATTN_Q, "attn_q.weight", q + gate, d);
        add(b, own, USE_ATTN_K, "attn_k.weight", kv, d);
        if (!v_is_k)
            add(b, own, USE_ATTN_V, "attn_v.weight", kv, d);
    }
    add(b, MATRIX, USE_ATTN_OUT, "attn_output.weight", d, q);
    if (m->qkv_bias)
        vector(b, "attn_qkv.bias", q + 2 * kv);
    if (b->row->all_bias || !strcmp(m->arch, "gpt-oss"))
        vector(b, "attn_output.bias", d);
    if (!strcmp(m->arch, "gpt-oss"))
        vector(b, "attn_sinks.weight", m->n_head);
    if (b->row->sub_norms)
        vector(b, "attn_sub_norm.weight", q);
    add_qk_norms(b, q, kv, head_dim);
}

static void add_delta_net(struct builder *b)
{
    int64_t d = b->m->d_model, keys, values, heads, conv = catalogue_pattern_int(b->m, "conv", 1);
    delta_widths(b->m, &keys, &values, &heads);
    add(b, MATRIX, USE_ATTN_QKV, "attn_qkv.weight", 2 * keys + values, d);
    add(b, MATRIX, USE_OTHER, "attn_gate.weight", values, d);
    add(b, MATRIX, USE_OTHER, "ssm_alpha.weight", heads, d);
    add(b, MATRIX, USE_OTHER, "ssm_beta.weight", heads, d);
    add(b, MATRIX, USE_OTHER, "ssm_out.weight", d, values);
    add(b, FLOATS, USE_OTHER, "ssm_conv1d.weight", 2 * keys + values, conv);
    vector(b, "ssm_a", heads);
    vector(b, "ssm_dt.bias", heads);
    vector(b, "ssm_norm.weight", catalogue_pattern_int(b->m, "lin_head_dim", 0));
}

static void add_convolution(struct builder *b)
{
    int64_t d = b->m->d_model;
    add(b, MATRIX, USE_OTHER, "shortconv.in_proj.weight", 3 * d, d);
    add(b, MATRIX, USE_OTHER, "shortconv.out_proj.weight", d, d);
    add(b, FLOATS, USE_OTHER, "shortconv.conv.weight", d, catalogue_pattern_int(b->m, "conv", 1));
}

static void add_feed_forward(struct builder *b)
{
    const struct catalogue_model *m = b->m;
    int64_t d = m->d_model, ff = b->layer < n_own_kv(m) ? m->d_ff : catalogue_pattern_int(m, "shared_ff", m->d_ff);
    bool gated = !b->row->plain_ffn;
    if (gated && !b->row->fused_gate_up)
        add(b, MATRIX, USE_FFN_GATE, "ffn_gate.weight", ff, d);
    add(b, MATRIX, USE_FFN_UP, "ffn_up.weight", b->row->fused_gate_up ? 2 * ff : ff, d);
    add(b, MATRIX, USE_FFN_DOWN, "ffn_down.weight", d, ff);
    if (b->row->all_bias) {
        vector(b, "ffn_up.bias", ff);
        vector(b, "ffn_down.bias", d);
    }
    if (b->row->sub_norms)
        vector(b, "ffn_sub_norm.weight", ff);
    if (!strcmp(m->arch, "apertus"))
        vector(b, "ffn_xielu.weight", 2);
}

static void add_experts(struct builder *b)
{
    const struct catalogue_model *m = b->m;
    int64_t d = m->d_model, n = m->n_expert, ff = m->d_ff_expert, shared = catalogue_pattern_int(m, "shared_expert", 0);
    add(b, FLOATS, USE_OTHER, "ffn_gate_inp.weight", n, d);
    add(b, EXPERTS, USE_FFN_GATE, "ffn_gate_exps.weight", n * ff, d);
    add(b, EXPERTS, USE_FFN_UP, "ffn_up_exps.weight", n * ff, d);
    add(b, EXPERTS, USE_FFN_DOWN, "ffn_down_exps.weight", n * d, ff);
    if (!strcmp(m->arch, "gpt-oss")) {
        add(b, EXPERT_FLOATS, USE_OTHER, "ffn_exps.bias", 1, n * (2 * ff + d));
        vector(b, "ffn_gate_inp.bias", n);
    }
    if (shared) { /* an expert of all tokens, and how much of it */
        add(b, MATRIX, USE_FFN_GATE, "ffn_gate_shexp.weight", shared, d);
        add(b, MATRIX, USE_FFN_UP, "ffn_up_shexp.weight", shared, d);
        add(b, MATRIX, USE_FFN_DOWN, "ffn_down_shexp.weight", d, shared);
        vector(b, "ffn_gate_inp_shexp.weight", d);
    }
    if (!catalogue_pattern_int(m, "dense_ffn_beside_experts", 0))
        return;
    for (int i = 0; i < 3; i++) /* both halves are normalized apart, then together */
        norm(b, "ffn_part_norm.weight", d);
    vector(b, "ffn_gate_inp.scale", d);
    vector(b, "ffn_down_exps.scale", n);
}

/* What Gemma 3n and 4 add for the table of per-layer embeddings. */
static void add_layer_embedding(struct builder *b)
{
    int64_t d = b->m->d_model, ple = catalogue_pattern_int(b->m, "ple_dim", 0);
    if (ple == 0)
        return;
    add(b, MATRIX, USE_OTHER, "inp_gate.weight", ple, d);
    add(b, MATRIX, USE_OTHER, "proj.weight", d, ple);
    vector(b, "post_norm.weight", d);
}

/* Gemma 3n: four streams, and a path of low rank beside attention. */
static void add_streams(struct builder *b)
{
    int64_t d = b->m->d_model, n = catalogue_pattern_int(b->m, "altup", 0),
            rank = catalogue_pattern_int(b->m, "laurel", 0);
    if (n == 0)
        return;
    add(b, FLOATS, USE_OTHER, "altup_correct_coef.weight", n, n);
    add(b, FLOATS, USE_OTHER, "altup_predict_coef.weight", n * n, n);
    add(b, HALVES, USE_OTHER, "altup_router.weight", n, d);
    vector(b, "altup_router_norm.weight", d);
    vector(b, "altup_correct_scale.weight", d);
    add(b, HALVES, USE_OTHER, "laurel_l.weight", rank, d);
    add(b, HALVES, USE_OTHER, "laurel_r.weight", d, rank);
    vector(b, "laurel_post_norm.weight", d);
}

static void add_layer(struct builder *b)
{
    const struct catalogue_model *m = b->m;
    add_norms(b);
    if (is_recurrent(m, b->layer))
        add_delta_net(b);
    else if (is_convolution(m, b->layer))
        add_convolution(b);
    else
        add_attention(b);
    bool dense = b->layer < catalogue_pattern_int(m, "dense_layers", 0) || m->n_expert == 0;
    if (!dense)
        add_experts(b);
    if (dense || catalogue_pattern_int(m, "dense_ffn_beside_experts", 0))
        add_feed_forward(b);
    add_layer_embedding(b);
    add_streams(b);
}

static void add_outside(struct builder *b)
{
    const struct catalogue_model *m = b->m;
    int64_t d = m->d_model, ple = catalogue_pattern_int(m, "ple_dim", 0), n = catalogue_pattern_int(m, "altup", 1);
    add(b, m->tied ? MATRIX : TABLE, USE_TOKEN_EMBD, "token_embd.weight", m->n_vocab, d);
    norm(b, "output_norm.weight", d);
    if (!m->tied)
        add(b, MATRIX, USE_OUTPUT, "output.weight", m->n_vocab, d);
    if (!strcmp(m->arch, "phi2"))
        vector(b, "output.bias", m->n_vocab);
    if (b->row->positions)
        add(b, FLOATS, USE_OTHER, "position_embd.weight", m->context, d);
    if (ple) {
        add(b, TABLE, USE_TOKEN_EMBD, "per_layer_token_embd.weight", catalogue_pattern_int(m, "ple_vocab", 0),
            ple * m->n_layer);
        add(b, HALVES, USE_OTHER, "per_layer_model_proj.weight", ple * m->n_layer, d);
        vector(b, "per_layer_proj_norm.weight", ple);
    }
    for (int64_t i = 1; i < n; i++) {
        add(b, HALVES, USE_OTHER, "altup_proj.weight", d, d);
        add(b, HALVES, USE_OTHER, "altup_unembd_proj.weight", d, d);
    }
}

enum { MOST_OF_A_LAYER = 40, MOST_OUTSIDE = 16 };

static int shape_new(struct catalogue_shape **out, const struct catalogue_model *m, struct err *e)
{
    struct arena *a = arena_new();
    struct catalogue_shape *s = a ? arena_alloc(a, sizeof *s) : NULL;
    int n = m->n_layer * MOST_OF_A_LAYER + MOST_OUTSIDE;
    if (s) {
        s->arena = a;
        s->n_room = n;
        s->d.tensor = arena_alloc_n(a, (size_t)n, sizeof *s->d.tensor);
        s->share = arena_alloc_n(a, (size_t)n, sizeof *s->share);
    }
    *out = s;
    if (s && s->d.tensor && s->share)
        return 0;
    arena_free(a);
    return err_nomem(e, (unsigned long long)n * sizeof *s->d.tensor, "the tensors of a catalogue row");
}

static void set_numbers(struct catalogue_shape *s, const struct catalogue_model *m, const struct catalogue_arch *row)
{
    int n_kv, head_dim;
    s->row = row;
    heads_of(m, 0, &n_kv, &head_dim);
    s->arch = (struct arch){.name = m->arch, .fused = row->fused_gate_up, .sub_norms = row->sub_norms};
    s->regular = !strchr(m->sliding_pattern, '=') && m->n_expert == 0;
    s->d.arch = &s->arch;
    s->d.n_layer = m->n_layer;
    s->d.d_model = m->d_model;
    s->d.d_ff = m->d_ff;
    s->d.n_head = m->n_head;
    s->d.n_head_kv = is_convolution(m, 0) ? 0 : n_kv;
    s->d.head_dim = m->head_dim;
    s->d.n_ctx_train = m->context;
    s->d.n_vocab = m->n_vocab;
    s->d.n_expert = m->n_expert;
    s->d.tied = m->tied;
    snprintf(s->d.name, sizeof s->d.name, "%s", m->id);
}

int catalogue_shape_make(struct catalogue_shape **out, const struct catalogue_model *m, struct err *e)
{
    const struct catalogue_arch *row = catalogue_arch_find(m->arch);
    if (!row)
        return err_set(e, ERR_UNSUPPORTED, "the tensors of architecture %s (model %s) are not known", m->arch, m->id);
    int rc = shape_new(out, m, e);
    if (rc)
        return rc;
    struct builder b = {.s = *out, .m = m, .row = row, .layer = -1, .e = e};
    set_numbers(*out, m, row);
    add_outside(&b);
    for (b.layer = 0; b.layer < m->n_layer && b.rc == 0; b.layer++)
        add_layer(&b);
    if (b.rc) {
        catalogue_shape_free(*out);
        *out = NULL;
    }
    return b.rc;
}

void catalogue_shape_free(struct catalogue_shape *s)
{
    if (s)
        arena_free(s->arena);
}
