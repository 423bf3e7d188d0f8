/* The table of algorithms, and the error measure they share. */
#include "bench/quant/algorithm.h"
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

enum { PIECE = 128 };
struct quadratic_job {
    const struct algo_group *g;
    const float *d, *h;
    float *y;    /* [threads][PIECE][k] */
    double *sum; /* [pieces] */
};

static void quadratic_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct quadratic_job *j = arg;
    int64_t k = j->g->k;
    float *y = j->y + i_thread * PIECE * k;
    const float *d = j->d + r0 * k;
    j->g->gemm->gemm_f32(y, k, d, k, j->h, k, r1 - r0, k, k); /* H is symmetric */
    double sum = 0;
    for (int64_t i = 0; i < (r1 - r0) * k; i++)
        sum += (double)(y[i] * d[i]);
    j->sum[r0 / PIECE] = sum;
}

int algo_quadratic(const struct algo_group *g, const float *d, int64_t n, const float *h, double *sum, struct err *e)
{
    size_t mark = arena_mark(g->arena);
    int64_t n_pieces = (n + PIECE - 1) / PIECE;
    struct quadratic_job j = {.g = g, .d = d, .h = h};
    j.y = arena_alloc_n(g->arena, (size_t)pool_n_threads(g->pool) * PIECE * (size_t)g->k, sizeof *j.y);
    j.sum = arena_alloc_n(g->arena, (size_t)n_pieces, sizeof *j.sum);
    if (!j.y || !j.sum)
        return err_nomem(e, (unsigned long long)PIECE * (unsigned long long)g->k * sizeof *j.y, "an error measure");
    pool_for(g->pool, n, PIECE, quadratic_rows, &j);
    *sum = 0;
    for (int64_t i = 0; i < n_pieces; i++)
        *sum += j.sum[i];
    arena_reset(g->arena, mark);
    return 0;
}
