/* GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022):
 * columns are rounded one by one, and what each rounding spoils is made up for by the columns still to come.
 *
 * With H = X^T X of the inputs and U^T U = H^-1 (upper U), the best correction of row w after column i is
 * w_j -= (w_i - q_i) / U_ii * U_ij for j > i. Rows do not depend on each other: they are shared out over the threads, a
 * piece at a time. The correction is applied at once inside a block of columns, and behind it for all rows of the piece
 * in one product of matrices. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/quant/algorithm.h"
#include "bench/quant/calib.h"
#include "bench/quant/factors.h"
#include "bench/quant/linalg.h"
#include "bench/quant/solve.h"
#include "kernels/formats/gptq.h"
#include "kernels/kernels.h"

static const double damping = 0.01; /* of the mean diagonal; as much again until the factor exists */
enum { MAX_DAMPINGS = 100 };

struct by_weight {
    float weight;
    uint32_t column;
};

static int heavier_first(const void *a, const void *b)
{
    const struct by_weight *x = a, *y = b;
    return x->weight != y->weight ? (x->weight < y->weight) - (x->weight > y->weight)
                                  : (x->column > y->column) - (x->column < y->column);
}

int solve_order(uint32_t *column, const float *gram, int64_t k, bool by_activation, struct arena *a)
{
    struct by_weight *list = arena_alloc_n(a, (size_t)k, sizeof *list);
    if (!list)
        return ERR_NOMEM;
    for (int64_t i = 0; i < k; i++)
        list[i] = (struct by_weight){gram[i * k + i], (uint32_t)i};
    if (by_activation)
        qsort(list, (size_t)k, sizeof *list, heavier_first);
    for (int64_t i = 0; i < k; i++)
        column[i] = list[i].column;
    return 0;
}

/* The damped statistic in the order of the solve; columns that never carried anything get a diagonal of 1. */
static void damped(double *h, const uint32_t *column, const float *gram, int64_t k, double extra)
{
    double mean = 0;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < k; j++)
            h[i * k + j] = (double)gram[(int64_t)column[i] * k + column[j]];
    for (int64_t i = 0; i < k; i++) {
        if (h[i * k + i] == 0)
            h[i * k + i] = 1;
        mean += h[i * k + i] / (double)k;
    }
    for (int64_t i = 0; i < k; i++)
        h[i * k + i] += extra * mean;
}

int solve_factor(float *upper, const float *gram, int64_t k, double damp, bool by_activation, struct err *e)
{
    struct arena *a = arena_new();
    uint32_t *column = a ? arena_alloc_n(a, (size_t)k, sizeof *column) : NULL;
    double *h = a ? arena_alloc_n(a, (size_t)k * (size_t)k, sizeof *h) : NULL;
    int rc = ERR_DATA;
    if (!column || !h || solve_order(column, gram, k, by_activation, a) < 0)
        rc = err_nomem(e, (unsigned long long)k * (unsigned long long)k * sizeof *h, "the statistics of a matrix");
    for (int i = 1; i <= MAX_DAMPINGS && rc == ERR_DATA; i++) {
        damped(h, column, gram, k, i == 1 ? damp : damp + (i - 1) * damping);
        rc = linalg_inverse_factor(h, k, e);
    }
    for (int64_t i = 0; i < k && rc == 0; i++)
        for (int64_t j = i; j < k; j++)
            *upper++ = (float)h[i * k + j];
    arena_free(a);
    return rc;
}

int solve_prepare(struct solve *s, const struct algo_group *g, double damp, bool by_activation, struct err *e)
{
    const size_t k = (size_t)g->k;
    const float *gram = g->cal->gram, *upper = factors_find(g, damp, by_activation);
    s->k = g->k;
    s->column = arena_alloc_n(g->arena, k, sizeof *s->column);
    s->dead = arena_alloc_n(g->arena, k, sizeof *s->dead);
    s->u = arena_alloc_n(g->arena, k * k, sizeof *s->u);
    s->l = arena_alloc_n(g->arena, k * k, sizeof *s->l);
    float *own = upper ? NULL : arena_alloc_n(g->arena, k * (k + 1) / 2, sizeof *own);
    if (!s->column || !s->dead || !s->u || !s->l || (!upper && !own) ||
        solve_order(s->column, gram, s->k, by_activation, g->arena) < 0)
        return err_nomem(e, k * k * sizeof(float), "the statistics of a matrix");
    int rc = own ? solve_factor(own, gram, s->k, damp, by_activation, e) : 0;
    upper = own ? own : upper;
    for (int64_t i = 0; i < s->k && rc == 0; i++) {
        s->dead[i] = gram[(int64_t)s->column[i] * s->k + s->column[i]] == 0;
        for (int64_t j = i; j < s->k; j++)
            s->u[i * s->k + j] = s->l[j * s->k + i] = *upper++;
    }
    return rc;
}

void solve_gather(const struct solve *s, float *dst, const float *w)
{
    for (int64_t i = 0; i < s->k; i++)
        dst[i] = s->dead[i] ? 0 : w[s->column[i]];
}

void solve_block(const struct solve *s, float *w, float *error, const struct solve_grid *grid, void *arg, int64_t b0,
                 int64_t b1)
{
    for (int64_t i = b0; i < b1; i++) {
        const float *u = s->u + i * s->k;
        float q = grid->round(arg, w, i);
        error[i - b0] = (w[i] - q) / u[i];
        for (int64_t j = i; j < b1; j++)
            w[j] -= error[i - b0] * u[j];
    }
}

void solve_behind(const struct solve *s, const struct kernel *gemm, float *w, const float *error, float *y,
                  int64_t n_rows, int64_t b0, int64_t b1)
{
    const int64_t k = s->k, left = k - b1;
    if (left == 0)
        return;
    gemm->gemm_f32(y, left, error, SOLVE_BLOCK, s->l + b1 * k + b0, k, n_rows, left, b1 - b0);
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t j = 0; j < left; j++)
            w[r * k + b1 + j] -= y[r * left + j];
}

enum { RING = 32 }; /* more than the groups of 8 that touch a block */
struct row {
    const struct qmat *q;
    int64_t r;
    struct grid grid[RING]; /* group g at g % RING */
    uint8_t *code;
};

static void fit_groups(void *arg, const float *w, int64_t b0, int64_t b1)
{
    struct row *row = arg;
    const struct qpar *par = &row->q->seg->q;
    int64_t len = group_size(row->q);
    for (int64_t g = (b0 + len - 1) / len; g * len < b1; g++) {
        row->grid[g % RING] = gptq_grid(w + g * len, group_size_of(row->q, g), par->bits, par->sym);
        gptq_store(row->q, row->r, g, row->grid[g % RING]);
    }
}

static float round_column(void *arg, const float *w, int64_t i)
{
    struct row *row = arg;
    struct grid grid = row->grid[i / group_size(row->q) % RING];
    float code = gptq_code(grid, row->q->seg->q.bits, w[i]);
    row->code[i] = (uint8_t)code;
    return grid.scale * (code - grid.zero);
}

struct gptq_job {
    const struct solve *s;
    const struct algo_target *t;
    const struct kernel *gemm;
    float *w, *y, *error; /* per thread: [SOLVE_ROWS][k] twice, [SOLVE_ROWS][SOLVE_BLOCK] */
    uint8_t *code;        /* per thread: [SOLVE_ROWS][k] */
};

static void solve_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    static const struct solve_grid grid = {fit_groups, round_column};
    const struct gptq_job *j = arg;
    const int64_t k = j->s->k, piece = (int64_t)i_thread * SOLVE_ROWS;
    float *w = j->w + piece * k, *error = j->error + piece * SOLVE_BLOCK;
    struct row row[SOLVE_ROWS];
    for (int64_t i = 0; i < r1 - r0; i++) {
        row[i] = (struct row){.q = j->t->q, .r = r0 + i, .code = j->code + (piece + i) * k};
        solve_gather(j->s, w + i * k, j->t->w + (r0 + i) * k);
    }
    for (int64_t b0 = 0; b0 < k; b0 += SOLVE_BLOCK) {
        int64_t b1 = b0 + SOLVE_BLOCK < k ? b0 + SOLVE_BLOCK : k;
        for (int64_t i = 0; i < r1 - r0; i++) {
            grid.begin(&row[i], w + i * k, b0, b1);
            solve_block(j->s, w + i * k, error + i * SOLVE_BLOCK, &grid, &row[i], b0, b1);
        }
        solve_behind(j->s, j->gemm, w, error, j->y + piece * k, r1 - r0, b0, b1);
    }
    for (int64_t i = 0; i < r1 - r0; i++)
        bits_pack(codec_row(j->t->q, r0 + i), row[i].code, (int)k, j->t->q->seg->q.bits);
}

static int encode(const struct algo_group *g, bool by_activation, struct err *e)
{
    struct solve s;
    size_t rows = (size_t)pool_n_threads(g->pool) * SOLVE_ROWS; /* in work at a time */
    struct gptq_job j = {.s = &s, .gemm = g->gemm};
    int rc = solve_prepare(&s, g, damping, by_activation, e);
    if (rc)
        return rc;
    j.w = arena_alloc_n(g->arena, rows * (size_t)g->k, sizeof *j.w);
    j.y = arena_alloc_n(g->arena, rows * (size_t)g->k, sizeof *j.y);
    j.error = arena_alloc_n(g->arena, rows * SOLVE_BLOCK, sizeof *j.error);
    j.code = arena_alloc_n(g->arena, rows, (size_t)g->k);
    if (!j.w || !j.y || !j.error || !j.code)
        return err_nomem(e, rows * (size_t)g->k * sizeof *j.w, "rows to solve");
    for (int i = 0; i < g->n; i++) {
        j.t = &g->target[i];
        uint8_t *perm = j.t->q->plane[PLANE_PERM].p;
        for (int64_t c = 0; c < g->k && perm; c++)
            wr_u32le(perm + 4 * c, s.column[c]);
        pool_for(g->pool, j.t->q->n, SOLVE_ROWS, solve_rows, &j);
    }
    return 0;
}

static int encode_in_place(const struct algo_group *g, struct err *e)
{
    return encode(g, false, e);
}

static int encode_ordered(const struct algo_group *g, struct err *e)
{
    return encode(g, true, e);
}

static int layout_ordered(struct qmat *q, struct err *e)
{
    (void)e;
    group_share_plane(q, PLANE_PERM, 4 * (size_t)q->k);
    return 0;
}

const struct algorithm algorithm_gptq = {.name = "gptq",
                                         .doc = "rounding errors made up for by later columns, in file order",
                                         .codec = "gptq",
                                         .needs = CALIB_GRAM,
                                         .encode = encode_in_place};
const struct algorithm algorithm_gptq_act_order = {.name = "gptq_act_order",
                                                   .doc = "GPTQ, the columns with the largest inputs first",
                                                   .codec = "gptq",
                                                   .needs = CALIB_GRAM,
                                                   .layout = layout_ordered,
                                                   .encode = encode_ordered};
