/* Linear layers over the pool's threads: rows of W are handed out in pieces, each piece writes its own columns of Y. */
#include "kernels/linear.h"
#include <stdatomic.h>
#include "base/pool.h"
#include "kernels/formats/range.h"
#ifdef TEST_HOOKS
#include "kernels/slow.h"
#endif

enum {
    GEMM_ROWS = 32,          /* rows decoded at once: one panel of the AVX-512 kernel, two of the AVX2 one */
    MATVEC_LEAST = 32 << 10, /* bytes of the smallest piece: about a microsecond */
    MATVEC_STEP = 8,         /* rows */
    MATMUL_ROWS = 32,        /* rows of one panel, the smallest piece */
    RANGE_PIECES = 16,       /* of a batch; */
    RANGE_ALONE = 16 << 10,  /* fewer values: one thread */
};

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

struct gemm_job {
    const struct kernel *gemm;
    kernel_decode *decode;
    float *y, *scratch;
    const float *x;
    int64_t ldy, ldx, m;
    const struct qmat *w;
};

static void gemm_piece(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct gemm_job *j = arg;
    float *rows = j->scratch + i_thread * GEMM_ROWS * round_up(j->w->k, 16);
    j->decode(rows, j->w, r0, r1);
    j->gemm->gemm_f32(j->y + r0, j->ldy, j->x, j->ldx, rows, j->w->k, j->m, r1 - r0, j->w->k);
}

void linear_gemm_f32(struct pool *pool, const struct kernel *gemm, const struct kernel *decode, float *y, int64_t ldy,
                     const float *x, int64_t ldx, const struct qmat *w, int64_t m, float *scratch)
{
    struct gemm_job j = {gemm, decode ? decode->decode : w->codec->decode, y, scratch, x, ldy, ldx, m, w};
    pool_for(pool, w->n, GEMM_ROWS, gemm_piece, &j);
}

size_t linear_gemm_f32_scratch(int n_threads, int64_t k)
{
    return (size_t)n_threads * GEMM_ROWS * (size_t)round_up(k, 16);
}

/* Rows of all parts one after the other, cut into pieces. What a row costs is counted in bytes where reading them is
 * what takes time (one activation row), else in rows. Pieces get smaller: every n_threads of them are half of what is
 * left, so that threads begin with long streams and end within a microsecond of each other. */
struct parts_job {
    const struct linear_part *part;
    int n_parts, n_threads, n_halvings;
    int64_t row_cost[LINEAR_MOST_PARTS], total, step; /* pieces begin at multiples of step rows */
    const uint8_t *x;
    uint8_t *scratch;
    size_t x_stride, scratch_stride;
    int64_t m; /* 0: a matvec */
    _Alignas(64) atomic_int next;
};

static int64_t left_at(const struct parts_job *j, int level)
{
    return level > j->n_halvings ? 0 : j->total >> level;
}

/* Where piece i begins, in units of cost; the one behind the last begins at the total. */
static int64_t piece_start(const struct parts_job *j, int i)
{
    int level = i / j->n_threads;
    int64_t left = left_at(j, level), here = left - left_at(j, level + 1);
    return j->total - left + here * (i % j->n_threads) / j->n_threads;
}

/* The row of a part at so much cost from its first. */
static int64_t row_at(const struct parts_job *j, int p, int64_t cost)
{
    int64_t n = j->part[p].w->n;
    return cost <= 0 ? 0 : cost >= n * j->row_cost[p] ? n : cost / j->row_cost[p] / j->step * j->step;
}

static void run_rows(const struct parts_job *j, const struct linear_part *p, int64_t r0, int64_t r1, int i_thread)
{
    if (r0 >= r1)
        return;
#ifdef TEST_HOOKS
    const uint64_t t0 = clock_ns();
#endif
    if (j->m == 0)
        p->kernel->matvec(p->y + r0, p->w, r0, r1, j->x);
    else
        p->kernel->matmul(p->y + r0, p->ldy, p->w, r0, r1, j->x, j->x_stride, j->m,
                          j->scratch + (size_t)i_thread * j->scratch_stride);
#ifdef TEST_HOOKS
    kernel_slow_down(p->kernel->name, t0);
#endif
}

static void take_pieces(void *arg, int i_thread, int n_threads)
{
    struct parts_job *j = arg;
    const int n_pieces = j->n_threads * (j->n_halvings + 1);
    (void)n_threads;
    for (int i; (i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed)) < n_pieces;) {
        int64_t from = piece_start(j, i), to = piece_start(j, i + 1);
        for (int p = 0; p < j->n_parts && to > 0; p++) {
            run_rows(j, &j->part[p], row_at(j, p, from), row_at(j, p, to), i_thread);
            from -= j->part[p].w->n * j->row_cost[p];
            to -= j->part[p].w->n * j->row_cost[p];
        }
    }
}

static void run_parts(struct pool *pool, struct parts_job *j, int64_t least)
{
    j->n_threads = pool_n_used(pool);
    for (int p = 0; p < j->n_parts; p++)
        j->total += j->row_cost[p] * j->part[p].w->n;
    while (j->n_threads > 1 && (j->total >> (j->n_halvings + 1)) / j->n_threads >= least)
        j->n_halvings++;
    pool_run(pool, take_pieces, j);
}

void linear_matvec_parts(struct pool *pool, const struct linear_part *part, int n, const void *x)
{
    struct parts_job j = {.part = part, .n_parts = n, .step = MATVEC_STEP, .x = x};
    for (int p = 0; p < n; p++)
        j.row_cost[p] = (int64_t)(qmat_bytes(part[p].w) / (size_t)part[p].w->n) + 1;
    run_parts(pool, &j, MATVEC_LEAST);
}

void linear_matvec(struct pool *pool, const struct kernel *k, float *y, const struct qmat *w, const void *x)
{
    linear_matvec_parts(pool, &(struct linear_part){k, w, y, w->n}, 1, x);
}

void linear_matmul_parts(struct pool *pool, const struct linear_part *part, int n, const void *x, size_t x_stride,
                         int64_t m, void *scratch)
{
    struct parts_job j = {
        .part = part, .n_parts = n, .step = MATMUL_ROWS, .x = x, .x_stride = x_stride, .m = m, .scratch = scratch};
    for (int p = 0; p < n; p++) {
        size_t bytes = linear_matmul_scratch(1, part[p].kernel, part[p].w->k);
        j.scratch_stride = bytes > j.scratch_stride ? bytes : j.scratch_stride;
        j.row_cost[p] = 1;
    }
    run_parts(pool, &j, MATMUL_ROWS);
}

void linear_matmul(struct pool *pool, const struct kernel *k, float *y, int64_t ldy, const struct qmat *w,
                   const void *x, size_t x_stride, int64_t m, void *scratch)
{
    linear_matmul_parts(pool, &(struct linear_part){k, w, y, ldy}, 1, x, x_stride, m, scratch);
}

size_t linear_matmul_scratch(int n_threads, const struct kernel *k, int64_t cols)
{
    size_t bytes = k->scratch_bytes ? k->scratch_bytes(cols) : 0;
    return (size_t)n_threads * (size_t)round_up((int64_t)bytes, 64);
}

struct range_job {
    const float *x;
    int64_t n;
    struct range piece[RANGE_PIECES];
};

static void range_pieces(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    struct range_job *j = arg;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++) {
        const int64_t at = j->n * i / RANGE_PIECES, end = j->n * (i + 1) / RANGE_PIECES;
        j->piece[i] = end > at ? range_with_zero(j->x + at, end - at) : (struct range){0, 0};
    }
}

struct act_fixed linear_batch_grid(struct pool *pool, const struct act *a, const float *x, int64_t n)
{
    struct range_job j = {.x = x, .n = n};
    pool_for(n < RANGE_ALONE ? NULL : pool, RANGE_PIECES, 1, range_pieces, &j);
    struct range r = j.piece[0];
    for (int i = 1; i < RANGE_PIECES; i++)
        r = (struct range){fminf(r.lo, j.piece[i].lo), fmaxf(r.hi, j.piece[i].hi)};
    return a->grid(r.lo, r.hi);
}
