/* A linear layer over the pool's threads: rows of W are handed out in pieces, each piece writes its own
 * columns of Y. */
#include "base/pool.h"
#include "kernels/kernels.h"

enum {
    GEMM_ROWS = 32,           /* rows decoded at once: one panel of the AVX-512 kernel, two of the AVX2 one */
    MATVEC_PIECE = 256 << 10, /* bytes of W a thread takes at a time */
    MATMUL_ROWS = 32,         /* rows of one panel */
    MATMUL_MAX_ROWS = 512,
};

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
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

void linear_gemm_f32(struct pool *pool, const struct kernel *gemm, const struct kernel *decode, float *y,
                     int64_t ldy, const float *x, int64_t ldx, const struct qmat *w, int64_t m,
                     float *scratch)
{
    struct gemm_job j = {gemm, decode ? decode->decode : w->codec->decode, y, scratch, x, ldy, ldx, m, w};
    pool_for(pool, w->n, GEMM_ROWS, gemm_piece, &j);
}

size_t linear_gemm_f32_scratch(int n_threads, int64_t k)
{
    return (size_t)n_threads * GEMM_ROWS * (size_t)round_up(k, 16);
}

struct matvec_job {
    const struct kernel *kernel;
    float *y;
    const struct qmat *w;
    const void *x;
};

static void matvec_piece(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct matvec_job *j = arg;
    (void)i_thread;
    j->kernel->matvec(j->y + r0, j->w, r0, r1, j->x);
}

void linear_matvec(struct pool *pool, const struct kernel *k, float *y, const struct qmat *w, const void *x)
{
    struct matvec_job j = {k, y, w, x};
    int n_threads = pool_n_threads(pool);
    int64_t row_bytes = (int64_t)(qmat_bytes(w) / (size_t)w->n) + 1;
    int64_t grain = min_i64(MATVEC_PIECE / row_bytes, w->n / (2 * n_threads));
    pool_for(pool, w->n, n_threads == 1 ? w->n : round_up(grain > 0 ? grain : 1, 4), matvec_piece, &j);
}

struct matmul_job {
    const struct kernel *kernel;
    float *y;
    const struct qmat *w;
    const uint8_t *x;
    uint8_t *scratch;
    int64_t ldy, m;
    size_t x_stride, scratch_stride;
};

static void matmul_piece(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct matmul_job *j = arg;
    j->kernel->matmul(j->y + r0, j->ldy, j->w, r0, r1, j->x, j->x_stride, j->m,
                      j->scratch + (size_t)i_thread * j->scratch_stride);
}

void linear_matmul(struct pool *pool, const struct kernel *k, float *y, int64_t ldy, const struct qmat *w,
                   const void *x, size_t x_stride, int64_t m, void *scratch)
{
    size_t stride = linear_matmul_scratch(1, k, w->k);
    struct matmul_job j = {k, y, w, x, scratch, ldy, m, x_stride, stride};
    int64_t share = round_up(w->n / (4 * pool_n_threads(pool)) + 1, MATMUL_ROWS);
    pool_for(pool, w->n, min_i64(share, MATMUL_MAX_ROWS), matmul_piece, &j);
}

size_t linear_matmul_scratch(int n_threads, const struct kernel *k, int64_t cols)
{
    size_t bytes = k->scratch_bytes ? k->scratch_bytes(cols) : 0;
    return (size_t)n_threads * (size_t)round_up((int64_t)bytes, 64);
}
