/* kernels_check: every row of kernels.def that can run here against the codec's plain C and a sum in f64.
 *
 * For each row 33 cases, m = 1..33 where there is an m, with sizes and kind of data drawn from the seed; rows for
 * parametric codecs have one for each kind of data and each entry of cases.def that they take.
 * Inputs lie flush against a page that cannot be read, so their start is as misaligned as their length makes
 * it and a read beyond the end is a fault; outputs and scratch stand between guard bytes. Rows of tolerance 0
 * must give the same bits. The error of a dot product is taken relative to the sum of its |w| |x| plus a
 * sixteenth of what the sum would be were all weights of a block as large as its largest: where a format
 * writes a small weight as the difference of two large numbers (q d + m), f32 cannot do better. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/os.h"
#include "base/rng.h"
#include "kernels/cases.h"
#include "kernels/check_buffer.h"
#include "kernels/check_rows.h"
#include "kernels/formats/range.h"

enum { N_CASES = 33, GUARD = 64, GUARD_BYTE = 0xa5 };

enum data { DATA_NORMAL, DATA_OUTLIER, DATA_CODES, DATA_TINY, DATA_LARGE, DATA_ZERO, N_DATA };
static const char *const data_name[N_DATA] = {"normal", "outlier", "random codes", "subnormal", "large", "zero"};

struct test {
    const struct kernel *kernel;
    const struct kernel_case *of; /* parametric codecs; else NULL */
    const struct codec *codec;
    const struct act *act;
    enum data data;
    int64_t n, k, m, r0, ldy;
    struct qmat w;
    struct buffer plane[N_PLANES], x, f32; /* weights as stored, encoded activations, f32 weights of OP_GEMM_F32 */
    float *wf, *xf;                        /* decoded: [n][k], [m][k] */
    struct rng rng;
};

static void test_drop(struct test *t)
{
    for (int i = 0; i < N_PLANES; i++)
        buffer_free(&t->plane[i]);
    buffer_free(&t->x);
    buffer_free(&t->f32);
    mem_free(t->wf);
    mem_free(t->xf);
}

static void fill_f32(struct test *t, float *v, int64_t n, double tiny, double large)
{
    double scale = t->data == DATA_TINY ? tiny : t->data == DATA_LARGE ? large : t->data == DATA_ZERO ? 0 : 1;
    for (int64_t i = 0; i < n; i++) {
        v[i] = (float)(rng_normal(&t->rng) * scale);
        if (t->data == DATA_OUTLIER && rng_below(&t->rng, 64) == 0)
            v[i] *= 1000;
    }
}

/* Random bytes, drawn again until the block's largest value is neither huge nor negligible: reaches every
 * code. */
static void fill_codes(struct test *t)
{
    const struct codec *c = t->codec;
    float v[256];
    struct qmat one = t->w;
    one.n = 1;
    one.k = c->block;
    for (int64_t b = 0; b < t->n * (t->k / c->block); b++) {
        float most = 0;
        one.plane[PLANE_CODE].p = t->plane[PLANE_CODE].p + b * c->block_bytes;
        for (int tries = 0; !(most > 0.0625f && most < 16) && tries < 10000; tries++) {
            for (int i = 0; i < c->block_bytes; i++)
                one.plane[PLANE_CODE].p[i] = (uint8_t)rng_u64(&t->rng);
            c->decode(v, &one, 0, 1);
            most = 0;
            for (int i = 0; i < c->block; i++)
                most = isfinite(v[i]) ? fmaxf(most, fabsf(v[i])) : INFINITY;
        }
    }
}

/* Codes are drawn after scales are fitted to something else; those that are no numbers lose an exponent bit. */
static void fill_group_codes(struct test *t)
{
    bool finite = true;
    uint8_t *code = t->plane[PLANE_CODE].p;
    for (size_t i = 0; i < t->w.plane[PLANE_CODE].bytes; i++)
        code[i] = (uint8_t)rng_u64(&t->rng);
    t->codec->decode(t->wf, &t->w, 0, t->n);
    for (int64_t i = 0; i < t->n * t->k; i++)
        finite = finite && isfinite(t->wf[i]);
    for (size_t i = 0; i < t->w.plane[PLANE_CODE].bytes && !finite; i++)
        code[i] &= 0xbf;
}

static int make_groups(struct test *t, struct err *e)
{
    fill_f32(t, t->wf, t->n * t->k, 1e-6, 5e3);
    int rc = kernel_case_encode(t->of, &t->w, t->wf, rng_u64(&t->rng), e);
    if (!rc && t->data == DATA_CODES)
        fill_group_codes(t);
    t->codec->decode(t->wf, &t->w, 0, t->n);
    return rc;
}

static int make_weights(struct test *t, struct err *e)
{
    int rc = t->of ? kernel_case_layout(t->of, &t->w, t->n, t->k, e) : t->codec->layout(&t->w, t->n, t->k, NULL, e);
    if (rc)
        return rc;
    t->wf = mem_alloc_n((size_t)(t->n * t->k), sizeof *t->wf);
    bool have = t->wf != NULL;
    for (int i = 0; i < N_PLANES && have; i++)
        if (t->w.plane[i].bytes) {
            have = buffer_new(&t->plane[i], t->w.plane[i].bytes) == 0;
            t->w.plane[i].p = t->plane[i].p;
        }
    if (!have)
        return err_nomem(e, t->w.plane[PLANE_CODE].bytes, "the weights of a kernel check");
    if (t->of)
        return make_groups(t, e);
    struct arena *a = arena_new();
    if (!a)
        return err_nomem(e, 0, "the encoder of a kernel check");
    if (t->data == DATA_CODES) {
        fill_codes(t);
    } else {
        bool f32 = t->codec->block_bytes == 4 * t->codec->block;
        fill_f32(t, t->wf, t->n * t->k, f32 ? 1e-40 : 1e-6, f32 ? 1e17 : 5e3);
        rc = t->codec->encode(&t->w, 0, t->n, t->wf, NULL, NULL, a);
    }
    arena_free(a);
    t->codec->decode(t->wf, &t->w, 0, t->n);
    return rc;
}

/* A batch is encoded as one long row, and so is what shares a fixed grid. */
static size_t x_stride(const struct test *t)
{
    return act_is_batch(t->act) ? (size_t)t->k : act_row_bytes(t->act, t->k);
}

/* On a grid that cuts the largest values off, divided before by the factors of the columns of W. */
static void encode_on_grid(struct test *t)
{
    const struct range r = range_with_zero(t->xf, t->m * t->k);
    struct act_fixed f = act_fixed_grid(r.lo / 2, r.hi * 0.75f);
    f.column = (const float *)(const void *)t->w.plane[PLANE_COLUMN].p;
    t->act->encode_fixed(t->x.p, t->xf + t->m / 2 * t->k, t->m / 2, t->m, t->k, &f);
    t->act->encode_fixed(t->x.p, t->xf, 0, t->m / 2 ? t->m / 2 : 1, t->k, &f);
    for (int64_t j = 0; j < t->m; j++)
        t->act->round_fixed(t->xf + j * t->k, t->xf + j * t->k, t->k, &f);
}

static int make_activations(struct test *t, struct err *e)
{
    size_t row = act_row_bytes(t->act, t->k), bytes = x_stride(t) * (size_t)(t->m - 1) + row;
    t->xf = mem_alloc_n((size_t)(t->m * t->k), sizeof *t->xf);
    if (!t->xf || buffer_new(&t->x, bytes))
        return err_nomem(e, bytes, "the activations of a kernel check");
    bool f32 = t->act->block_bytes == 4;
    fill_f32(t, t->xf, t->m * t->k, f32 ? 1e10 : 1, f32 ? 1e17 : 5e3);
    if (t->act->scope == ACT_FIXED) {
        encode_on_grid(t);
        return 0;
    }
    if (t->act->scope == ACT_BATCH) {
        t->act->encode(t->x.p, t->xf, t->m * t->k);
        t->act->decode(t->xf, t->x.p, t->m * t->k);
        return 0;
    }
    for (int64_t j = 0; j < t->m; j++) {
        t->act->encode(t->x.p + (size_t)j * row, t->xf + j * t->k, t->k);
        t->act->decode(t->xf + j * t->k, t->x.p + (size_t)j * row, t->k);
    }
    return 0;
}

/* The sum of w x in f64, and the magnitude that its error is measured by. */
static double exact_dot(const struct test *t, const float *w, const float *x, double *size)
{
    double sum = 0;
    *size = (double)FLT_MIN;
    const int64_t block = !t->of ? t->codec->block : t->of->par.group > 0 ? t->of->par.group : t->k;
    for (int64_t b = 0; b < t->k; b += block) {
        double largest = 0, x_size = 0;
        for (int64_t c = b; c < b + block && c < t->k; c++) {
            double v = (double)w[c] * (double)x[c];
            sum += v;
            *size += fabs(v);
            largest = fmax(largest, (double)fabsf(w[c]));
            x_size += (double)fabsf(x[c]);
        }
        *size += largest * x_size / 16;
    }
    return sum;
}

/* Largest error of y; Inf where y is not a number. */
static double dot_error(const struct test *t, const float *y, char *where, size_t n_where)
{
    double worst = 0, size;
    for (int64_t j = 0; j < t->m; j++)
        for (int64_t r = t->r0; r < t->n; r++) {
            double want = exact_dot(t, t->wf + r * t->k, t->xf + j * t->k, &size);
            double got = (double)y[j * t->ldy + r - t->r0], error = isfinite(got) ? fabs(got - want) / size : INFINITY;
            if (error > worst) {
                worst = error;
                snprintf(where, n_where, "%s n=%lld k=%lld m=%lld, %s data, row %lld token %lld: %g instead of %g",
                         t->of ? t->of->name : "", (long long)t->n, (long long)t->k, (long long)t->m,
                         data_name[t->data], (long long)r, (long long)j, got, want);
            }
        }
    return worst;
}

static bool guard_ok(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != GUARD_BYTE)
            return false;
    return true;
}

static void run_dot(const struct test *t, float *y, void *scratch)
{
    const struct kernel *k = t->kernel;
    if (k->op == OP_GEMM_F32)
        k->gemm_f32(y, t->ldy, (const float *)(const void *)t->f32.p, t->k,
                    (const float *)(const void *)t->w.plane[PLANE_CODE].p + t->r0 * t->k, t->k, t->m, t->n - t->r0,
                    t->k);
    else if (k->op == OP_MATVEC)
        k->matvec(y, &t->w, t->r0, t->n, t->x.p);
    else
        k->matmul(y, t->ldy, &t->w, t->r0, t->n, t->x.p, x_stride(t), t->m, scratch);
}

/* y[m][ldy] with ldy wider than the rows: what lies between must stay as it was. */
static int check_dot(struct test *t, double *worst, char *where, size_t n_where, struct err *e)
{
    int64_t rows = t->n - t->r0;
    size_t y_bytes = (size_t)(t->m * t->ldy) * sizeof(float);
    size_t scratch_bytes = t->kernel->scratch_bytes ? t->kernel->scratch_bytes(t->k) : 0;
    uint8_t *y = mem_aligned(y_bytes + 2 * GUARD), *scratch = mem_aligned(scratch_bytes + GUARD);
    if (!y || !scratch) {
        mem_free(y);
        mem_free(scratch);
        return err_nomem(e, y_bytes + scratch_bytes, "the results of a kernel check");
    }
    memset(y, GUARD_BYTE, y_bytes + 2 * GUARD);
    memset(scratch, GUARD_BYTE, scratch_bytes + GUARD);
    float *out = (float *)(void *)(y + GUARD);
    run_dot(t, out, scratch);
    bool ok = guard_ok(y, GUARD) && guard_ok(scratch + scratch_bytes, GUARD);
    for (int64_t j = 0; j < t->m; j++)
        ok = ok && guard_ok((uint8_t *)(out + j * t->ldy + rows), (size_t)(t->ldy - rows) * sizeof(float));
    ok = ok && guard_ok(y + GUARD + y_bytes, GUARD);
    *worst = dot_error(t, out, where, n_where);
    if (!ok) {
        *worst = INFINITY;
        snprintf(where, n_where, "n=%lld k=%lld m=%lld: wrote outside its result or scratch", (long long)t->n,
                 (long long)t->k, (long long)t->m);
    }
    mem_free(y);
    mem_free(scratch);
    return 0;
}

/* Both sides run over the same input; the bytes must agree, guards included. */
static int check_bytes(struct test *t, double *worst, char *where, size_t n_where, struct err *e)
{
    bool decode = t->kernel->op == OP_DECODE;
    size_t bytes = decode ? (size_t)((t->n - t->r0) * t->k) * sizeof(float) : act_row_bytes(t->act, t->k);
    uint8_t *got = mem_aligned(bytes + GUARD), *want = mem_aligned(bytes + GUARD);
    if (!got || !want) {
        mem_free(got);
        mem_free(want);
        return err_nomem(e, 2 * bytes, "the results of a kernel check");
    }
    memset(got, GUARD_BYTE, bytes + GUARD);
    memset(want, GUARD_BYTE, bytes + GUARD);
    if (decode) {
        t->codec->decode((float *)(void *)want, &t->w, t->r0, t->n);
        t->kernel->decode((float *)(void *)got, &t->w, t->r0, t->n);
    } else {
        t->act->encode(want, (const float *)(const void *)t->f32.p, t->k);
        t->kernel->encode_act(got, (const float *)(const void *)t->f32.p, t->k);
    }
    *worst = 0;
    for (size_t i = 0; i < bytes + GUARD && *worst == 0; i++)
        if (got[i] != want[i]) {
            *worst = INFINITY;
            snprintf(where, n_where, "n=%lld k=%lld, %s data: byte %zu of %zu is %d instead of %d", (long long)t->n,
                     (long long)t->k, data_name[t->data], i, bytes, got[i], want[i]);
        }
    mem_free(got);
    mem_free(want);
    return 0;
}

static int n_taken(const struct kernel *k)
{
    int n = 0;
    for (int c = 0; c < n_kernel_cases; c++)
        n += kernel_case_taken(&kernel_cases[c], k);
    return n;
}

static void draw_sizes(struct test *t, int i)
{
    static const int16_t rows[] = {1, 2, 3, 5, 16, 31, 32, 33, 47, 67};
    static const int16_t single[] = {1, 7, 16, 31, 64, 172, 256, 257, 576, 2075},
                         of_32[] = {1, 2, 3, 4, 5, 7, 8, 18, 19, 130};
    static const int16_t of_256[] = {1, 1, 1, 2, 2, 2, 3, 3, 5, 17};
    int block = t->of ? 16 : t->codec->block > t->act->block ? t->codec->block : t->act->block;
    const int16_t *count = block == 1 ? single : block <= 32 ? of_32 : of_256;
    t->data = (enum data)((t->of ? i % n_taken(t->kernel) + i / n_taken(t->kernel) : i) % N_DATA);
    t->n = rows[rng_below(&t->rng, 10)];
    t->k = (int64_t)block * count[rng_below(&t->rng, i % 8 ? 9 : 10)]; /* the longest rows seldom: they are slow */
    for (int tries = 0; t->of && tries < 64 && kernel_case_layout(t->of, &t->w, t->n, t->k, NULL); tries++)
        t->k += 16; /* until the groups fit: short last ones where the codec has them */
    t->m = t->kernel->op == OP_MATVEC || t->kernel->op == OP_ENCODE_ACT ? 1 : i % N_CASES + 1;
    t->r0 = (int64_t)rng_below(&t->rng, (uint64_t)t->n);
    t->ldy = t->n - t->r0 + (t->m > 1 ? (int64_t)rng_below(&t->rng, 20) : 0);
}

/* The i-th of the codecs of self-contained blocks, round and round. */
static const struct codec *block_codec(int i)
{
    int n = 0, at = 0;
    for (int c = 0; codecs[c]; c++)
        n += codecs[c]->block_bytes > 0;
    for (int c = 0; codecs[c]; c++)
        if (codecs[c]->block_bytes > 0 && at++ == i % n)
            return codecs[c];
    return codecs[0];
}

/* The i-th of the cases that the row takes, round and round. */
static const struct kernel_case *case_of(const struct kernel *k, int i)
{
    int n = n_taken(k), at = 0;
    for (int c = 0; c < n_kernel_cases && n; c++)
        if (kernel_case_taken(&kernel_cases[c], k) && at++ == i % n)
            return &kernel_cases[c];
    return NULL;
}

/* A row without codec or act is checked with this one: f32, or Q4_0 where "any" codec is meant. */
static void choose_codec(struct test *t, int i)
{
    const struct kernel *k = t->kernel;
    if ((t->of = k->takes ? case_of(k, i) : NULL)) {
        t->codec = codec_find(t->of->codec);
        t->act = act_find(kernel_reads_values(k, act_find(t->of->act)) ? k->act : t->of->act);
        return;
    }
    bool any = !k->codec && (k->op == OP_MATVEC || k->op == OP_MATMUL);
    t->codec = k->codec ? codec_find(k->codec) : any ? block_codec(i) : codec_find("f32");
    t->act = act_find(k->act ? k->act : any ? t->codec->act : "f32");
}

/* GEMM and encoders read f32: x (or one row of it) against the end of memory. */
static int make_f32(struct test *t, struct err *e)
{
    size_t bytes = (size_t)(t->m * t->k) * sizeof(float);
    if (buffer_new(&t->f32, bytes))
        return err_nomem(e, bytes, "the activations of a kernel check");
    float *x = (float *)(void *)t->f32.p;
    if (t->kernel->op == OP_GEMM_F32)
        memcpy(x, t->xf, bytes);
    else
        fill_f32(t, x, t->m * t->k, 3e-37, 1e6);
    return 0;
}

static int check_case(const struct kernel *k, int i, uint64_t seed, double *worst, char *where, size_t n_where,
                      struct err *e)
{
    struct test t = {.kernel = k};
    rng_seed_text(&t.rng, seed + (uint64_t)i, k->name);
    choose_codec(&t, i);
    draw_sizes(&t, i);
    int rc = make_weights(&t, e);
    if (!rc)
        rc = make_activations(&t, e);
    if (!rc && (k->op == OP_GEMM_F32 || k->op == OP_ENCODE_ACT))
        rc = make_f32(&t, e);
    if (!rc)
        rc = k->op == OP_DECODE || k->op == OP_ENCODE_ACT ? check_bytes(&t, worst, where, n_where, e)
                                                          : check_dot(&t, worst, where, n_where, e);
    test_drop(&t);
    return rc;
}

/* ---- timing ---- */

enum { BENCH_K = 2048, BENCH_M = 64, BENCH_REPEATS = 7 };

static void bench_run(const struct test *t, float *y, void *scratch)
{
    if (t->kernel->op == OP_DECODE)
        t->kernel->decode(y, &t->w, 0, t->n);
    else if (t->kernel->op == OP_ENCODE_ACT)
        t->kernel->encode_act(y, (const float *)(const void *)t->f32.p, t->k);
    else
        run_dot(t, y, scratch);
}

/* One thread; weights of OP_MATVEC are 128 MiB, more than most caches, those of the others a few hundred rows. */
static int bench_kernel(struct kernel_report *r, uint64_t seed, struct err *e)
{
    const struct kernel *k = r->kernel;
    if (k->op == OP_ROWS)
        return bench_rows(r, seed);
    struct test t = {.kernel = k, .k = BENCH_K, .m = k->op == OP_MATVEC || k->op == OP_ENCODE_ACT ? 1 : BENCH_M};
    rng_seed_text(&t.rng, seed, k->name);
    choose_codec(&t, 0);
    size_t bytes = k->op == OP_MATVEC && kernel_is_packed(k) ? 1 << 27 : 256 * BENCH_K;
    int rc = kernel_bench_weights(&t.w, t.codec, t.of, bytes, t.k, e);
    t.n = t.ldy = t.w.n;
    rc = rc ? rc : make_activations(&t, e);
    rc = rc ? rc : make_f32(&t, e);
    size_t y_floats = (size_t)(k->op == OP_DECODE ? t.n * t.k : t.m * t.ldy + t.k);
    float *y = rc ? NULL : mem_aligned(y_floats * sizeof *y);
    void *scratch = rc ? NULL : mem_aligned(64 + (k->scratch_bytes ? k->scratch_bytes(t.k) : 0));
    if (!rc && (!y || !scratch))
        rc = err_nomem(e, y_floats * sizeof *y, "the results of a kernel benchmark");
    for (int i = 0; !rc && i < BENCH_REPEATS; i++) {
        uint64_t t0 = clock_ns();
        bench_run(&t, y, scratch);
        r->ns = fmin(r->ns, (double)(clock_ns() - t0)); /* fmin drops the NaN it starts with */
    }
    r->gb_per_s = (k->op == OP_ENCODE_ACT ? 4.0 * (double)t.k : (double)qmat_bytes(&t.w)) / r->ns;
    if (k->op <= OP_MATMUL)
        r->gflop_per_s = 2.0 * (double)t.m * (double)t.n * (double)t.k / r->ns;
    mem_free(y);
    mem_free(scratch);
    qmat_free(&t.w);
    test_drop(&t);
    return rc;
}

static int check_kernel(struct kernel_report *r, uint64_t seed, struct err *e)
{
    const int n_groups = r->kernel->takes ? N_DATA * n_taken(r->kernel) : 0,
              n = n_groups > N_CASES ? n_groups : N_CASES;
    if (r->kernel->op == OP_ROWS)
        return check_rows(r, seed);
    for (int i = 0; i < n; i++) {
        double worst = 0;
        char where[sizeof r->detail] = "";
        int rc = check_case(r->kernel, i, seed, &worst, where, sizeof where, e);
        if (rc)
            return rc;
        r->worst_error = fmax(r->worst_error, worst);
        if (worst > r->tolerance && r->passed) {
            r->passed = false;
            memcpy(r->detail, where, sizeof where);
        }
    }
    return 0;
}

int kernels_check(uint64_t isa, const char *name_filter, bool bench, uint64_t seed,
                  void (*report)(void *arg, const struct kernel_report *r), void *arg, struct err *e)
{
    int n_failed = 0;
    for (int i = 0; i < n_kernels; i++) {
        const struct kernel *k = &kernels[i];
        if (name_filter && !strstr(k->name, name_filter))
            continue;
        struct kernel_report r = {.kernel = k, .runnable = !(k->needs & ~isa), .tolerance = k->tolerance};
        r.ns = r.gb_per_s = r.gflop_per_s = NAN;
        r.passed = r.runnable;
        int rc = r.runnable ? check_kernel(&r, seed, e) : 0;
        if (!rc && bench && r.passed)
            rc = bench_kernel(&r, seed, e);
        if (rc)
            return rc;
        n_failed += r.runnable && !r.passed;
        if (report)
            report(arg, &r);
    }
    return n_failed;
}
