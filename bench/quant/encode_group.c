/* Encoding by an algorithm: a group of matrices at a time (encode_group.h). */
#include "bench/quant/encode_group.h"
#include "base/mem.h"
#include "bench/quant/algorithm.h"
#include "kernels/kernels.h"

static int check_statistics(const struct algorithm *algo, const struct calibration *cal, int i, struct err *e)
{
    if (!algo->needs)
        return 0;
    if (!cal || (algo->needs & ~cal->have))
        return err_set(e, ERR_USAGE,
                       "%s needs statistics of what flows into the model%s: give --calibration TEXT, a text like those "
                       "that the model will read",
                       algo->name, cal ? " that an importance matrix does not have" : "");
    bool seen = algo->needs == CALIB_EDGES ? cal->input[cal->input_of[i]].n_edges > 0 : cal->tensor[i] != NULL;
    if (!seen)
        return err_set(e, ERR_DATA, "the calibration text never reached this matrix");
    return 0;
}

struct decode_job {
    const struct qmat *src;
    float *w;
};

static void decode_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct decode_job *j = arg;
    (void)i_thread;
    j->src->codec->decode(j->w + r0 * j->src->k, j->src, r0, r1);
}

void decode_matrix(float *w, const struct qmat *src, struct pool *pool)
{
    pool_for(pool, src->n, 16, decode_rows, &(struct decode_job){src, w});
}

static int prepare_target(struct algo_target *t, struct weights *w, int i, const struct use_assign *a,
                          struct algo_group *g, struct err *e)
{
    const struct qmat *src = &w->model->d.tensor[i].src;
    struct qmat q;
    float *x = arena_alloc_n(g->arena, (size_t)src->n * (size_t)src->k, sizeof *x);
    if (!x)
        return err_nomem(e, (unsigned long long)src->n * (unsigned long long)src->k * sizeof *x, "a matrix to encode");
    int rc = a->codec->layout(&q, src->n, src->k, &a->par, e);
    if (rc == 0 && a->algorithm->layout)
        rc = a->algorithm->layout(&q, e);
    if (rc == 0)
        rc = qmat_alloc(&q, e);
    if (rc)
        return rc;
    qmat_share(&w->mat[i], &q);
    decode_matrix(x, src, g->pool);
    *t = (struct algo_target){.q = &w->mat[i], .w = x, .t = &w->model->d.tensor[i]};
    return 0;
}

int plan_algorithms(const struct model *m, struct use_assign *a, const struct calibration *cal, struct pool *pool,
                    struct err *e)
{
    const struct algorithm *last = NULL;
    for (int i = 0; i < m->d.n_tensors; i++) {
        const struct algorithm *algo = a[i].algorithm;
        if (!algo || algo == last || !algo->plan) /* a recipe has one algorithm */
            continue;
        int rc = check_statistics(algo, cal, i, e);
        if (rc == 0)
            rc = algo->plan(&(struct algo_plan){m, algo, a, cal, pool}, e);
        if (rc)
            return rc;
        last = algo;
    }
    return 0;
}

static bool shares_input(const struct calibration *cal, int i, int j)
{
    return cal ? cal->input_of[i] == cal->input_of[j] : i == j;
}

int encode_group(struct weights *w, int i, const struct use_assign *a, const struct calibration *cal, bool done[],
                 struct pool *pool, struct err *e)
{
    const struct algorithm *algo = a[i].algorithm;
    int n = w->model->d.n_tensors, rc = check_statistics(algo, cal, i, e);
    if (rc)
        return rc;
    struct algo_group g = {.d = &w->model->d,
                           .cal = cal ? cal->tensor[i] : NULL,
                           .all = cal,
                           .assign = a,
                           .k = w->model->d.tensor[i].src.k,
                           .pool = pool,
                           .gemm = kernel_find(OP_GEMM_F32, NULL, NULL, cal ? cal->isa : 0),
                           .arena = arena_new()};
    g.target = g.arena ? arena_alloc_n(g.arena, (size_t)n, sizeof *g.target) : NULL;
    if (!g.target)
        rc = err_nomem(e, (size_t)n * sizeof *g.target, "a group of matrices");
    for (int j = i; j < n && rc == 0; j++)
        if (a[j].algorithm == algo && shares_input(cal, i, j) && w->model->d.tensor[j].matrix) {
            rc = prepare_target(&g.target[g.n++], w, j, &a[j], &g, e);
            done[j] = true;
        }
    if (rc == 0)
        rc = algo->encode(&g, e);
    arena_free(g.arena);
    return rc;
}
