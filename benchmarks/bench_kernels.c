/* Speed of the kernels on weights far larger than the caches: bench_kernels [-t THREADS] [-i ISA] [-c CASE] [FILTER]
 * Each decode kernel alternates with the bandwidth measurement on the same memory, so that a busy neighbour hits both.
 * Printed are the medians of GB/s, of the read bandwidth and of the share that one is of the other right after it, and
 * GB/s of one thread on weights that its second-level cache holds; for prefill the best of REPEATS in Gop/s. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/isa.h"
#include "base/os.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kernels/cases.h"
#include "probe/probe.h"

enum { REPEATS = 15, COLS = 2048, GEMM_M = 512, GEMM_N = 256, GEMM_BYTES = 4 * GEMM_N * COLS };
enum { CACHE_BYTES = 400 << 10, IN_CACHE = 4 };
static const size_t weight_bytes = 256u << 20;

static void *encode_rows(const struct act *a, int64_t m, int64_t k, uint64_t isa)
{
    struct rng r;
    rng_seed(&r, 2);
    uint8_t *x = mem_aligned(act_row_bytes(a, k) * (size_t)m);
    float *v = mem_aligned((size_t)k * sizeof *v);
    for (int64_t j = 0; x && v && j < m; j++) {
        for (int64_t i = 0; i < k; i++)
            v[i] = (float)rng_normal(&r);
        kernel_encoder(a, isa)(x + act_row_bytes(a, k) * (size_t)j, v, k);
    }
    mem_free(v);
    return x;
}

/* What a kernel runs on: a codec, or an entry of cases.def. */
struct bench_case {
    const struct kernel *k;
    const struct codec *codec;
    const struct kernel_case *of;
    const struct act *act;
    const char *name;
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v)
{
    qsort(v, REPEATS, sizeof *v, by_value);
    return v[REPEATS / 2];
}

static double gb_per_s_in_cache(const struct bench_case *b, const void *x)
{
    struct qmat q;
    struct err e;
    if (kernel_bench_weights(&q, b->codec, b->of, CACHE_BYTES, COLS, &e))
        return NAN;
    float *y = mem_aligned((size_t)q.n * sizeof *y);
    double best = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t t0 = clock_ns();
        for (int j = 0; j < IN_CACHE; j++)
            b->k->matvec(y, &q, 0, q.n, x);
        best = fmin(best, (double)(clock_ns() - t0) / IN_CACHE);
    }
    double bytes = (double)qmat_bytes(&q);
    mem_free(y);
    qmat_free(&q);
    return bytes / best;
}

static void bench_matvec(struct pool *pool, const struct bench_case *b, uint64_t isa)
{
    struct qmat q;
    struct err e;
    if (kernel_bench_weights(&q, b->codec, b->of, weight_bytes, COLS, &e))
        return;
    void *x = encode_rows(b->act, 1, COLS, isa);
    float *y = mem_aligned((size_t)q.n * sizeof *y);
    double speed[REPEATS], roof[REPEATS], share[REPEATS], bytes = (double)qmat_bytes(&q);
    for (int i = 0; i < REPEATS; i++) {
        uint64_t t0 = clock_ns();
        linear_matvec(pool, b->k, y, &q, x);
        speed[i] = bytes / (double)(clock_ns() - t0);
        roof[i] = kernel_read_bandwidth(pool, q.plane[PLANE_CODE].p, q.plane[PLANE_CODE].bytes, isa);
        share[i] = 100 * speed[i] / roof[i];
    }
    printf("%-56s %6.2f GB/s of %6.2f  %5.1f %%  in cache %6.2f GB/s a core\n", b->name, median(speed), median(roof),
           median(share), gb_per_s_in_cache(b, x));
    mem_free(x);
    mem_free(y);
    qmat_free(&q);
}

static void bench_matmul(struct pool *pool, const struct bench_case *b, uint64_t isa)
{
    struct qmat q;
    struct err e;
    if (kernel_bench_weights(&q, b->codec, b->of, GEMM_BYTES, COLS, &e) || q.n < GEMM_N)
        return;
    const struct kernel *k = b->k;
    const struct act *a = b->act;
    q.n = GEMM_N;
    void *x = encode_rows(a, GEMM_M, COLS, isa),
         *scratch = mem_aligned(linear_matmul_scratch(pool_n_threads(pool), k, COLS));
    float *y = mem_aligned(sizeof *y * GEMM_M * GEMM_N);
    static const int64_t ms[] = {4, 32, GEMM_M};
    printf("%-64s", b->name);
    for (int s = 0; s < 3; s++) {
        double best = INFINITY;
        for (int i = 0; i < REPEATS; i++) {
            uint64_t t0 = clock_ns();
            linear_matmul(pool, k, y, GEMM_N, &q, x, act_row_bytes(a, COLS), ms[s], scratch);
            best = fmin(best, (double)(clock_ns() - t0));
        }
        printf("  m=%-3d %7.1f Gop/s", (int)ms[s], 2.0 * (double)ms[s] * GEMM_N * COLS / best);
    }
    printf("\n");
    mem_free(x);
    mem_free(y);
    mem_free(scratch);
    qmat_free(&q);
}

static void bench_gemm(struct pool *pool, const struct kernel *k)
{
    struct qmat q;
    struct err e;
    if (kernel_bench_weights(&q, codec_find("f32"), NULL, GEMM_BYTES, COLS, &e))
        return;
    q.n = GEMM_N;
    float *x = encode_rows(act_find("f32"), GEMM_M, COLS, 0), *y = mem_aligned(sizeof *y * GEMM_M * GEMM_N);
    float *scratch = mem_aligned(sizeof(float) * linear_gemm_f32_scratch(pool_n_threads(pool), COLS));
    double best = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t t0 = clock_ns();
        linear_gemm_f32(pool, k, NULL, y, GEMM_N, x, COLS, &q, GEMM_M, scratch);
        best = fmin(best, (double)(clock_ns() - t0));
    }
    printf("%-28s  m=%d %7.1f GFLOP/s\n", k->name, GEMM_M, 2.0 * GEMM_M * GEMM_N * COLS / best);
    mem_free(x);
    mem_free(y);
    mem_free(scratch);
    qmat_free(&q);
}

static void bench_one(struct pool *pool, const struct bench_case *b, uint64_t isa)
{
    if (b->k->op == OP_MATVEC)
        bench_matvec(pool, b, isa);
    else if (b->k->op == OP_MATMUL)
        bench_matmul(pool, b, isa);
    fflush(stdout);
}

static void bench_codec(struct pool *pool, const struct kernel *k, uint64_t isa)
{
    const struct codec *c = codec_find(k->codec);
    bench_one(pool, &(struct bench_case){k, c, NULL, act_find(k->act ? k->act : c->act), k->name}, isa);
}

/* Every entry of cases.def that the row takes and whose name contains `only`. */
static void bench_cases(struct pool *pool, const struct kernel *k, const char *only, uint64_t isa)
{
    printf("%s\n", k->name);
    for (int i = 0; i < n_kernel_cases; i++) {
        const struct kernel_case *c = &kernel_cases[i];
        if (!strstr(c->name, only) || !kernel_case_taken(c, k))
            continue;
        const struct act *a = act_find(c->act);
        a = kernel_reads_values(k, a) ? act_find(k->act) : a;
        bench_one(pool, &(struct bench_case){k, codec_find(c->codec), c, a, c->name}, isa);
    }
}

int main(int argc, char **argv)
{
    int n_threads = 2;
    struct probe_device device;
    struct err e;
    if (probe_device(&device, "", &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    uint64_t isa = device.cpu.isa_mask;
    const char *filter = "", *only = "";
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-t") && i + 1 < argc)
            n_threads = atoi(argv[++i]);
        else if (!strcmp(argv[i], "-i") && i + 1 < argc)
            isa_narrow(argv[++i], isa, &isa);
        else if (!strcmp(argv[i], "-c") && i + 1 < argc)
            only = argv[++i];
        else
            filter = argv[i];
    }
    struct pool *pool;
    int cpus[64];
    for (int i = 0; i < 64; i++)
        cpus[i] = i;
    if (pool_new(&pool, n_threads, cpus, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    for (int i = 0; i < n_kernels; i++) {
        const struct kernel *k = &kernels[i];
        if ((k->needs & ~isa) || !strstr(k->name, filter))
            continue;
        if (k->op == OP_GEMM_F32)
            bench_gemm(pool, k);
        else if (k->codec)
            bench_codec(pool, k, isa);
        else if (k->takes)
            bench_cases(pool, k, only, isa);
    }
    pool_free(pool);
    return 0;
}
