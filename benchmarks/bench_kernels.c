/* Speed of the kernels on weights far larger than the caches: bench_kernels [-t THREADS] [-i ISA] [FILTER]
 * Each decode kernel alternates with the bandwidth measurement on the same memory, so that a busy neighbour
 * hits both; the best of REPEATS is printed, as time, GB/s, share of the read bandwidth, and Gop/s for
 * prefill. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/isa.h"
#include "base/os.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kernels/kernels.h"

enum { REPEATS = 25, COLS = 2048, GEMM_M = 512, GEMM_N = 256, SEED_ROWS = 32 };
static const size_t weight_bytes = 256u << 20;

/* Encodes a few random rows and repeats them: content does not change the speed, encoding it all would take
 * minutes. */
static int fill(struct qmat *q, const struct codec *c, int64_t n, int64_t k)
{
    struct err e;
    struct rng r;
    struct arena *a = arena_new();
    float *w = mem_aligned(sizeof(float) * SEED_ROWS * (size_t)k);
    if (!w || !a || c->layout(q, n, k, NULL, &e) || qmat_alloc(q, &e))
        return -1;
    rng_seed(&r, 1);
    for (int64_t i = 0; i < SEED_ROWS * k; i++)
        w[i] = (float)rng_normal(&r);
    c->encode(q, 0, SEED_ROWS, w, NULL, NULL, a);
    size_t seed = q->plane[PLANE_CODE].row_stride * SEED_ROWS, all = q->plane[PLANE_CODE].bytes;
    for (size_t at = seed; at < all; at += seed)
        memcpy(q->plane[PLANE_CODE].p + at, q->plane[PLANE_CODE].p, at + seed <= all ? seed : all - at);
    mem_free(w);
    arena_free(a);
    return 0;
}

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

static void bench_matvec(struct pool *pool, const struct kernel *k, const struct codec *c, uint64_t isa)
{
    int64_t rows = (int64_t)(weight_bytes / ((size_t)(COLS / c->block) * (size_t)c->block_bytes));
    struct qmat q;
    if (fill(&q, c, rows, COLS))
        return;
    void *x = encode_rows(act_find(c->act), 1, COLS, isa);
    float *y = mem_aligned((size_t)rows * sizeof *y);
    double best = INFINITY, roof = 0, bytes = (double)qmat_bytes(&q);
    for (int i = 0; i < REPEATS; i++) {
        uint64_t t0 = clock_ns();
        linear_matvec(pool, k, y, &q, x);
        best = fmin(best, (double)(clock_ns() - t0));
        roof = fmax(roof, kernel_read_bandwidth(pool, q.plane[PLANE_CODE].p, q.plane[PLANE_CODE].bytes, isa));
    }
    printf("%-28s %8.2f ms  %6.2f GB/s of %6.2f  %5.1f %%\n", k->name, best / 1e6, bytes / best, roof,
           100 * bytes / best / roof);
    mem_free(x);
    mem_free(y);
    qmat_free(&q);
}

static void bench_matmul(struct pool *pool, const struct kernel *k, const struct codec *c, uint64_t isa)
{
    struct qmat q;
    if (fill(&q, c, GEMM_N, COLS))
        return;
    const struct act *a = act_find(c->act);
    void *x = encode_rows(a, GEMM_M, COLS, isa),
         *scratch = mem_aligned(linear_matmul_scratch(pool_n_threads(pool), k, COLS));
    float *y = mem_aligned(sizeof *y * GEMM_M * GEMM_N);
    static const int64_t ms[] = {4, 32, GEMM_M};
    printf("%-28s", k->name);
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
    if (fill(&q, codec_find("f32"), GEMM_N, COLS))
        return;
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

static uint64_t host_isa(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    uint64_t m = 0;
    m |= __builtin_cpu_supports("avx2") ? ISA(AVX2) | ISA(F16C) : 0;
    m |= __builtin_cpu_supports("fma") ? ISA(FMA) : 0;
    m |= __builtin_cpu_supports("avx512f") ? ISA(AVX512F) : 0;
    m |= __builtin_cpu_supports("avx512bw") ? ISA(AVX512BW) : 0;
    m |= __builtin_cpu_supports("avx512vl") ? ISA(AVX512VL) : 0;
    m |= __builtin_cpu_supports("avx512dq") ? ISA(AVX512DQ) : 0;
    m |= __builtin_cpu_supports("avx512vnni") ? ISA(AVX512_VNNI) : 0;
    return m;
#else
    return 0;
#endif
}

int main(int argc, char **argv)
{
    int n_threads = 2;
    uint64_t isa = host_isa();
    const char *filter = "";
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-t") && i + 1 < argc)
            n_threads = atoi(argv[++i]);
        else if (!strcmp(argv[i], "-i") && i + 1 < argc)
            isa_narrow(argv[++i], isa, &isa);
        else
            filter = argv[i];
    }
    struct pool *pool;
    struct err e;
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
        const struct codec *c = k->codec ? codec_find(k->codec) : NULL;
        if (k->op == OP_GEMM_F32)
            bench_gemm(pool, k);
        else if (k->op == OP_MATVEC && c)
            bench_matvec(pool, k, c, isa);
        else if (k->op == OP_MATMUL && c)
            bench_matmul(pool, k, c, isa);
        fflush(stdout);
    }
    pool_free(pool);
    return 0;
}
