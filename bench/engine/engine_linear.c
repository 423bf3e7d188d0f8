/* Linear layers. The input is rounded (reference) or encoded (packed) once per activation rule and shared by
 * all the matrices that read it, Q, K and V for one. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/engine/engine_state.h"

/* No rule stores a value in more than 4 bytes, f32; block rules add at most one block of padding. */
static size_t encoded_row_bytes(int64_t k)
{
    return ((size_t)k * 4 + 1024 + 63) / 64 * 64;
}

/* The rows; behind them what is being encoded, where values are wanted: one row per thread. */
size_t linear_input_bytes(int64_t k, const struct engine_opts *o)
{
    return encoded_row_bytes(k) * (size_t)(o->n_batch + pool_n_threads(o->pool));
}

/* Does it read the values that its rule comes to? Else rows as the rule encodes them. */
static bool reads_values(const struct linear *l)
{
    return !l->matmul || kernel_reads_values(l->matmul, l->act);
}

/* The most that any kernel of this mask may ask for: the weights are not known yet when memory is planned. */
size_t linear_scratch_bytes(const struct model_desc *d, const struct engine_opts *o)
{
    int n_threads = pool_n_threads(o->pool);
    int64_t k = d->d_model > d->d_ff ? d->d_model : d->d_ff, d_q = (int64_t)d->n_head * d->head_dim;
    k = k > d_q ? k : d_q;
    size_t most = o->mode == ENGINE_PACKED ? 0 : linear_gemm_f32_scratch(n_threads, k) * sizeof(float);
    for (int i = 0; i < n_kernels && o->mode != ENGINE_REFERENCE; i++) {
        if (kernels[i].op != OP_MATMUL || (kernels[i].needs & ~o->isa))
            continue;
        size_t bytes = linear_matmul_scratch(n_threads, &kernels[i], k);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void note_kernel(struct engine *g, const struct kernel *k)
{
    size_t used = strlen(g->kernels), n = strlen(k->name);
    for (const char *p = strstr(g->kernels, k->name); p; p = strstr(p + 1, k->name))
        if ((p == g->kernels || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
            return;
    snprintf(g->kernels + used, sizeof g->kernels - used, "%s%s", used ? " " : "", k->name);
}

static void take_packed(struct engine *g, struct linear *l, const struct kernel *matvec, const struct kernel *matmul)
{
    l->matvec = matvec;
    l->matmul = matmul;
    if (!l->act)
        l->act = act_find("f32");
    note_kernel(g, l->matvec);
    note_kernel(g, l->matmul);
}

static int setup_packed(struct engine *g, struct linear *l, const char *name, struct err *e)
{
    const struct act *act = l->act ? l->act : act_find("f32");
    const struct kernel *matvec = kernel_find_for(OP_MATVEC, l->w, act, g->o.isa),
                        *matmul = kernel_find_for(OP_MATMUL, l->w, act, g->o.isa);
    bool whole = l->act && l->act->scope >= ACT_BATCH && !(matvec && matmul && matvec->takes && matmul->takes);
    if (g->o.mode == ENGINE_QUALITY) {
        if (l->act && !whole && matvec && matmul && kernel_is_packed(matvec) && kernel_is_packed(matmul))
            take_packed(g, l, matvec, matmul);
        return 0;
    }
    if (!matvec || !matmul || whole)
        return err_set(e, ERR_UNSUPPORTED,
                       "no packed kernel multiplies %s weights (%s) with %s activations: only the "
                       "reference mode does",
                       l->w->codec->name, name, act->name);
    take_packed(g, l, matvec, matmul);
    return 0;
}

static int setup_matrix(struct engine *g, struct linear *l, const char *name, const struct act *act, struct err *e)
{
    const struct qmat *w = l->w;
    l->act = act && strcmp(act->name, "f32") != 0 ? act : NULL;
    int rc = g->o.mode == ENGINE_REFERENCE ? 0 : setup_packed(g, l, name, e);
    if (rc || !l->act)
        return rc;
    if (l->act->scope == ACT_FIXED && !(l->fixed->scale > 0))
        return err_set(e, ERR_USAGE, "tensor %s: nothing has settled the range of its input (%s)", name, l->act->name);
    l->encode = kernel_encoder(l->act, g->o.isa);
    if ((!l->act->ragged && w->k % l->act->block != 0) || act_row_bytes(l->act, w->k) > encoded_row_bytes(w->k))
        return err_set(e, ERR_UNSUPPORTED, "tensor %s: rows of %lld do not divide into activation blocks of %d (%s)",
                       name, (long long)w->k, l->act->block, l->act->name);
    return 0;
}

static int setup_one(struct engine *g, int i, float **vectors, struct err *e)
{
    const struct model_tensor *t = &g->d->tensor[i];
    struct linear *l = &g->linear[i];
    const struct qmat *w = &g->weights->mat[i];
    if (!w->plane[PLANE_CODE].p)
        return err_set(e, ERR_USAGE, "tensor %s has no data: this is a header or a bare shape", t->name);
    l->w = w;
    l->fixed = &g->weights->fixed[i];
    if (!t->matrix) {
        l->vector = *vectors;
        *vectors += w->k;
        w->codec->decode(l->vector, w, 0, 1);
        return 0;
    }
    l->decode = kernel_find(OP_DECODE, w->codec->name, NULL, g->o.isa);
    if (t->use != USE_TOKEN_EMBD || (g->d->tied && !g->weights->has_head))
        return setup_matrix(g, l, t->name, g->weights->act[i], e);
    if (!g->weights->has_head)
        return 0;
    struct linear *head = &g->linear[g->d->n_tensors];
    head->w = &g->weights->head;
    head->fixed = &g->weights->fixed[i];
    head->decode = kernel_find(OP_DECODE, head->w->codec->name, NULL, g->o.isa);
    return setup_matrix(g, head, t->name, g->weights->act[i], e);
}

/* Ternary matrices may have their scale in a tensor of its own. */
static void setup_scale(struct engine *g, enum tensor_use matrix, enum tensor_use scale)
{
    for (int l = 0; l < g->d->n_layer; l++) {
        const struct model_tensor *t = model_tensor(g->model, matrix, l), *s = model_tensor(g->model, scale, l);
        if (t && s)
            g->linear[t - g->d->tensor].scale = g->linear[s - g->d->tensor].vector[0];
    }
}

int linear_setup(struct engine *g, struct err *e)
{
    static const enum tensor_use scaled[][2] = {{USE_ATTN_Q, USE_ATTN_Q_SCALE},     {USE_ATTN_K, USE_ATTN_K_SCALE},
                                                {USE_ATTN_V, USE_ATTN_V_SCALE},     {USE_ATTN_OUT, USE_ATTN_OUT_SCALE},
                                                {USE_FFN_GATE, USE_FFN_GATE_SCALE}, {USE_FFN_UP, USE_FFN_UP_SCALE},
                                                {USE_FFN_DOWN, USE_FFN_DOWN_SCALE}};
    float *vectors = g->buf[BUF_VECTORS];
    for (int i = 0; i < g->d->n_tensors; i++) {
        int rc = setup_one(g, i, &vectors, e);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < sizeof scaled / sizeof *scaled && g->d->arch->sub_norms; i++)
        setup_scale(g, scaled[i][0], scaled[i][1]);
    return 0;
}

void linear_input(struct engine *g, const float *x, int64_t k, int n)
{
    g->input.x = x;
    g->input.k = k;
    g->input.n = n;
    g->input.in_buffer = NULL;
}

struct encode_job {
    const struct engine *g;
    const struct linear *l;
    struct act_fixed grid; /* of rules that have one for all rows */
};

static uint8_t *input_row(const struct engine *g, int64_t i)
{
    return (uint8_t *)g->buf[BUF_INPUT] + (size_t)i * encoded_row_bytes(g->input.k);
}

/* The encoded row, or the values that the dot product would see, contiguous. */
static void encode_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct encode_job *j = arg;
    const struct engine *g = j->g;
    const struct act *act = j->l->act;
    const bool values = reads_values(j->l);
    int64_t k = g->input.k;
    for (int64_t i = i0; i < i1; i++) {
        const float *x = g->input.x + i * k;
        float *value = (float *)g->buf[BUF_INPUT] + i * k;
        if (act_is_batch(act) && values) {
            act->round_fixed(value, x, k, &j->grid);
        } else if (act_is_batch(act)) {
            act->encode_fixed(g->buf[BUF_INPUT], x, i, i + 1, k, &j->grid);
        } else if (values) {
            uint8_t *row = input_row(g, g->o.n_batch + i_thread);
            j->l->encode(row, x, k);
            act->decode(value, row, k);
        } else {
            j->l->encode(input_row(g, i), x, k);
        }
    }
}

/* Where the rule asks for a grid: is it the same? */
static bool same_grid(const struct act *a, const struct act_fixed *f, const struct act_fixed *g)
{
    return a->scope != ACT_FIXED || (f->scale == g->scale && f->zero == g->zero && f->column == g->column);
}

static bool in_buffer(const struct engine *g, const struct linear *l)
{
    return g->input.in_buffer == l->act && g->input.encoded == !reads_values(l) &&
           same_grid(l->act, &g->input.in_grid, l->fixed);
}

static void encode_input(struct engine *g, const struct linear *l)
{
    if (!l->act || in_buffer(g, l))
        return;
    struct encode_job j = {g, l,
                           l->act->scope == ACT_BATCH
                               ? linear_batch_grid(g->o.pool, l->act, g->input.x, g->input.n * g->input.k)
                               : *l->fixed};
    if (l->act->scope == ACT_COLUMNS)
        l->act->round(g->buf[BUF_INPUT], g->input.x, g->input.n, g->input.k);
    else if (g->input.n == 1)
        encode_rows(&j, 0, 1, 0);
    else
        pool_for(g->o.pool, g->input.n, 4, encode_rows, &j);
    g->input.in_buffer = l->act;
    g->input.encoded = !reads_values(l);
    g->input.in_grid = *l->fixed;
}

static size_t input_stride(const struct engine *g, const struct linear *l)
{
    const size_t k = (size_t)g->input.k;
    return reads_values(l) ? k * sizeof(float) : act_is_batch(l->act) ? k : encoded_row_bytes(g->input.k);
}

/* A head stored apart goes by the name of the embedding it is tied to. */
static const struct model_tensor *tensor_of(const struct engine *g, const struct linear *l)
{
    int64_t i = l - g->linear;
    return &g->d->tensor[i < g->d->n_tensors ? i : g->model->by_use[USE_TOKEN_EMBD]];
}

/* Do they read the same bytes of BUF_INPUT, through packed kernels? */
static bool same_input(const struct linear *a, const struct linear *b)
{
    return a->matmul && b->matmul && a->act == b->act && reads_values(a) == reads_values(b) &&
           same_grid(a->act, a->fixed, b->fixed);
}

static void run_packed(struct engine *g, const struct linear_out *out, int n_out)
{
    struct linear_part part[LINEAR_MOST_PARTS];
    bool one = g->input.n == 1;
    for (int i = 0; i < n_out; i++)
        part[i] = (struct linear_part){one ? out[i].l->matvec : out[i].l->matmul, out[i].l->w, out[i].y, out[i].ldy};
    if (one)
        linear_matvec_parts(g->o.pool, part, n_out, g->buf[BUF_INPUT]);
    else
        linear_matmul_parts(g->o.pool, part, n_out, g->buf[BUF_INPUT], input_stride(g, out->l), g->input.n,
                            g->buf[BUF_LINEAR_SCRATCH]);
}

static void run_reference(struct engine *g, const struct linear_out *out)
{
    const struct linear *l = out->l;
    linear_gemm_f32(g->o.pool, g->gemm, l->decode, out->y, out->ldy, l->act ? g->buf[BUF_INPUT] : g->input.x,
                    g->input.k, l->w, g->input.n, g->buf[BUF_LINEAR_SCRATCH]);
}

static void scale_output(const struct engine *g, const struct linear_out *out)
{
    for (int i = 0; i < g->input.n && out->l->scale != 0; i++)
        for (int64_t j = 0; j < out->l->w->n; j++)
            out->y[i * out->ldy + j] *= out->l->scale;
}

void linear_run(struct engine *g, const struct linear_out *out, int n_out)
{
    for (int i = 0, n; i < n_out; i += n) {
        for (n = 1; n < LINEAR_MOST_PARTS && i + n < n_out && same_input(out[i].l, out[i + n].l);)
            n++;
        for (int k = i; k < i + n && g->o.on_input; k++)
            g->o.on_input(g->o.on_input_arg, tensor_of(g, out[k].l), g->input.x, g->input.n);
        encode_input(g, out[i].l);
        if (out[i].l->matmul)
            run_packed(g, out + i, n);
        else
            run_reference(g, out + i);
        for (int k = i; k < i + n; k++)
            scale_output(g, &out[k]);
    }
}
