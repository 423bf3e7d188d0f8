/* What a codec does to the outputs of a tensor, without running the model (mix_probe.h). */
#include <math.h>
#include "base/mem.h"
#include "bench/quant/mix_probe.h"
#include "kernels/encoders.h"
#include "kernels/kernels.h"

enum { PIECE_ROWS = 16, MOST_PIECES = 48 }; /* of a tensor that has more rows: pieces evenly over them */

struct error_job {
    const struct qmat *src;
    const struct codec *codec;
    const struct calib *cal;
    const float *x;
    int n_x, n_pieces;
    kernel_decode *decode;
    weight_encoder *encode;
    const struct kernel *gemm;
    struct error_worker {
        struct qmat q;
        float *w, *d, *y; /* [PIECE_ROWS][k] the rows, what the codec makes of them; [n_x][PIECE_ROWS] */
        struct arena *scratch;
        int rc;
    } *worker;
    double *sum; /* [n_pieces] */
    int64_t *n_rows;
};

static double sum_squares(const float *v, int64_t n)
{
    double sum[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            sum[l] += (double)(v[i + l] * v[i + l]);
    for (; i < n; i++)
        sum[0] += (double)(v[i] * v[i]);
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static void measure_pieces(void *arg, int64_t p0, int64_t p1, int i_thread)
{
    const struct error_job *j = arg;
    struct error_worker *w = &j->worker[i_thread];
    const int64_t n = j->src->n, k = j->src->k;
    for (int64_t p = p0; p < p1 && !w->rc; p++) {
        int64_t r0 = p * n / j->n_pieces, rows = n - r0 < PIECE_ROWS ? n - r0 : PIECE_ROWS;
        size_t mark = arena_mark(w->scratch);
        j->decode(w->w, j->src, r0, r0 + rows);
        w->rc = j->encode(&w->q, 0, rows, w->w, NULL, j->cal, w->scratch);
        arena_reset(w->scratch, mark);
        if (w->rc)
            return;
        j->codec->decode(w->d, &w->q, 0, rows);
        for (int64_t i = 0; i < rows * k; i++)
            w->d[i] -= w->w[i];
        if (j->x)
            j->gemm->gemm_f32(w->y, PIECE_ROWS, j->x, k, w->d, k, j->n_x, rows, k);
        for (int x = 0; x < j->n_x; x++)
            j->sum[p] += sum_squares(w->y + x * PIECE_ROWS, rows) / j->n_x;
        if (!j->x)
            j->sum[p] = sum_squares(w->d, rows * k);
        j->n_rows[p] = rows;
    }
}

static int take_memory(struct error_job *j, int n_threads, struct arena *a)
{
    const size_t k = (size_t)j->src->k;
    j->worker = arena_alloc_n(a, (size_t)n_threads, sizeof *j->worker);
    j->sum = arena_alloc_n(a, (size_t)j->n_pieces, sizeof *j->sum);
    j->n_rows = arena_alloc_n(a, (size_t)j->n_pieces, sizeof *j->n_rows);
    if (!j->worker || !j->sum || !j->n_rows)
        return ERR_NOMEM;
    for (int i = 0; i < n_threads; i++) {
        struct error_worker *w = &j->worker[i];
        w->scratch = arena_new();
        w->w = arena_alloc_n(a, PIECE_ROWS * k, sizeof *w->w);
        w->d = arena_alloc_n(a, PIECE_ROWS * k, sizeof *w->d);
        w->y = arena_alloc_n(a, PIECE_ROWS * (size_t)(j->n_x + 1), sizeof *w->y);
        if (!w->scratch || !w->w || !w->d || !w->y || j->codec->layout(&w->q, PIECE_ROWS, j->src->k, NULL, NULL) ||
            qmat_alloc(&w->q, NULL))
            return ERR_NOMEM;
    }
    return 0;
}

int mix_error(double *error, const struct model_tensor *t, const struct codec *c, const struct calib *cal,
              const float *x, int n_x, uint64_t isa, struct pool *pool, struct err *e)
{
    struct arena *a = arena_new();
    const int64_t all = (t->src.n + PIECE_ROWS - 1) / PIECE_ROWS;
    const int n_threads = pool_n_threads(pool);
    struct error_job j = {.src = &t->src,
                          .codec = c,
                          .cal = cal,
                          .x = x,
                          .n_x = x ? n_x : 0,
                          .n_pieces = all < MOST_PIECES ? (int)all : MOST_PIECES,
                          .decode = kernel_decoder(t->src.codec, isa),
                          .encode = encoder_find(c, isa),
                          .gemm = kernel_find(OP_GEMM_F32, NULL, NULL, isa)};
    int rc = a ? take_memory(&j, n_threads, a) : ERR_NOMEM;
    double sum = 0, rows = 0;
    if (rc == 0)
        pool_for(pool, j.n_pieces, 1, measure_pieces, &j);
    for (int i = 0; j.worker && i < n_threads; i++) {
        rc = rc ? rc : j.worker[i].rc;
        arena_free(j.worker[i].scratch);
        qmat_free(&j.worker[i].q);
    }
    for (int p = 0; rc == 0 && p < j.n_pieces; p++) {
        sum += j.sum[p];
        rows += (double)j.n_rows[p];
    }
    *error = rows > 0 ? sum * (double)t->src.n / rows : NAN;
    arena_free(a);
    return rc ? err_set(e, rc, "%s: what %s makes of it cannot be measured", t->name, c->name) : 0;
}
