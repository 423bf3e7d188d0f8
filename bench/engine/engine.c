/* The forward pass. engine_plan sizes every buffer, for engine_memory and engine_new alike; engine_layer is
 * one transformer block as the papers draw it; engine_forward is its loop. */
#include "bench/engine/engine.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "bench/engine/engine_state.h"
#include "bench/engine/kv_peaks.h"

/* ---- memory ---- */

static size_t f32s(int64_t rows, int64_t cols)
{
    return (size_t)(rows * cols) * sizeof(float);
}

static int64_t n_vector_values(const struct model_desc *d)
{
    int64_t n = 0;
    for (int i = 0; i < d->n_tensors; i++)
        n += d->tensor[i].matrix ? 0 : d->tensor[i].src.k;
    return n;
}

static int plan_kv(struct kv_side *k, struct kv_side *v, const struct model_desc *d, const struct engine_opts *o,
                   struct err *e)
{
    int rc = kv_side_init(k, o->kv.k, false, d, o->n_ctx, o->isa, e);
    return rc ? rc : kv_side_init(v, o->kv.v, true, d, o->n_ctx, o->isa, e);
}

/* Bytes of every buffer. Bounds on the shape and on n_ctx keep the products far from overflow. */
static int engine_plan(const struct model_desc *d, const struct engine_opts *o, size_t bytes[N_ENGINE_BUFFERS],
                       struct err *e)
{
    if (o->n_ctx < 1 || o->n_ctx > 1 << 24 || o->n_batch < 1 || o->n_batch > o->n_ctx)
        return err_set(e, ERR_USAGE, "a context of %d positions in batches of %d makes no sense", o->n_ctx, o->n_batch);
    int64_t n = o->n_batch, d_q = (int64_t)d->n_head * d->head_dim, d_kv = (int64_t)d->n_head_kv * d->head_dim;
    int64_t k = d->d_model > d->d_ff ? d->d_model : d->d_ff, n_threads = pool_n_threads(o->pool);
    k = k > d_q ? k : d_q;
    struct kv_side kv_k, kv_v;
    int rc = plan_kv(&kv_k, &kv_v, d, o, e);
    if (rc)
        return rc;
    bytes[BUF_K] = (size_t)d->n_layer * kv_side_bytes(&kv_k);
    bytes[BUF_V] = (size_t)d->n_layer * kv_side_bytes(&kv_v);
    bytes[BUF_SCALES] = kv_needs_peaks(o->kv) ? f32s(2 * d->n_layer, d_kv) : 0;
    bytes[BUF_X] = bytes[BUF_H] = f32s(n, d->d_model);
    bytes[BUF_Q] = f32s(n, d->arch->fused ? d_q + 2 * d_kv : d_q);
    bytes[BUF_ATT] = f32s(n, d_q);
    bytes[BUF_NEW_K] = bytes[BUF_NEW_V] = f32s(n, d_kv);
    bytes[BUF_GATE] = f32s(n, d->d_ff);
    bytes[BUF_UP] = f32s(n, d->arch->fused ? 2 * d->d_ff : d->d_ff);
    bytes[BUF_INPUT] = linear_input_bytes(k, o);
    bytes[BUF_ROPE] = f32s(2 * n, d->rope_dim);
    bytes[BUF_LINEAR_SCRATCH] = linear_scratch_bytes(d, o);
    bytes[BUF_ATT_SCRATCH] = f32s(n_threads, (int64_t)attention_scratch_floats(d->n_head, d->n_head_kv, d->head_dim));
    bytes[BUF_VECTORS] = f32s(1, n_vector_values(d));
    bytes[BUF_TABLE] = (size_t)(d->n_tensors + 1) * sizeof(struct linear);
    for (int b = 0; b < N_ENGINE_BUFFERS; b++)
        bytes[b] = bytes[b] > 64 ? (bytes[b] + 63) / 64 * 64 : 64; /* whole cache lines, as an arena gives them */
    return 0;
}

int engine_memory(const struct model_desc *m, const struct engine_opts *o, struct memory_need *out, struct err *e)
{
    size_t bytes[N_ENGINE_BUFFERS];
    int rc = engine_plan(m, o, bytes, e);
    if (rc)
        return rc;
    *out = (struct memory_need){0};
    for (int i = 0; i < m->n_tensors; i++)
        out->weights_bytes += (int64_t)qmat_bytes(&m->tensor[i].src);
    for (int b = 0; b < N_ENGINE_BUFFERS; b++)
        *(b < BUF_FIRST_SCRATCH ? &out->kv_bytes : &out->scratch_bytes) += (int64_t)bytes[b];
    return 0;
}

static int settle_scales(struct engine *g, struct err *e)
{
    const int64_t n = (int64_t)g->d->n_head_kv * g->d->head_dim;
    const struct kv_side *const side[] = {&g->k, &g->v};
    const struct kv_peaks *p = g->o.kv_peaks;
    int rc = kv_check_peaks(g->o.kv, p, e);
    if (rc || !kv_needs_peaks(g->o.kv))
        return rc;
    for (int layer = 0; layer < g->d->n_layer; layer++)
        for (int i = 0; i < 2; i++)
            if (side[i]->format->scale)
                kv_scales_settle(engine_f32(g, BUF_SCALES) + (2 * layer + i) * n, (i ? p->v : p->k) + layer * n, n,
                                 side[i]->format);
    return 0;
}

static int take_buffers(struct engine *g, struct err *e)
{
    size_t bytes[N_ENGINE_BUFFERS];
    int rc = engine_plan(g->d, &g->o, bytes, e);
    if (rc)
        return rc;
    g->arena = arena_new();
    for (int b = 0; b < N_ENGINE_BUFFERS; b++) {
        g->buf[b] = g->arena ? arena_alloc(g->arena, bytes[b]) : NULL;
        if (!g->buf[b])
            return err_nomem(e, bytes[b],
                             b < BUF_FIRST_SCRATCH ? "the KV cache: take a smaller context" : "activations");
    }
    g->linear = g->buf[BUF_TABLE];
    rc = plan_kv(&g->k, &g->v, g->d, &g->o, e);
    return rc ? rc : settle_scales(g, e);
}

int engine_new(struct engine **out, const struct weights *w, const struct engine_opts *o, struct err *e)
{
    struct engine *g = mem_alloc(sizeof *g);
    if (!g)
        return err_nomem(e, sizeof *g, "an engine");
    g->weights = w;
    g->model = w->model;
    g->d = &w->model->d;
    g->o = *o;
    g->ops = &ops_cpu;
    g->gemm = kernel_find(OP_GEMM_F32, NULL, NULL, o->isa);
    g->backend = (struct backend){o->pool, kernel_find(OP_ROWS, NULL, NULL, o->isa)->rows};
    g->rope_pos0[0] = g->rope_pos0[1] = -1;
    int rc = take_buffers(g, e);
    if (rc == 0)
        rc = linear_setup(g, e);
    if (rc) {
        engine_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

int engine_use(struct engine *g, const struct weights *w, struct err *e)
{
    memset(g->linear, 0, (size_t)(g->d->n_tensors + 1) * sizeof *g->linear);
    g->kernels[0] = 0;
    g->weights = w;
    return linear_setup(g, e);
}

void engine_free(struct engine *g)
{
    if (!g)
        return;
    arena_free(g->arena);
    mem_free(g);
}

void engine_reset(struct engine *g)
{
    g->n_past = g->n_last = 0;
}
void engine_rewind(struct engine *g, int n_past)
{
    if (n_past >= 0 && n_past < g->n_past)
        g->n_past = n_past;
    g->n_last = 0;
}
void engine_use_threads(struct engine *g, int prefill, int decode)
{
    g->o.prefill_threads = prefill;
    g->o.decode_threads = decode;
}
int engine_n_past(const struct engine *g)
{
    return g->n_past;
}
size_t engine_bytes(const struct engine *g)
{
    return arena_bytes(g->arena);
}
const struct model_desc *engine_model(const struct engine *g)
{
    return g->d;
}
const struct engine_opts *engine_options(const struct engine *g)
{
    return &g->o;
}
const char *engine_kernels(const struct engine *g)
{
    return g->kernels;
}

/* The i-th matrix that a decoded token is multiplied with, or NULL: an embedding is so where it is the head too. */
static const struct linear *read_per_token(const struct engine *g, int i)
{
    const struct model_tensor *t = &g->d->tensor[i];
    if (t->use == USE_TOKEN_EMBD && g->weights->has_head)
        return &g->linear[g->d->n_tensors];
    return t->matrix && (t->use != USE_TOKEN_EMBD || g->d->tied) ? &g->linear[i] : NULL;
}

bool engine_is_packed(const struct engine *g)
{
    for (int i = 0; i < g->d->n_tensors; i++) {
        const struct linear *l = read_per_token(g, i);
        if (l && !(l->matvec && kernel_is_packed(l->matvec) && kernel_is_packed(l->matmul)))
            return false;
    }
    return g->o.mode == ENGINE_PACKED;
}

int64_t engine_bytes_per_token(const struct engine *g, int pos)
{
    const struct model_desc *d = g->d;
    int64_t bytes = 0, per_pos = (int64_t)kv_bytes_per_token(g->o.kv, d) / d->n_layer;
    for (int i = 0; i < d->n_tensors; i++) {
        const struct linear *l = read_per_token(g, i);
        bytes += l ? (int64_t)qmat_bytes(l->w) : 0;
    }
    for (int l = 0; l < d->n_layer; l++) {
        int window = model_layer_is_local(d, l) ? d->sliding_window : 0;
        bytes += per_pos * (window && window < pos + 1 ? window : pos + 1);
    }
    return bytes;
}

/* ---- the forward pass ---- */

static const struct linear *part(const struct engine *g, enum tensor_use use, int layer)
{
    int i = layer < 0 ? g->model->by_use[use] : g->model->by_layer[(int64_t)layer * N_TENSOR_USES + use];
    return i < 0 ? NULL : &g->linear[i];
}

void engine_embed(struct engine *g, const int32_t *tokens, int n, float *x)
{
    const struct linear *embd = part(g, USE_TOKEN_EMBD, -1);
    int64_t d = g->d->d_model;
    float scale = g->d->arch->scale_embd ? (float)sqrt((double)d) : 1.0f;
    for (int t = 0; t < n; t++) {
        embd->w->codec->decode(x + t * d, embd->w, tokens[t], tokens[t] + 1);
        if (scale != 1.0f)
            for (int64_t i = 0; i < d; i++)
                x[t * d + i] *= scale;
    }
}

/* What divides the frequencies, or NULL: one table, or LongRoPE's two, of which the length of the context decides. */
static const float *rope_factors(const struct engine *g)
{
    bool is_long = g->o.n_ctx > g->d->rope_n_ctx_short;
    const struct linear *l = part(g, USE_ROPE_FREQS, -1);
    if (!l)
        l = part(g, is_long ? USE_ROPE_LONG : USE_ROPE_SHORT, -1);
    return l ? l->vector : NULL;
}

/* gain * cos and sin of pos * scale * base^(-2i/rope_dim) / factor_i of positions [pos0, pos0 + n), kept until other
 * ones are asked. */
static struct rope rope_for(struct engine *g, bool local, int n_head, int pos0, int n)
{
    const struct model_desc *d = g->d;
    int64_t half = d->rope_dim / 2;
    float *cs = engine_f32(g, BUF_ROPE) + (local ? 2 : 0) * g->o.n_batch * half, *sn = cs + g->o.n_batch * half;
    const float *factors = rope_factors(g);
    if (g->rope_pos0[local] != pos0 || g->rope_n[local] < n) {
        double base = local ? d->rope_base_local : d->rope_base, scale = local ? 1.0 : 1.0 / d->rope_scale;
        double gain = d->rope_gain > 0 ? d->rope_gain : 1.0;
        for (int64_t i = 0; i < half; i++) {
            double freq = scale * pow(base, -2.0 * (double)i / d->rope_dim);
            if (factors)
                freq /= (double)factors[i];
            for (int t = 0; t < n; t++) {
                cs[t * half + i] = (float)(gain * cos((pos0 + t) * freq));
                sn[t * half + i] = (float)(gain * sin((pos0 + t) * freq));
            }
        }
        g->rope_pos0[local] = pos0;
        g->rope_n[local] = n;
    }
    return (struct rope){.cos = cs,
                         .sin = sn,
                         .n_head = n_head,
                         .head_dim = d->head_dim,
                         .rope_dim = d->rope_dim,
                         .neox = d->arch->rope_neox};
}

static const float *scales_of(const struct engine *g, const struct kv_side *side, bool is_v, int layer)
{
    const int64_t n = (int64_t)g->d->n_head_kv * g->d->head_dim;
    return side->format->scale ? engine_f32(g, BUF_SCALES) + (2 * layer + is_v) * n : NULL;
}

static void kv_of(struct kv_layer *kv, const struct engine *g, int layer)
{
    *kv = (struct kv_layer){
        .n_head_kv = g->d->n_head_kv, .head_dim = g->d->head_dim, .n_ctx = g->o.n_ctx, .arena = g->arena};
    kv_part_init(&kv->k, &g->k, (uint8_t *)g->buf[BUF_K] + (size_t)layer * kv_side_bytes(&g->k),
                 scales_of(g, &g->k, false, layer));
    kv_part_init(&kv->v, &g->v, (uint8_t *)g->buf[BUF_V] + (size_t)layer * kv_side_bytes(&g->v),
                 scales_of(g, &g->v, true, layer));
}

struct projection { /* y = input W^T (+ bias, where that is another use) */
    float *y;
    enum tensor_use w, bias;
};

static void project_all(struct engine *g, const struct projection *p, int n_out, int layer, int n)
{
    struct linear_out out[LINEAR_MOST_PARTS];
    for (int i = 0; i < n_out; i++) {
        const struct linear *l = part(g, p[i].w, layer);
        out[i] = (struct linear_out){l, p[i].y, l->w->n};
    }
    linear_run(g, out, n_out);
    for (int i = 0; i < n_out; i++) {
        const struct linear *b = p[i].w == p[i].bias ? NULL : part(g, p[i].bias, layer);
        if (b)
            g->ops->add_row(&g->backend, p[i].y, b->vector, n, out[i].ldy);
    }
}

static void project(struct engine *g, float *y, enum tensor_use w, int layer, int n)
{
    project_all(g, &(struct projection){y, w, w}, 1, layer, n);
}

static void normalize(struct engine *g, float *y, const float *x, enum tensor_use use, int layer, int64_t n, int64_t d)
{
    g->ops->norm(&g->backend, y, x, part(g, use, layer)->vector, n, d, (float)g->d->norm_eps);
}

/* a | b side by side in ab[n][d_a + d_b]: the a's close up in place, the b's go to b. */
static void split_columns(float *ab, float *b, int64_t n, int64_t d_a, int64_t d_b)
{
    for (int64_t i = 0; i < n; i++) {
        const float *row = ab + i * (d_a + d_b);
        memcpy(b + i * d_b, row + d_a, (size_t)d_b * sizeof *b);
        memmove(ab + i * d_a, row, (size_t)d_a * sizeof *b);
    }
}

static void project_qkv(struct engine *g, float *q, float *k, float *v, int layer, int n)
{
    const struct model_desc *d = g->d;
    int64_t d_q = (int64_t)d->n_head * d->head_dim, d_kv = (int64_t)d->n_head_kv * d->head_dim;
    if (d->arch->fused) {
        project(g, q, USE_ATTN_QKV, layer, n);
        split_columns(q, v, n, d_q + d_kv, d_kv);
        split_columns(q, k, n, d_q, d_kv);
        return;
    }
    const struct projection qkv[] = {
        {q, USE_ATTN_Q, USE_ATTN_Q_BIAS}, {k, USE_ATTN_K, USE_ATTN_K_BIAS}, {v, USE_ATTN_V, USE_ATTN_V_BIAS}};
    project_all(g, qkv, 3, layer, n);
}

/* Stores K and V and attends; a cache whose newest positions are exact takes a window of them after the other. */
static void attend_in_pieces(struct engine *g, int layer, float *q, float *k, float *v, float *att, int pos0, int n)
{
    const struct model_desc *d = g->d;
    const int64_t d_q = (int64_t)d->n_head * d->head_dim, d_kv = (int64_t)d->n_head_kv * d->head_dim;
    struct kv_layer kv;
    kv_of(&kv, g, layer);
    for (int t = 0, m; t < n; t += m) {
        m = kv_piece(&g->k, &g->v, pos0 + t, n - t);
        g->ops->store_kv(g->o.pool, &kv, k + t * d_kv, v + t * d_kv, pos0 + t, m);
        struct attention a = {.kv = &kv,
                              .q = q + t * d_q,
                              .out = att + t * d_q,
                              .n_head = d->n_head,
                              .pos0 = pos0 + t,
                              .n = m,
                              .window = model_layer_is_local(d, layer) ? d->sliding_window : 0,
                              .scale = (float)d->attn_scale,
                              .as_runtime = g->o.mode != ENGINE_PACKED,
                              .gemm = g->gemm,
                              .rows = g->backend.rows,
                              .scratch = engine_f32(g, BUF_ATT_SCRATCH)};
        g->ops->attention(g->o.pool, &a);
    }
}

/* h = attention of the normed stream: projections, rotation, cache, softmax(q k) v, output projection. */
static void attention_block(struct engine *g, int layer, float *h, int pos0, int n)
{
    const struct model_desc *d = g->d;
    bool local = model_layer_is_local(d, layer);
    float *q = engine_f32(g, BUF_Q), *k = engine_f32(g, BUF_NEW_K), *v = engine_f32(g, BUF_NEW_V);
    float *att = engine_f32(g, BUF_ATT);

    linear_input(g, h, d->d_model, n);
    project_qkv(g, q, k, v, layer, n);
    if (d->arch->qk_norm) {
        normalize(g, q, q, USE_ATTN_Q_NORM, layer, (int64_t)n * d->n_head, d->head_dim);
        normalize(g, k, k, USE_ATTN_K_NORM, layer, (int64_t)n * d->n_head_kv, d->head_dim);
    }
    struct rope rope = rope_for(g, local && d->arch->swa_global_every, d->n_head, pos0, n);
    g->ops->rope(&g->backend, q, n, &rope);
    rope.n_head = d->n_head_kv;
    g->ops->rope(&g->backend, k, n, &rope);

    if (g->o.on_kv)
        g->o.on_kv(g->o.on_kv_arg, layer, k, v, n);
    attend_in_pieces(g, layer, q, k, v, att, pos0, n);
    if (d->arch->sub_norms)
        normalize(g, att, att, USE_ATTN_SUB_NORM, layer, n, (int64_t)d->n_head * d->head_dim);

    linear_input(g, att, (int64_t)d->n_head * d->head_dim, n);
    project(g, h, USE_ATTN_OUT, layer, n);
}

/* h = down(act(gate(h)) * up(h)) */
static void feed_forward_block(struct engine *g, int layer, float *h, int n)
{
    bool fused = g->d->arch->fused; /* gate | up: BUF_UP has room for both */
    float *gate = engine_f32(g, fused ? BUF_UP : BUF_GATE), *up = engine_f32(g, fused ? BUF_GATE : BUF_UP);
    linear_input(g, h, g->d->d_model, n);
    if (fused) {
        project(g, gate, USE_FFN_UP, layer, n);
        split_columns(gate, up, n, g->d->d_ff, g->d->d_ff);
    } else {
        project_all(g, (struct projection[]){{gate, USE_FFN_GATE, USE_FFN_GATE}, {up, USE_FFN_UP, USE_FFN_UP}}, 2,
                    layer, n);
    }
    g->ops->gate(&g->backend, gate, up, n, g->d->d_ff, g->d->arch->gate);
    if (g->d->arch->sub_norms)
        normalize(g, gate, gate, USE_FFN_SUB_NORM, layer, n, g->d->d_ff);
    linear_input(g, gate, g->d->d_ff, n);
    project(g, h, USE_FFN_DOWN, layer, n);
}

void engine_layer(struct engine *g, int layer, float *x, int pos0, int n)
{
    int64_t d = g->d->d_model;
    float *h = engine_f32(g, BUF_H);
    bool post = g->d->arch->post_norms;

    normalize(g, h, x, USE_ATTN_NORM, layer, n, d);
    attention_block(g, layer, h, pos0, n);
    if (post)
        normalize(g, h, h, USE_ATTN_POST_NORM, layer, n, d);
    g->ops->add(&g->backend, x, h, n, d);

    normalize(g, h, x, USE_FFN_NORM, layer, n, d);
    feed_forward_block(g, layer, h, n);
    if (post)
        normalize(g, h, h, USE_FFN_POST_NORM, layer, n, d);
    g->ops->add(&g->backend, x, h, n, d);
}

void engine_head(struct engine *g, const float *x, int n, float *logits)
{
    const struct linear *head =
        g->weights->has_head ? &g->linear[g->d->n_tensors] : part(g, g->d->tied ? USE_TOKEN_EMBD : USE_OUTPUT, -1);
    int64_t d = g->d->d_model, n_vocab = g->d->n_vocab;
    float *h = engine_f32(g, BUF_H), cap = (float)g->d->logit_softcap;
    for (int i0 = 0; i0 < n; i0 += g->o.n_batch) {
        int m = n - i0 < g->o.n_batch ? n - i0 : g->o.n_batch;
        float *y = logits + i0 * n_vocab;
        normalize(g, h, x + i0 * d, USE_OUTPUT_NORM, -1, m, d);
        linear_input(g, h, d, m);
        linear_run(g, &(struct linear_out){head, y, n_vocab}, 1);
        for (int64_t i = 0; cap > 0 && i < m * n_vocab; i++)
            y[i] = cap * tanhf(y[i] / cap);
    }
}

int engine_forward(struct engine *g, const int32_t *tokens, int n, struct err *e)
{
    if (n < 1 || n > g->o.n_batch)
        return err_set(e, ERR_USAGE, "%d tokens in one call: this engine takes 1 to %d", n, g->o.n_batch);
    if (n > g->o.n_ctx - g->n_past)
        return err_set(e, ERR_LIMIT, "the context of %d positions is full: %d are used and %d more were given",
                       g->o.n_ctx, g->n_past, n);
    for (int i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= g->d->n_vocab)
            return err_set(e, ERR_USAGE, "token id %d is outside the vocabulary of %d", (int)tokens[i], g->d->n_vocab);

    float *x = engine_f32(g, BUF_X);
    pool_use(g->o.pool, n == 1 ? g->o.decode_threads : g->o.prefill_threads);
    engine_embed(g, tokens, n, x);
    for (int l = 0; l < g->d->n_layer; l++)
        engine_layer(g, l, x, g->n_past, n);
    pool_use(g->o.pool, 0);
    g->n_past += n;
    g->n_last = n;
    return 0;
}

int engine_logits(struct engine *g, int i0, int n, float *logits, struct err *e)
{
    if (i0 < 0 || n < 1 || n > g->n_last - i0)
        return err_set(e, ERR_USAGE, "logits of tokens %d to %d were asked for; the last call ran %d", i0, i0 + n,
                       g->n_last);
    pool_use(g->o.pool, n == 1 ? g->o.decode_threads : g->o.prefill_threads);
    engine_head(g, engine_f32(g, BUF_X) + (int64_t)i0 * g->d->d_model, n, logits);
    pool_use(g->o.pool, 0);
    return 0;
}
