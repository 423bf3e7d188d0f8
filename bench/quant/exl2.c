/* The grid of EXL2 with GPTQ's solve: columns by falling activation, damping 0.12, scales fitted group by group to the
 * weights as they then are, times the multiplier of 0.70 to 1.2 with the least sum of |error|^3.5. The widths of each
 * matrix are chosen by exl2_plan.c, which is not how ExLlamaV2 chooses them: this is "EXL2-grid", not EXL2. */
#include <math.h>
#include <string.h>
#include "bench/quant/algorithm.h"
#include "bench/quant/calib.h"
#include "bench/quant/exl2_plan.h"
#include "bench/quant/solve.h"
#include "kernels/formats/exl2.h"
#include "kernels/formats/fit.h"

enum { N_MULTIPLIERS = 97 };
static const double damping = 0.12;

struct exl2_job {
    const struct solve *s;
    const struct algo_target *t;
    struct exl2_group at;
    int64_t g;
    float largest;    /* as stored */
    float *w;         /* [n][k] in the order of positions, corrected on the way */
    float *scale;     /* [n] of this group */
    float *error, *y; /* per thread: [SOLVE_ROWS][SOLVE_BLOCK], [SOLVE_ROWS][k] */
    const struct kernel *gemm;
    double *sum; /* [pieces of rows][N_MULTIPLIERS] */
};

static void gather_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct exl2_job *j = arg;
    (void)i_thread;
    for (int64_t r = r0; r < r1; r++)
        solve_gather(j->s, j->w + r * j->s->k, j->t->w + r * j->s->k);
}

static float row_max(const struct exl2_job *j, int64_t r)
{
    const float *w = j->w + r * j->s->k + j->at.k0;
    return (range_absmax(w, j->at.len) + 1e-12f) / (((float)(1 << j->at.bits) - 1) / 2);
}

static float code_of(float w, float scale, int bits)
{
    float middle = (float)(1 << (bits - 1));
    return scale > 0 ? clampf(fit_round(w / scale) + middle, 0, 2 * middle - 1) : middle;
}

enum { LANES = 8, PIECE = 16 /* rows whose errors are added together */ };

/* Sum of |error|^3.5 = e^3 sqrt(e), in lanes that a compiler turns into SIMD. */
static float error_of(const float *w, int n, float scale, float middle)
{
    float sum[LANES] = {0}, inverse = 1 / scale;
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float e = fabsf(clampf(fit_round(w[i + l] * inverse), -middle, middle - 1) * scale - w[i + l]);
            sum[l] += e * e * e * sqrtf(e);
        }
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static float multiplier(int p)
{
    return 0.7f + 0.5f * (float)p / (N_MULTIPLIERS - 1);
}

/* Of one piece of rows, the error under each multiplier. */
static void error_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct exl2_job *j = arg;
    double *sum = j->sum + r0 / PIECE * N_MULTIPLIERS;
    (void)i_thread;
    memset(sum, 0, N_MULTIPLIERS * sizeof *sum);
    for (int64_t r = r0; r < r1; r++)
        for (int p = 0; p < N_MULTIPLIERS; p++)
            sum[p] += (double)error_of(j->w + r * j->s->k + j->at.k0, j->at.len,
                                       j->scale[r] * (j->largest * multiplier(p)), (float)(1 << (j->at.bits - 1)));
}

/* The largest scale, with the multiplier that leaves least error. */
static float best_largest(const struct algo_group *g, struct exl2_job *j, float most)
{
    double least = INFINITY;
    float best = most;
    j->largest = most;
    pool_for(g->pool, j->t->q->n, PIECE, error_rows, j);
    for (int p = 0; p < N_MULTIPLIERS; p++) {
        double sum = 0;
        for (int64_t r = 0; r < j->t->q->n; r += PIECE)
            sum += j->sum[r / PIECE * N_MULTIPLIERS + p];
        if (sum < least) {
            least = sum;
            best = most * multiplier(p);
        }
    }
    return best;
}

/* Nibbles by the largest weight of each row, then the multiplier of the group's maximum. */
static void fit_group(const struct algo_group *g, struct exl2_job *j)
{
    struct qmat *q = j->t->q;
    float most = 0;
    for (int64_t r = 0; r < q->n; r++)
        most = fmaxf(most, j->scale[r] = row_max(j, r));
    for (int64_t r = 0; r < q->n; r++) {
        float c = clampf(fit_round(16 * sqrtf(j->scale[r] / most)), 1, 16);
        j->scale[r] = c * c / 256;
        if (j->g == 0)
            memset(group_scales(q, r), 0, q->plane[PLANE_SCALE].row_stride);
        bits_set(group_scales(q, r), j->g, 4, (unsigned)c - 1);
    }
    float best = best_largest(g, j, most);
    wr_u16le(q->plane[PLANE_BIAS].p + 2 * j->g, f32_to_f16(best));
    wr_u16le(q->plane[PLANE_BOOK].p + 4 * j->g, (uint16_t)j->at.bits);
    wr_u16le(q->plane[PLANE_BOOK].p + 4 * j->g + 2, (uint16_t)(j->at.at / 4));
    j->largest = f16_round(best);
}

struct exl2_row {
    float scale;
    int bits;
    int64_t k0;
    uint8_t code[SOLVE_BLOCK];
};

static float round_column(void *arg, const float *w, int64_t i)
{
    struct exl2_row *row = arg;
    float code = code_of(w[i], row->scale, row->bits);
    row->code[i - row->k0] = (uint8_t)code;
    return f16_round((code - (float)(1 << (row->bits - 1))) * row->scale);
}

static void solve_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    static const struct solve_grid grid = {.round = round_column};
    const struct exl2_job *j = arg;
    const struct qmat *q = j->t->q;
    float *error = j->error + (int64_t)i_thread * SOLVE_ROWS * SOLVE_BLOCK;
    for (int64_t r = r0; r < r1; r++) {
        const uint8_t *nibbles = q->plane[PLANE_SCALE].p + (size_t)r * q->plane[PLANE_SCALE].row_stride;
        struct exl2_row row = {
            .scale = exl2_scale(bits_get(nibbles, j->g, 4), j->largest), .bits = j->at.bits, .k0 = j->at.k0};
        solve_block(j->s, j->w + r * j->s->k, error + (r - r0) * SOLVE_BLOCK, &grid, &row, j->at.k0,
                    j->at.k0 + j->at.len);
        bits_pack(codec_row(q, r) + j->at.at, row.code, j->at.len, j->at.bits);
    }
    solve_behind(j->s, j->gemm, j->w + r0 * j->s->k, error, j->y + (int64_t)i_thread * SOLVE_ROWS * j->s->k, r1 - r0,
                 j->at.k0, j->at.k0 + j->at.len);
}

static int encode(const struct algo_group *g, struct err *e)
{
    struct solve s;
    int64_t rows = 0;
    int rc = solve_prepare(&s, g, damping, true, e);
    if (rc)
        return rc;
    for (int t = 0; t < g->n; t++)
        rows = g->target[t].q->n > rows ? g->target[t].q->n : rows;
    struct exl2_job j = {.s = &s, .gemm = g->gemm};
    j.w = arena_alloc_n(g->arena, (size_t)rows * (size_t)g->k, sizeof *j.w);
    j.scale = arena_alloc_n(g->arena, (size_t)rows, sizeof *j.scale);
    j.sum = arena_alloc_n(g->arena, (size_t)(rows + PIECE - 1) / PIECE * N_MULTIPLIERS, sizeof *j.sum);
    size_t work = (size_t)pool_n_threads(g->pool) * SOLVE_ROWS; /* rows at a time */
    j.error = arena_alloc_n(g->arena, work * SOLVE_BLOCK, sizeof *j.error);
    j.y = arena_alloc_n(g->arena, work * (size_t)g->k, sizeof *j.y);
    if (!j.w || !j.scale || !j.sum || !j.error || !j.y)
        return err_nomem(e, (unsigned long long)rows * (unsigned long long)g->k * sizeof *j.w, "a matrix to solve");
    for (int t = 0; t < g->n; t++) {
        j.t = &g->target[t];
        struct qmat *q = j.t->q;
        for (int64_t c = 0; c < g->k; c++)
            wr_u32le(q->plane[PLANE_PERM].p + 4 * c, s.column[c]);
        pool_for(g->pool, q->n, 4, gather_rows, &j);
        for (j.g = 0; j.g * q->seg->q.group < g->k; j.g++) {
            j.at = exl2_group(q, j.g);
            fit_group(g, &j);
            pool_for(g->pool, q->n, SOLVE_ROWS, solve_rows, &j);
        }
    }
    return 0;
}

const struct algorithm algorithm_exl2 = {.name = "exl2",
                                         .doc = "the grid of EXL2 with GPTQ's solve, widths by measured error",
                                         .codec = "exl2",
                                         .needs = CALIB_GRAM,
                                         .encode = encode,
                                         .plan = exl2_plan};
