/* The table of algorithms, and the error measure they share. */
#include "bench/quant/algorithm.h"
#include <stdatomic.h>
#include <string.h>
#include "kernels/kernels.h"

#define A(id) extern const struct algorithm algorithm_##id;
#include "bench/quant/algorithms.def"
#undef A
#define A(id) &algorithm_##id,
const struct algorithm *const algorithms[] = {
#include "bench/quant/algorithms.def"
    NULL};
#undef A

const struct algorithm *algorithm_find(const char *name)
{
    for (const struct algorithm *const *a = algorithms; *a; a++)
        if (strcmp((*a)->name, name) == 0)
            return *a;
    return NULL;
}

/* Sum over rows of y[n][n_columns] with as many columns of d[n][k]; eight sums, so that they need not wait for each
 * other. */
static double dot_columns(const float *y, const float *d, int64_t n, int64_t n_columns, int64_t k)
{
    double sum[8] = {0};
    for (int64_t r = 0; r < n; r++, y += n_columns, d += k) {
        int64_t i = 0;
        for (; i + 8 <= n_columns; i += 8)
            for (int l = 0; l < 8; l++)
                sum[l] += (double)(y[i + l] * d[i + l]);
        for (; i < n_columns; i++)
            sum[0] += (double)(y[i] * d[i]);
    }
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* H is symmetric: what is off its diagonal blocks counts twice and is multiplied once. */
double algo_quadratic_rows(const struct kernel *gemm, const float *d, int64_t n, const float *h, int64_t k, float *y)
{
    double sum = 0;
    for (int64_t b0 = 0; b0 < k; b0 += QUADRATIC_BLOCK) {
        int64_t b1 = b0 + QUADRATIC_BLOCK < k ? b0 + QUADRATIC_BLOCK : k, w = b1 - b0;
        gemm->gemm_f32(y, w, d + b0, k, h + b0 * k + b0, k, n, w, w);
        sum += dot_columns(y, d + b0, n, w, k);
        if (b1 == k)
            break;
        gemm->gemm_f32(y, w, d + b1, k, h + b0 * k + b1, k, n, w, k - b1);
        sum += 2 * dot_columns(y, d + b0, n, w, k);
    }
    return sum;
}

enum { PIECE = 128 };
struct quadratic_job {
    const struct algo_group *g;
    const float *d, *h;
    float *y;    /* [threads][PIECE][QUADRATIC_BLOCK] */
    double *sum; /* [pieces] */
};

static void quadratic_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct quadratic_job *j = arg;
    int64_t k = j->g->k;
    j->sum[r0 / PIECE] = algo_quadratic_rows(j->g->gemm, j->d + r0 * k, r1 - r0, j->h, k,
                                             j->y + (int64_t)i_thread * PIECE * QUADRATIC_BLOCK);
}

int algo_quadratic(const struct algo_group *g, const float *d, int64_t n, const float *h, double *sum, struct err *e)
{
    size_t mark = arena_mark(g->arena);
    int64_t n_pieces = (n + PIECE - 1) / PIECE;
    struct quadratic_job j = {.g = g, .d = d, .h = h};
    j.y = arena_alloc_n(g->arena, (size_t)pool_n_threads(g->pool) * PIECE, QUADRATIC_BLOCK * sizeof *j.y);
    j.sum = arena_alloc_n(g->arena, (size_t)n_pieces, sizeof *j.sum);
    if (!j.y || !j.sum)
        return err_nomem(e, (unsigned long long)PIECE * QUADRATIC_BLOCK * sizeof *j.y, "an error measure");
    pool_for(g->pool, n, PIECE, quadratic_rows, &j);
    *sum = 0;
    for (int64_t i = 0; i < n_pieces; i++)
        *sum += j.sum[i];
    arena_reset(g->arena, mark);
    return 0;
}

struct rows_job {
    const struct algo_target *t;
    const float *w;
    const struct wstat *stat;
    atomic_int rc; /* the first failure */
};

static void encode_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    struct rows_job *j = arg;
    struct qmat *q = j->t->q;
    struct arena *a = arena_new(); /* rows of a piece are enough to pay for it */
    (void)i_thread;
    int rc = a ? q->codec->encode(q, r0, r1, j->w + r0 * q->k, j->stat, NULL, a) : ERR_NOMEM;
    if (rc)
        atomic_store(&j->rc, rc);
    arena_free(a);
}

int algo_encode_rows(const struct algo_target *t, const float *w, const struct wstat *stat, struct pool *pool,
                     struct err *e)
{
    struct rows_job j = {.t = t, .w = w, .stat = stat};
    pool_for(pool, t->q->n, 64, encode_rows, &j);
    int rc = atomic_load(&j.rc);
    return rc ? err_set(e, rc, "it cannot be encoded as %s", t->q->codec->name) : 0;
}
