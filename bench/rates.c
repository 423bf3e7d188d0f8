/* The calibration of this machine's kernels (rates.h).
 *
 * All weights point into one buffer larger than the caches, whose bytes are valid blocks of every codec: codes of any
 * kind, and scales between 2^-79 and 2 in each float format that blocks use. So nothing is encoded or copied, and a
 * format costs the reading of some hundred megabytes a round. */
#include "bench/rates.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "bench/calibrate.h"
#include "bench/engine/engine.h"
#include "bench/rates_state.h"
#include "kernels/linear.h"

enum {
    FIRST_SANE = 0x30, /* bytes 0x30 to 0x3f: f16 0.125 to 2, f32 and bf16 6e-10 to 1.5, e8m0 2^-79 to 2^-64 */
    TOKENS = 256,      /* of a prompt piece */
    PANEL_ROWS = 64,   /* of a matrix, a thread: enough for every thread's panels */
    LONG_CTX = 4096,
    PROMPT_SHORT = 128,
    PROMPT_LONG = 512,
};
static const double share_for_bandwidth = 0.12, share_for_prompts = 0.15;
static const double clearly = 1.03; /* what fewer threads must gain */

/* ---- the buffer ---- */

static void fill_page(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    uint8_t *p = arg;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++) {
        struct rng r;
        rng_seed(&r, (uint64_t)i);
        for (int k = 0; k < RATES_PAGE; k += 8) {
            uint64_t v = (rng_u64(&r) & UINT64_C(0x0f0f0f0f0f0f0f0f)) | UINT64_C(0x3030303030303030);
            memcpy(p + i * RATES_PAGE + k, &v, 8);
        }
    }
}

/* The next `bytes` of the ring; a plane larger than it would need another machine. */
static uint8_t *ring_take(struct rates_job *j, size_t bytes)
{
    if (bytes > j->memory.bytes)
        return NULL;
    if (j->at + bytes > j->memory.bytes)
        j->at = 0;
    uint8_t *p = j->memory.p + j->at;
    j->at += (bytes + 63) / 64 * 64;
    return p;
}

/* Codes by way of a permutation or with factors per column are not what any bytes can be. */
static bool lay_matrix(struct rates_job *j, struct qmat *q, const struct codec *c, const struct qpar *par, int64_t n,
                       int64_t k)
{
    if (c->layout(q, n, k, par, NULL) < 0 || q->plane[PLANE_PERM].bytes || q->plane[PLANE_COLUMN].bytes)
        return false;
    for (int p = 0; p < N_PLANES; p++)
        if (q->plane[p].bytes && !(q->plane[p].p = ring_take(j, q->plane[p].bytes)))
            return false;
    return true;
}

/* ---- a layer at a time ---- */

/* Every matrix of the shape in that codec; vectors are ones. Returns the bytes of all layers, 0 when it cannot be. */
static double lay_weights(struct rates_job *j, struct rates_shape *s, const struct codec_rate *c)
{
    const struct codec *codec = codec_find(c->codec);
    double bytes = 0;
    for (int i = 0; i < s->model->d.n_tensors; i++) {
        const struct model_tensor *t = &s->model->d.tensor[i];
        if (t->matrix && t->layer >= 0) {
            if (!lay_matrix(j, &s->weights->mat[i], codec, &c->par, t->src.n, t->src.k))
                return 0;
            s->weights->act[i] = act_find(c->act);
            s->weights->fixed[i] = act_fixed_grid(-4, 4);
            bytes += (double)qmat_bytes(&s->weights->mat[i]);
        } else if (t->matrix) { /* the embedding: not read here */
            s->weights->act[i] = act_find("f16");
            if (!lay_matrix(j, &s->weights->mat[i], codec_find("f16"), NULL, t->src.n, t->src.k))
                return 0;
        } else {
            qmat_share(&s->weights->mat[i], &t->src);
            s->weights->mat[i].plane[PLANE_CODE].p = (uint8_t *)j->ones;
        }
    }
    return bytes;
}

static double run_layers(struct rates_shape *s, float *x, int pos0, int n, int n_layers)
{
    const int64_t values = (int64_t)n * s->model->d.d_model;
    for (int64_t i = 0; i < values; i++)
        x[i] = (float)(i % 17 - 8) / 8;
    uint64_t t0 = clock_ns();
    for (int l = 0; l < n_layers; l++)
        engine_layer(s->engine, l, x, pos0, n);
    return (double)(clock_ns() - t0);
}

/* One token through all layers of the shape. */
static void visit_decode(struct rates_job *j, int i_codec, int i_shape)
{
    struct rates_shape *s = &j->shape[i_shape];
    struct rates_samples *into = &j->decode[i_codec][i_shape];
    double bytes = lay_weights(j, s, &j->out->codec[i_codec]);
    if (bytes <= 0 || engine_use(s->engine, s->weights, NULL) < 0 || into->n >= RATES_MOST_ROUNDS)
        return;
    pool_use(j->o->pool, j->out->decode_threads);
    into->x[into->n++] = bytes / run_layers(s, j->x, 0, 1, s->model->d.n_layer);
    pool_use(j->o->pool, 0);
}

/* ---- many tokens ---- */

struct encode_job {
    struct rates_job *job;
    const struct act *act;
    bool values;
    int64_t k;
    size_t stride;
};

static void encode_rows(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct encode_job *e = arg;
    const struct act_fixed grid = act_fixed_grid(-4, 4);
    uint8_t *spare = e->job->spare + (size_t)i_thread * RATES_SPARE;
    for (int64_t i = i0; i < i1; i++) {
        const float *x = e->job->x + i * e->k;
        uint8_t *row = e->job->rows + (size_t)i * e->stride;
        if (act_is_batch(e->act) && e->values)
            e->act->round_fixed((float *)(void *)row, x, e->k, &grid);
        else if (act_is_batch(e->act))
            e->act->encode_fixed(e->job->rows, x, i, i + 1, e->k, &grid);
        else if (e->values) {
            e->act->encode(spare, x, e->k);
            e->act->decode((float *)(void *)row, spare, e->k);
        } else
            e->act->encode(row, x, e->k);
    }
}

/* The widest matrix of the shape times TOKENS rows, some of its rows only. */
static void visit_prefill(struct rates_job *j, int i_codec, int i_shape)
{
    const struct codec_rate *c = &j->out->codec[i_codec];
    const struct act *act = act_find(c->act);
    struct rates_samples *into = &j->prefill[i_codec][i_shape];
    struct qmat w;
    int64_t k = j->shape[i_shape].model->d.d_model, n = (int64_t)PANEL_ROWS * pool_n_threads(j->o->pool);
    if (into->n >= RATES_MOST_ROUNDS || !lay_matrix(j, &w, codec_find(c->codec), &c->par, n, k))
        return;
    const struct kernel *m = kernel_find_for(OP_MATMUL, &w, act, j->o->isa);
    if (!m || !kernel_is_packed(m) || act->scope == ACT_COLUMNS || (!act->ragged && k % act->block) ||
        linear_matmul_scratch(1, m, k) > RATES_SPARE)
        return;
    struct encode_job e = {.job = j, .act = act, .values = kernel_reads_values(m, act), .k = k};
    e.stride = e.values ? (size_t)k * sizeof(float) : act_is_batch(act) ? (size_t)k : act_row_bytes(act, k);
    pool_for(j->o->pool, TOKENS, 8, encode_rows, &e);
    uint64_t t0 = clock_ns();
    linear_matmul(j->o->pool, m, j->y, n, &w, j->rows, e.stride, TOKENS, j->spare);
    double ns = (double)(clock_ns() - t0);
    into->x[into->n++] = 2.0 * (double)n * (double)k * TOKENS / ns;
}

/* ---- what is not matrices ---- */

/* What disturbs a machine only ever makes it slower, and a thread that another program holds up stops the whole layer:
 * the upper quartile, between the lower one and the best. */
static struct interval figure_of(const double *x, int n)
{
    return n == 0 ? INTERVAL_NONE
                  : (struct interval){stats_percentile(x, n, 0.75), stats_percentile(x, n, 0.25),
                                      stats_percentile(x, n, 1)};
}

static int codec_of(const struct machine_rates *r, const char *name)
{
    for (int i = 0; i < r->n_codecs; i++)
        if (strcmp(r->codec[i].codec, name) == 0)
            return i;
    return -1;
}

/* A long context against an empty one, in turns: what is more is attention reading the cache. */
static int measure_kv(struct rates_job *j, struct err *e)
{
    enum { TIMES = 5 };
    struct rates_shape *s = &j->shape[1];
    struct engine_opts o = {
        .mode = ENGINE_PACKED, .n_ctx = LONG_CTX, .n_batch = 1, .isa = j->o->isa, .pool = j->o->pool};
    struct engine *short_one = s->engine;
    double rate[TIMES], bytes = 2.0 * s->model->d.n_head_kv * s->model->d.head_dim * 2 * (LONG_CTX - 1);
    int n = 0, q8 = codec_of(j->out, "q8_0");
    if (q8 < 0 || lay_weights(j, s, &j->out->codec[q8]) <= 0)
        return 0;
    int rc = engine_new(&s->engine, s->weights, &o, e);
    pool_use(j->o->pool, j->out->decode_threads);
    for (int i = 0; rc == 0 && i <= TIMES; i++) { /* the first touches the cache */
        double none = run_layers(s, j->x, 0, 1, s->model->d.n_layer);
        double full = run_layers(s, j->x, LONG_CTX - 1, 1, s->model->d.n_layer);
        if (i > 0 && full > none)
            rate[n++] = bytes * s->model->d.n_layer / (full - none);
    }
    pool_use(j->o->pool, 0);
    if (rc == 0)
        engine_free(s->engine);
    s->engine = short_one;
    j->out->kv_gb_s = figure_of(rate, n >= 3 ? n : 0);
    return rc;
}

/* Time of a layer over n tokens beside its matrices, a token. */
static double beside(struct rates_job *j, struct rates_shape *s, int n, double gop_s)
{
    double best = INFINITY, weights = s->layer_weights;
    for (int i = 0; i < 3; i++)
        best = fmin(best, run_layers(s, j->x, 0, n, 1));
    return best / n - 2 * weights / gop_s;
}

/* Norms, gates, rounding, attention: two prompt lengths tell what grows with the tokens from what grows with pairs of
 * them. */
static int measure_prompts(struct rates_job *j, struct err *e)
{
    struct rates_shape *s = &j->shape[0];
    struct engine_opts o = {
        .mode = ENGINE_PACKED, .n_ctx = PROMPT_LONG, .n_batch = PROMPT_LONG, .isa = j->o->isa, .pool = j->o->pool};
    struct engine *short_one = s->engine;
    int q8 = codec_of(j->out, "q8_0");
    if (q8 < 0 || !(j->out->codec[q8].prefill_gop_s[0].v > 0) || lay_weights(j, s, &j->out->codec[q8]) <= 0)
        return 0;
    int rc = engine_new(&s->engine, s->weights, &o, e);
    if (rc < 0) {
        s->engine = short_one;
        return rc;
    }
    const double gop_s = j->out->codec[q8].prefill_gop_s[0].v, d_q = (double)s->model->d.n_head * s->model->d.head_dim;
    double few = beside(j, s, PROMPT_SHORT, gop_s), many = beside(j, s, PROMPT_LONG, gop_s);
    double pair = fmax((many - few) / (d_q * (PROMPT_LONG - PROMPT_SHORT)), 0);
    double value = fmax(few - pair * d_q * PROMPT_SHORT, 0) / rates_layer_values(&s->model->d);
    j->out->pair_ns = (struct interval){pair, 0.7 * pair, 1.3 * pair};
    j->out->value_ns = (struct interval){value, 0.5 * value, 1.5 * value};
    engine_free(s->engine);
    s->engine = short_one;
    return 0;
}

static void measure_bandwidth(struct rates_job *j, double seconds)
{
    struct machine_rates *r = j->out;
    enum { MOST = 64 };
    double rate[RATE_MOST_THREADS][MOST];
    int all = pool_n_threads(j->o->pool), n = 0;
    for (int t = all; t >= 1 && r->n_bandwidth<RATE_MOST_THREADS; t = t> 1 ? (t + 1) / 2 : 0)
        r->bandwidth[r->n_bandwidth++].threads = t;
    uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);
    for (; n < MOST && (n < 5 || clock_ns() < end); n++)
        for (int i = 0; i < r->n_bandwidth; i++) {
            pool_use(j->o->pool, r->bandwidth[i].threads);
            rate[i][n] = bandwidth_now(&j->memory);
        }
    pool_use(j->o->pool, 0);
    int best = 0;
    for (int i = 0; i < r->n_bandwidth; i++) {
        r->bandwidth[i].gb_s = (struct interval){stats_median(rate[i], n), stats_percentile(rate[i], n, 0.1),
                                                 stats_percentile(rate[i], n, 0.9)};
        if (r->bandwidth[i].gb_s.v > clearly * r->bandwidth[best].gb_s.v)
            best = i;
    }
    r->decode_threads = best == 0 ? 0 : r->bandwidth[best].threads;
}

/* ---- all of it ---- */

static bool interrupted_in_round(struct rates_job *j)
{
    for (int s = 0; s < RATE_SHAPES; s++)
        for (int c = 0; c < j->out->n_codecs; c++) {
            if (interrupt_seen())
                return true;
            visit_decode(j, c, s);
            visit_prefill(j, c, s);
        }
    return false;
}

static void take_figures(struct rates_job *j)
{
    for (int c = 0; c < j->out->n_codecs; c++)
        for (int s = 0; s < RATE_SHAPES; s++) {
            j->out->codec[c].decode_gb_s[s] = figure_of(j->decode[c][s].x, j->decode[c][s].n);
            j->out->codec[c].prefill_gop_s[s] = figure_of(j->prefill[c][s].x, j->prefill[c][s].n);
        }
}

static int measure(struct rates_job *j, struct err *e)
{
    const uint64_t t0 = clock_ns();
    const double budget = j->o->budget_s > 0 ? j->o->budget_s : 8;
    const int least = j->o->least_rounds > 0 ? j->o->least_rounds : 3;
    struct machine_rates *r = j->out;
    int rc = bandwidth_find_cache(&j->memory, budget * share_for_bandwidth / 2, e);
    if (rc < 0)
        return rc;
    r->cache_bytes = j->memory.cache_bytes;
    pool_for(j->o->pool, (int64_t)j->memory.bytes / RATES_PAGE, 64, fill_page, j->memory.p);
    measure_bandwidth(j, budget * share_for_bandwidth / 2);
    const double end = budget * (1 - share_for_prompts);
    double longest = 0, now = (double)(clock_ns() - t0) * 1e-9;
    while (r->n_rounds < RATES_MOST_ROUNDS && (r->n_rounds < least || now + longest < end)) {
        if (interrupted_in_round(j))
            return err_set(e, ERR_CANCELLED, "interrupted while calibrating; nothing was kept");
        double then = (double)(clock_ns() - t0) * 1e-9;
        longest = fmax(longest, then - now);
        now = then;
        r->n_rounds++;
    }
    take_figures(j);
    rc = measure_kv(j, e);
    if (rc == 0)
        rc = measure_prompts(j, e);
    r->seconds = (double)(clock_ns() - t0) * 1e-9;
    return rc;
}

int rates_measure(struct machine_rates *out, const struct rates_opts *o, struct err *e)
{
    *out = (struct machine_rates){.isa = o->isa,
                                  .threads = pool_n_threads(o->pool),
                                  .seen_gb_s = INTERVAL_NONE,
                                  .kv_gb_s = INTERVAL_NONE,
                                  .value_ns = INTERVAL_NONE,
                                  .pair_ns = INTERVAL_NONE};
    struct rates_job *j = mem_alloc(sizeof *j);
    if (!j)
        return err_nomem(e, sizeof *j, "the calibration");
    j->out = out;
    j->o = o;
    rates_build(out->build);
    clock_iso8601(out->date);
    int rc = bandwidth_open(&j->memory, o->pool, o->isa, e);
    if (rc == 0)
        rc = rates_open_shapes(j, e);
    if (rc == 0)
        rc = rates_list_codecs(out, j->shape[1].model, e);
    if (rc == 0)
        rc = measure(j, e);
    rates_close_shapes(j);
    bandwidth_close(&j->memory);
    mem_free(j);
    return rc;
}
