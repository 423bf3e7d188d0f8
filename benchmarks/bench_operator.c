/* One operator by the own kernels, timed when asked: bench_operator CASE ACT M D LAYERS THREADS
 * LAYERS products of D x D weights, one after the other, with M rows of activations, encoded each time by the rule ACT
 * as the engine does it. CASE is an entry of cases.def. For every line on stdin it goes through them once and prints
 * the nanoseconds: operator_peers.py asks it and another runtime in turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/os.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kernels/cases.h"
#include "kernels/linear.h"
#include "probe/probe.h"

struct products {
    struct pool *pool;
    const struct act *act;
    const struct kernel *kernel;
    kernel_encode_act *encode;
    struct qmat *w;
    int n_layers;
    int64_t m, d;
    float *x, *y[2]; /* [m][d]: the input; outputs in turn */
    uint8_t *in;     /* what its kernel reads */
    uint8_t *row;    /* one encoded row a thread */
    void *scratch;
    struct act_fixed grid; /* of rules that have one for a batch */
};

static const struct kernel_case *find_case(const char *name, const char *act)
{
    for (int i = 0; i < n_kernel_cases; i++)
        if (!strcmp(kernel_cases[i].name, name) && !strcmp(kernel_cases[i].act, act))
            return &kernel_cases[i];
    return NULL;
}

static int make_weights(struct products *c, const struct kernel_case *of, struct err *e)
{
    const struct codec *codec = codec_find(of->codec);
    c->w = calloc((size_t)c->n_layers, sizeof *c->w);
    if (!c->w)
        return err_nomem(e, 0, "weights");
    struct qmat one;
    int rc = kernel_case_layout(of, &one, c->d, c->d, e);
    for (int i = 0; i < c->n_layers && rc == 0; i++) {
        rc = kernel_bench_weights(&c->w[i], codec, of, qmat_bytes(&one), c->d, e);
        c->w[i].n = c->d;
    }
    return rc;
}

static int make_buffers(struct products *c, struct err *e)
{
    size_t n = (size_t)(c->m * c->d), row = act_row_bytes(c->act, c->d);
    int n_threads = pool_n_threads(c->pool);
    float **const value[] = {&c->x, &c->y[0], &c->y[1]};
    for (int i = 0; i < 3; i++)
        *value[i] = mem_aligned(n * sizeof(float));
    c->in = mem_aligned((row > (size_t)c->d * sizeof(float) ? row : (size_t)c->d * sizeof(float)) * (size_t)c->m);
    c->row = mem_aligned(row * (size_t)n_threads);
    c->scratch = mem_aligned(linear_matmul_scratch(n_threads, c->kernel, c->d) + 64);
    if (!c->x || !c->y[0] || !c->y[1] || !c->in || !c->row || !c->scratch)
        return err_nomem(e, 0, "activations");
    struct rng r;
    rng_seed(&r, 1);
    for (size_t i = 0; i < n; i++)
        c->x[i] = (float)rng_normal(&r);
    return 0;
}

/* A row as the kernel reads it: encoded, or the values that the rule comes to. */
static void encode_rows(void *arg, int64_t i0, int64_t i1, int thread)
{
    const struct products *c = arg;
    size_t bytes = act_row_bytes(c->act, c->d);
    for (int64_t i = i0; i < i1; i++) {
        const float *x = c->x + i * c->d;
        if (c->act->scope == ACT_BATCH) {
            c->act->encode_fixed(c->in, x, i, i + 1, c->d, &c->grid);
            continue;
        }
        if (!kernel_reads_values(c->kernel, c->act)) {
            c->encode(c->in + bytes * (size_t)i, x, c->d);
            continue;
        }
        uint8_t *row = c->row + bytes * (size_t)thread;
        c->encode(row, x, c->d);
        c->act->decode((float *)c->in + i * c->d, row, c->d);
    }
}

static void run_products(struct products *c)
{
    bool values = kernel_reads_values(c->kernel, c->act), batch = c->act->scope == ACT_BATCH;
    size_t stride = values ? (size_t)c->d * sizeof(float) : batch ? (size_t)c->d : act_row_bytes(c->act, c->d);
    for (int i = 0; i < c->n_layers; i++) {
        float *y = c->y[i % 2];
        if (batch)
            c->grid = linear_batch_grid(c->pool, c->act, c->x, c->m * c->d);
        pool_for(c->pool, c->m, 4, encode_rows, c);
        if (c->m == 1)
            linear_matvec(c->pool, c->kernel, y, &c->w[i], c->in);
        else
            linear_matmul(c->pool, c->kernel, y, c->d, &c->w[i], c->in, stride, c->m, c->scratch);
    }
}

static int setup(struct products *c, char **argv, struct err *e)
{
    const struct kernel_case *of = find_case(argv[1], argv[2]);
    if (!of)
        return err_set(e, ERR_USAGE, "no case \"%s\" with \"%s\" in kernels/cases.def", argv[1], argv[2]);
    c->m = atoll(argv[3]);
    c->d = atoll(argv[4]);
    c->n_layers = atoi(argv[5]);
    struct probe_device device;
    int rc = probe_device(&device, "", e);
    rc = rc ? rc : pool_new(&c->pool, atoi(argv[6]), NULL, e);
    rc = rc ? rc : make_weights(c, of, e);
    if (rc)
        return rc;
    uint64_t isa = device.cpu.isa_mask;
    c->act = act_find(of->act);
    c->encode = kernel_encoder(c->act, isa);
    c->kernel = kernel_find_for(c->m == 1 ? OP_MATVEC : OP_MATMUL, &c->w[0], c->act, isa);
    return c->kernel ? make_buffers(c, e) : err_set(e, ERR_UNSUPPORTED, "no kernel for %s", of->name);
}

int main(int argc, char **argv)
{
    struct products c = {0};
    struct err e;
    if (argc != 7) {
        fprintf(stderr, "usage: bench_operator CASE ACT M D LAYERS THREADS\n");
        return 2;
    }
    if (setup(&c, argv, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    printf("%s\n", c.kernel->name);
    fflush(stdout);
    for (char line[16]; fgets(line, sizeof line, stdin);) {
        uint64_t t0 = clock_ns();
        run_products(&c);
        printf("%llu\n", (unsigned long long)(clock_ns() - t0));
        fflush(stdout);
    }
    return 0;
}
