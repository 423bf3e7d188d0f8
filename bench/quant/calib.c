/* Collecting activation statistics through the engine's hook (calib.h). Sums are f64 and in row order, so that they
 * do not depend on the number of threads. */
#include "bench/quant/calib.h"
#include "bench/quant/factors.h"
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/engine.h"
#include "kernels/kernels.h"

static void add_squares(struct calibration *c, struct calib_input *in, const float *x, int n)
{
    (void)c;
    double *sum = in->squares;
    for (int i = 0; i < n; i++, x += in->k)
        for (int64_t j = 0; j < in->k; j++)
            sum[j] += (double)x[j] * (double)x[j];
}

static int take_squares(struct calib_input *in, struct arena *a)
{
    in->squares = arena_alloc_n(a, (size_t)in->k, sizeof *in->squares);
    in->stat.importance = arena_alloc_n(a, (size_t)in->k, sizeof *in->stat.importance);
    return in->squares && in->stat.importance ? 0 : ERR_NOMEM;
}

static void finish_squares(struct calib_input *in)
{
    float *mean = (float *)(uintptr_t)in->stat.importance;
    for (int64_t j = 0; j < in->k; j++)
        mean[j] = (float)(in->squares[j] / (double)in->n_rows);
}

static void add_magnitude(struct calibration *c, struct calib_input *in, const float *x, int n)
{
    (void)c;
    for (int i = 0; i < n; i++, x += in->k)
        for (int64_t j = 0; j < in->k; j++)
            in->magnitude[j] += fabs((double)x[j]);
}

static int take_magnitude(struct calib_input *in, struct arena *a)
{
    in->magnitude = arena_alloc_n(a, (size_t)in->k, sizeof *in->magnitude);
    in->stat.magnitude = arena_alloc_n(a, (size_t)in->k, sizeof *in->stat.magnitude);
    return in->magnitude && in->stat.magnitude ? 0 : ERR_NOMEM;
}

static void finish_magnitude(struct calib_input *in)
{
    float *mean = (float *)(uintptr_t)in->stat.magnitude;
    for (int64_t j = 0; j < in->k; j++)
        mean[j] = (float)(in->magnitude[j] / (double)in->n_rows);
}

/* ---- X^T X, chunk by chunk through the f32 GEMM; the half on and above the diagonal ---- */

enum { GRAM_ROWS = 96, GRAM_TILE = 16 };
struct gram_work {
    const struct kernel *gemm;
    struct pool *pool;
    float *xt;          /* [k][n] the chunk, transposed */
    float *y;           /* [threads][GRAM_ROWS][k] */
    struct calib_input *in;
    const float *x;
    int64_t n;
};

static void turn_columns(void *arg, int64_t j0, int64_t j1, int i_thread)
{
    const struct gram_work *g = arg;
    int64_t k = g->in->k, n = g->n;
    (void)i_thread;
    for (int64_t i0 = 0; i0 < n; i0 += GRAM_TILE)
        for (int64_t j = j0; j < j1; j++)
            for (int64_t i = i0; i < n && i < i0 + GRAM_TILE; i++)
                g->xt[j * n + i] = g->x[i * k + j];
}

static void gram_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct gram_work *g = arg;
    int64_t k = g->in->k, n = g->n, width = k - r0;
    float *y = g->y + i_thread * GRAM_ROWS * k, *sum = g->in->gram + r0 * k + r0;
    g->gemm->gemm_f32(y, width, g->xt + r0 * n, n, g->xt + r0 * n, n, r1 - r0, width, n);
    for (int64_t i = 0; i < r1 - r0; i++)
        for (int64_t j = 0; j < width; j++)
            sum[i * k + j] += y[i * width + j];
}

static void add_gram(struct calibration *c, struct calib_input *in, const float *x, int n)
{
    struct gram_work *g = c->gram;
    g->in = in;
    g->x = x;
    g->n = n;
    pool_for(g->pool, in->k, GRAM_TILE, turn_columns, g);
    pool_for(g->pool, in->k, GRAM_ROWS, gram_rows, g);
}

static int take_gram(struct calib_input *in, struct arena *a)
{
    size_t bytes;
    if (!mem_mul((size_t)in->k, (size_t)in->k * sizeof *in->gram, &bytes))
        return ERR_NOMEM;
    in->gram = arena_alloc(a, bytes);
    in->stat.gram = in->gram;
    return in->gram ? 0 : ERR_NOMEM;
}

static void finish_gram(struct calib_input *in)
{
    for (int64_t i = 0; i < in->k; i++)
        for (int64_t j = i; j < in->k; j++)
            in->gram[i * in->k + j] = in->gram[j * in->k + i] =
                (float)((double)in->gram[i * in->k + j] / (double)in->n_rows);
}

static int gram_start(struct calibration *c, int n_rows, uint64_t isa, struct pool *pool, struct err *e)
{
    int64_t k = 0;
    for (int i = 0; i < c->n_inputs; i++)
        k = c->input[i].k > k ? c->input[i].k : k;
    struct gram_work *g = c->gram = arena_alloc(c->arena, sizeof *g);
    if (g) {
        *g = (struct gram_work){.gemm = kernel_find(OP_GEMM_F32, NULL, NULL, isa), .pool = pool};
        g->xt = arena_alloc_n(c->arena, (size_t)k, (size_t)n_rows * sizeof *g->xt);
        g->y = arena_alloc_n(c->arena, (size_t)k, (size_t)pool_n_threads(pool) * GRAM_ROWS * sizeof *g->y);
    }
    return g && g->xt && g->y ? 0 : err_nomem(e, (size_t)k * (size_t)n_rows * sizeof *g->xt, "activation statistics");
}

/* ---- what NNCF asks of a chunk: means per column, how columns vary over its tokens ---- */

/* The number of chunks is known only here. */
static int samples_start(struct calibration *c, struct err *e)
{
    for (int i = 0; i < c->n_inputs; i++) {
        struct calib_input *in = &c->input[i];
        size_t count;
        in->sample = mem_mul((size_t)c->n_chunks, (size_t)in->k, &count)
                         ? arena_alloc_n(c->arena, count, sizeof *in->sample)
                         : NULL;
        if (!in->sample)
            return err_nomem(e, (size_t)c->n_chunks * (size_t)in->k * sizeof *in->sample, "activation statistics");
        in->stat.sample = in->sample;
    }
    return 0;
}

static void add_samples(struct calibration *c, struct calib_input *in, const float *x, int n)
{
    struct calib_spread *s = &in->spread;
    double most = 0, variances = 0, magnitudes = 0, power = 0;
    (void)c;
    for (int64_t j = 0; j < in->k; j++) {
        double sum = 0, squares = 0, variance = 0;
        float peak = 0;
        for (int i = 0; i < n; i++) {
            float v = x[i * in->k + j];
            sum += (double)v;
            squares += (double)v * (double)v;
            peak = fabsf(v) > peak ? fabsf(v) : peak;
        }
        for (int i = 0; i < n; i++) {
            double d = (double)x[i * in->k + j] - sum / n;
            variance += d * d;
        }
        in->sample[(int64_t)in->stat.n_samples * in->k + j] = (float)(sum / n);
        most = variance / n > most ? variance / n : most;
        variances += variance / n;
        magnitudes += (double)peak;
        power += squares;
    }
    s->max_variance += most;
    s->mean_variance += variances / (double)in->k;
    s->magnitude += magnitudes / (double)in->k;
    s->power += power / (double)n / (double)in->k;
    in->stat.n_samples++;
}

static void finish_samples(struct calib_input *in)
{
    struct calib_spread *s = &in->spread;
    int n = in->stat.n_samples > 0 ? in->stat.n_samples : 1;
    *s = (struct calib_spread){s->max_variance / n, s->mean_variance / n, s->magnitude / n, s->power / n};
}

/* ---- what fixed grids of activations are found from ---- */

static int edges_start(struct calibration *c, struct err *e)
{
    for (int i = 0; i < c->n_inputs; i++) {
        struct calib_input *in = &c->input[i];
        size_t count;
        bool fits = mem_mul((size_t)c->n_chunks, (size_t)in->k, &count);
        in->lo = fits ? arena_alloc_n(c->arena, count, sizeof *in->lo) : NULL;
        in->hi = fits ? arena_alloc_n(c->arena, count, sizeof *in->hi) : NULL;
        if (!in->lo || !in->hi)
            return err_nomem(e, 2 * (size_t)c->n_chunks * (size_t)in->k * sizeof *in->lo, "activation statistics");
    }
    return 0;
}

static void add_edges(struct calibration *c, struct calib_input *in, const float *x, int n)
{
    float *lo = in->lo + (int64_t)in->n_edges * in->k, *hi = in->hi + (int64_t)in->n_edges * in->k;
    (void)c;
    memcpy(lo, x, (size_t)in->k * sizeof *lo);
    memcpy(hi, x, (size_t)in->k * sizeof *hi);
    for (int i = 1; i < n; i++)
        for (int64_t j = 0; j < in->k; j++) {
            float v = x[i * in->k + j];
            lo[j] = v < lo[j] ? v : lo[j];
            hi[j] = v > hi[j] ? v : hi[j];
        }
    in->n_edges++;
}

/* A histogram without memory is one that holds nothing: who needs it says so. */
static void add_histogram(struct calibration *c, struct calib_input *in, const float *x, int n)
{
    if (histogram_add_values(&in->values, x, n * in->k, c->arena) < 0 ||
        histogram_add_magnitudes(&in->magnitudes, x, n * in->k, c->arena) < 0)
        in->values.ragged = in->magnitudes.ragged = true;
}

static int take_later(struct calib_input *in, struct arena *a)
{
    (void)in, (void)a;
    return 0;
}

static void finish_nothing(struct calib_input *in)
{
    (void)in;
}

static const struct stat_rule {
    enum calib_stat bit;
    int (*take)(struct calib_input *in, struct arena *a);       /* memory */
    void (*add)(struct calibration *c, struct calib_input *in, const float *x, int n); /* rows x[n][k] */
    void (*finish)(struct calib_input *in);                     /* sums into what encoders get; n_rows > 0 */
    bool whole;                                                 /* looks at all rows of a chunk together */
} stats[] = {
    {CALIB_SQUARES, take_squares, add_squares, finish_squares, .whole = false},
    {CALIB_MAGNITUDE, take_magnitude, add_magnitude, finish_magnitude, .whole = false},
    {CALIB_GRAM, take_gram, add_gram, finish_gram, .whole = false},
    {CALIB_SAMPLES, take_later, add_samples, finish_samples, .whole = true},
    {CALIB_EDGES, take_later, add_edges, finish_nothing, .whole = true},
    {CALIB_HISTOGRAM, take_later, add_histogram, finish_nothing, .whole = true},
};
enum { N_STATS = sizeof stats / sizeof *stats };

/* The matrix that is multiplied first with the same input; itself where it shares with none. */
static enum tensor_use first_of(enum tensor_use use)
{
    switch (use) {
    case USE_ATTN_K:
    case USE_ATTN_V:
        return USE_ATTN_Q;
    case USE_FFN_UP:
        return USE_FFN_GATE;
    default:
        return use;
    }
}

static int find_input(const struct calibration *c, const struct model_tensor *t)
{
    for (int i = c->n_inputs - 1; i >= 0; i--) {
        const struct model_tensor *first = &c->d->tensor[c->input[i].first_reader];
        if (first->layer == t->layer && first->src.k == t->src.k && first_of(first->use) == first_of(t->use))
            return i;
    }
    return -1;
}

static int take_memory(struct calibration *c, unsigned want)
{
    for (int i = 0; i < c->n_inputs; i++)
        for (int s = 0; s < N_STATS; s++)
            if ((want & stats[s].bit) && stats[s].take(&c->input[i], c->arena) < 0)
                return ERR_NOMEM;
    return 0;
}

int calibration_new(struct calibration **out, const struct model_desc *d, unsigned want, bool shared, struct err *e)
{
    *out = NULL;
    struct arena *a = arena_new();
    struct calibration *c = a ? arena_alloc(a, sizeof *c) : NULL;
    size_t n = (size_t)d->n_tensors;
    if (c) {
        *c = (struct calibration){.d = d, .have = want, .arena = a, .kept = arena_alloc(a, sizeof *c->kept)};
        c->input = arena_alloc_n(a, n, sizeof *c->input);
        c->input_of = arena_alloc_n(a, n, sizeof *c->input_of);
        c->tensor = arena_alloc_n(a, n, sizeof *c->tensor);
    }
    bool there = c && c->kept && c->input && c->input_of && c->tensor;
    for (int i = 0; there && i < d->n_tensors; i++) {
        const struct model_tensor *t = &d->tensor[i];
        c->input_of[i] = -1;
        if (!t->matrix)
            continue;
        int at = shared ? find_input(c, t) : -1;
        if (at < 0) {
            at = c->n_inputs++;
            c->input[at] = (struct calib_input){.first_reader = i, .k = t->src.k};
        }
        c->input_of[i] = at;
    }
    if (!there || take_memory(c, want) < 0) {
        arena_free(a);
        return err_nomem(e, n * (size_t)d->d_model * sizeof(double), "activation statistics");
    }
    *out = c;
    return 0;
}

/* A hash over the hashes of each, so that no memory is needed. */
static void hash_importances(struct calibration *c)
{
    char both[129] = {0};
    for (int i = 0; i < c->d->n_tensors; i++) {
        if (!c->tensor[i] || !c->tensor[i]->importance)
            continue;
        sha256_hex(c->tensor[i]->importance, (size_t)c->d->tensor[i].src.k * sizeof(float), both + 64);
        sha256_hex(both, sizeof both - 1, c->sha256);
        memcpy(both, c->sha256, 64);
    }
}

void calibration_finish(struct calibration *c)
{
    for (int i = 0; i < c->n_inputs; i++)
        for (int s = 0; s < N_STATS; s++)
            if ((c->have & stats[s].bit) && c->input[i].n_rows > 0)
                stats[s].finish(&c->input[i]);
    for (int i = 0; i < c->d->n_tensors; i++) {
        const struct calib_input *in = c->input_of[i] >= 0 ? &c->input[c->input_of[i]] : NULL;
        c->tensor[i] = in && in->n_rows > 0 ? &in->stat : NULL;
    }
    hash_importances(c);
}

/* Of the head: its inputs come in pieces, behind those of all other matrices. */
static void hold(struct calibration *c, struct calib_input *in, const float *x, int n)
{
    c->held.in = in;
    memcpy(c->held.x + c->held.n * in->k, x, (size_t)n * (size_t)in->k * sizeof *x);
    c->held.n += n;
}

static void see_input(void *arg, const struct model_tensor *t, const float *x, int n)
{
    struct calibration *c = arg;
    int i = (int)(t - c->d->tensor);
    struct calib_input *in = &c->input[c->input_of[i]];
    bool head = t->use == USE_TOKEN_EMBD || t->use == USE_OUTPUT;
    if (in->first_reader != i)
        return;
    if (head)
        hold(c, in, x, n);
    if (head && !c->head)
        return;
    for (int s = 0; s < N_STATS; s++)
        if ((c->have & stats[s].bit) && !(head && stats[s].whole))
            stats[s].add(c, in, x, n);
    in->n_rows += n;
}

enum { HEAD_ROWS = 32 }; /* logits are long */

/* The head sees its input when logits are asked for. */
static int run_head(struct calibration *c, struct engine *g, int n, float *logits, struct err *e)
{
    int rc = 0;
    c->held.n = 0;
    for (int i = 0; i < n && rc == 0; i += HEAD_ROWS)
        rc = engine_logits(g, i, n - i < HEAD_ROWS ? n - i : HEAD_ROWS, logits, e);
    for (int s = 0; s < N_STATS && rc == 0; s++)
        if ((c->have & stats[s].bit) && stats[s].whole && c->held.n)
            stats[s].add(c, c->held.in, c->held.x, c->held.n);
    return rc;
}

static int run_chunk(struct calibration *c, struct engine *g, const struct calib_text *t, int chunk, int32_t *ids,
                     float *logits, struct err *e)
{
    if (interrupt_seen())
        return err_set(e, ERR_CANCELLED, "interrupted after %d chunks of the calibration text", chunk);
    memcpy(ids, t->tokens + (int64_t)chunk * t->n_ctx, (size_t)t->n_ctx * sizeof *ids);
    if (t->bos >= 0)
        ids[0] = t->bos;
    engine_reset(g);
    int rc = engine_forward(g, ids, t->n_ctx, e);
    return rc == 0 && logits ? run_head(c, g, t->n_ctx, logits, e) : rc;
}

static int run_text(struct calibration *c, struct engine *g, const struct calib_text *t, struct err *e)
{
    int n = c->n_chunks, rc = 0;
    int32_t *ids = arena_alloc_n(c->arena, (size_t)t->n_ctx, sizeof *ids);
    bool head = t->head || (c->have & (CALIB_EDGES | CALIB_HISTOGRAM));
    float *logits = head ? arena_alloc_n(c->arena, (size_t)c->d->n_vocab, HEAD_ROWS * sizeof *logits) : NULL;
    c->held.x = head ? arena_alloc_n(c->arena, (size_t)t->n_ctx, (size_t)c->d->d_model * sizeof *c->held.x) : NULL;
    if (!ids || (head && (!logits || !c->held.x)))
        return err_nomem(e, (size_t)c->d->n_vocab * HEAD_ROWS * sizeof *logits, "the calibration");
    for (int i = 0; i < n && rc == 0; i++) {
        rc = run_chunk(c, g, t, i, ids, logits, e);
        if (rc == 0 && t->on_chunk)
            t->on_chunk(t->arg, i + 1, n);
    }
    return rc;
}

int calibration_collect(struct calibration **out, const struct weights *w, unsigned want, const struct calib_text *text,
                        uint64_t isa, struct pool *pool, struct err *e)
{
    struct calibration *c;
    struct engine *g = NULL;
    *out = NULL;
    int64_t n = text->n_ctx > 0 ? text->n_tokens / text->n_ctx : 0;
    if (n < 1)
        return err_set(e, ERR_USAGE, "the calibration text has %lld tokens: one chunk takes %d; give a longer text",
                       (long long)text->n_tokens, text->n_ctx);
    int rc = calibration_new(&c, &w->model->d, want, true, e);
    if (rc < 0)
        return rc;
    c->n_chunks = text->n_chunks > 0 && text->n_chunks < n ? text->n_chunks : n < INT32_MAX ? (int)n : INT32_MAX;
    c->chunk_size = text->n_ctx;
    c->head = text->head;
    c->isa = isa;
    struct engine_opts o = {.mode = ENGINE_REFERENCE,
                            .n_ctx = text->n_ctx,
                            .n_batch = text->n_ctx,
                            .kv = KV_BOTH(F32), /* statistics of the model itself */
                            .isa = isa,
                            .pool = pool,
                            .on_input = see_input,
                            .on_input_arg = c};
    if (want & CALIB_GRAM)
        rc = gram_start(c, text->n_ctx, isa, pool, e);
    if (rc == 0 && (want & CALIB_SAMPLES))
        rc = samples_start(c, e);
    if (rc == 0 && (want & CALIB_EDGES))
        rc = edges_start(c, e);
    if (rc == 0)
        rc = engine_new(&g, w, &o, e);
    if (rc == 0)
        rc = run_text(c, g, text, e);
    engine_free(g);
    if (rc < 0) {
        calibration_free(c);
        return rc;
    }
    calibration_finish(c);
    *out = c;
    return 0;
}

void calibration_free(struct calibration *c)
{
    if (c)
        arena_free(c->arena);
}
