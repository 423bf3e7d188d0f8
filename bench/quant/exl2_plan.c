/* Which widths of EXL2 each matrix gets, so that all of them together meet a number of bits per weight.
 *
 * For every preset the error that it makes in the matrix's outputs is measured, relative to the outputs: plain rounding
 * of a sample of rows, columns in the order of the solve, tr(D H D^T) / tr(W H W^T). Then every matrix starts at its
 * smallest preset, and the budget is spent where it takes most error away per bit, along each matrix's lower hull. No
 * chance is involved. ExLlamaV2 measures whole blocks and anneals; its presets have up to three widths and lengths of
 * group, of which those of one length are here. */
#include <math.h>
#include <string.h>
#include "bench/quant/algorithm.h"
#include "bench/quant/calib.h"
#include "bench/quant/exl2_plan.h"
#include "bench/quant/factors.h"
#include "bench/quant/recipe.h"
#include "bench/quant/solve.h"
#include "kernels/kernels.h"

#define PRESET(b, g, wide, percent)                                                                                    \
    {                                                                                                                  \
        .bits = b, .group = g, .wide_bits = wide, .wide_percent = percent                                              \
    }
static const struct qpar presets[] = {
    PRESET(2, 64, 3, 5),  PRESET(2, 64, 3, 30),  PRESET(3, 128, 4, 10), PRESET(3, 32, 4, 25), PRESET(4, 128, 0, 0),
    PRESET(4, 32, 0, 0),  PRESET(4, 128, 5, 25), PRESET(4, 32, 5, 10),  PRESET(5, 64, 0, 0),  PRESET(5, 32, 6, 10),
    PRESET(6, 128, 0, 0), PRESET(6, 32, 0, 0),   PRESET(6, 128, 8, 15), PRESET(8, 128, 0, 0)};
#undef PRESET
enum { N_PRESETS = sizeof presets / sizeof *presets, N_SAMPLE = 256 };

struct choice {
    int tensor, n, at; /* options on the hull, the one taken */
    struct {
        double bits, error;
        int preset;
    } option[N_PRESETS];
};

struct sample {
    const struct kernel *gemm;
    int64_t n, k;
    const float *w, *h;      /* [n][k], [k][k], both in the order of the solve */
    float *d, *y;            /* per thread: [n][k], [n][QUADRATIC_BLOCK] */
    double error[N_PRESETS]; /* NaN: out of memory */
};

static void measure_presets(void *arg, int64_t p0, int64_t p1, int i_thread)
{
    struct sample *s = arg;
    float *d = s->d + i_thread * s->n * s->k, *y = s->y + i_thread * s->n * QUADRATIC_BLOCK;
    for (int64_t p = p0; p < p1; p++) {
        struct qmat q;
        int rc = codec_exl2.layout(&q, s->n, s->k, &presets[p], NULL);
        if (!rc && !(rc = qmat_alloc(&q, NULL))) {
            rc = codec_exl2.encode_all(&q, s->w, NULL, NULL);
            codec_exl2.decode(d, &q, 0, s->n);
            qmat_free(&q);
        }
        for (int64_t i = 0; i < s->n * s->k && !rc; i++)
            d[i] -= s->w[i];
        s->error[p] = rc ? NAN : algo_quadratic_rows(s->gemm, d, s->n, s->h, s->k, y);
    }
}

/* Rows evenly over the matrix and the gram matrix, columns with the largest inputs first. */
static int take_sample(struct sample *s, const struct algo_plan *p, int i, struct arena *a)
{
    const struct qmat *src = &p->m->d.tensor[i].src;
    const float *gram = p->cal->tensor[i]->gram;
    const size_t k = (size_t)src->k, n_threads = (size_t)pool_n_threads(p->pool);
    s->k = src->k;
    s->n = src->n < N_SAMPLE ? src->n : N_SAMPLE;
    const size_t n = (size_t)s->n;
    uint32_t *column = arena_alloc_n(a, k, sizeof *column);
    float *w = arena_alloc_n(a, n * k, sizeof *w), *h = arena_alloc_n(a, k * k, sizeof *h);
    float *row = arena_alloc_n(a, k, sizeof *row);
    s->d = arena_alloc_n(a, n_threads * n * k, sizeof *s->d);
    s->y = arena_alloc_n(a, n_threads * n, QUADRATIC_BLOCK * sizeof *s->y);
    if (!column || !w || !h || !row || !s->d || !s->y || solve_order(column, gram, s->k, true, a))
        return ERR_NOMEM;
    for (int64_t r = 0; r < s->n; r++) {
        int64_t at = r * src->n / s->n;
        src->codec->decode(row, src, at, at + 1);
        for (int64_t c = 0; c < s->k; c++)
            w[r * s->k + c] = row[column[c]];
    }
    for (int64_t c = 0; c < s->k; c++)
        for (int64_t j = 0; j < s->k; j++)
            h[c * s->k + j] = gram[(int64_t)column[c] * s->k + column[j]];
    s->w = w;
    s->h = h;
    return 0;
}

/* By falling error from the fewest bits on, each step worth less per bit than the one before. */
static void add_option(struct choice *c, double bits, double error, int preset)
{
    if (c->n > 0 && error >= c->option[c->n - 1].error)
        return;
    while (c->n > 1 && (c->option[c->n - 2].error - error) * (c->option[c->n - 1].bits - c->option[c->n - 2].bits) >=
                           (c->option[c->n - 2].error - c->option[c->n - 1].error) * (bits - c->option[c->n - 2].bits))
        c->n--;
    if (c->n > 0 && c->option[c->n - 1].bits >= bits)
        c->n--;
    c->option[c->n].bits = bits;
    c->option[c->n].error = error;
    c->option[c->n++].preset = preset;
}

static double bits_of(const struct qmat *src, int preset)
{
    struct qmat q;
    return codec_exl2.layout(&q, src->n, src->k, &presets[preset], NULL) ? INFINITY : 8 * (double)qmat_bytes(&q);
}

static int measure_matrix(double error[N_PRESETS], const struct algo_plan *p, int i, struct err *e)
{
    struct sample s = {.gemm = kernel_find(OP_GEMM_F32, NULL, NULL, p->cal->isa)};
    struct arena *a = arena_new();
    double whole = 0;
    int rc = a ? take_sample(&s, p, i, a) : ERR_NOMEM;
    if (rc == 0) {
        whole = algo_quadratic_rows(s.gemm, s.w, s.n, s.h, s.k, s.y);
        pool_for(p->pool, N_PRESETS, 1, measure_presets, &s);
    }
    for (int o = 0; o < N_PRESETS && rc == 0; o++)
        rc = isnan(s.error[o]) ? ERR_NOMEM : 0;
    arena_free(a);
    if (rc)
        return err_set(e, rc, "the widths of %s cannot be measured", p->m->d.tensor[i].name);
    memcpy(error, s.error, sizeof s.error);
    for (int o = 0; o < N_PRESETS; o++)
        error[o] = whole > 0 ? error[o] / whole : 0;
    return 0;
}

/* Relative errors of all presets: those of an earlier format where there was one. */
static int errors_of(double **error, const struct algo_plan *p, int i, struct err *e)
{
    struct kept *kept = p->cal->kept;
    int n = p->m->d.n_tensors;
    if (!kept->width_error) {
        kept->width_error = arena_alloc_n(p->cal->arena, (size_t)n * N_PRESETS, sizeof *kept->width_error);
        if (!kept->width_error)
            return err_nomem(e, (size_t)n * N_PRESETS * sizeof **error, "the errors of widths");
        for (int j = 0; j < n * N_PRESETS; j++)
            kept->width_error[j] = NAN;
    }
    *error = kept->width_error + (ptrdiff_t)i * N_PRESETS;
    return isnan(**error) ? measure_matrix(*error, p, i, e) : 0;
}

static int list_options(struct choice *c, const struct algo_plan *p, int i, struct err *e)
{
    const struct qmat *src = &p->m->d.tensor[i].src;
    double bits[N_PRESETS], *error = NULL;
    int rc = errors_of(&error, p, i, e);
    if (rc)
        return rc;
    *c = (struct choice){.tensor = i};
    bool done[N_PRESETS] = {false};
    for (int o = 0; o < N_PRESETS; o++)
        bits[o] = bits_of(src, o);
    for (int o = 0; o < N_PRESETS; o++) {
        int next = -1;
        for (int j = 0; j < N_PRESETS; j++)
            if (!done[j] && (next < 0 || bits[j] < bits[next]))
                next = j;
        done[next] = true;
        add_option(c, bits[next], error[next], next);
    }
    return 0;
}

static double worth(const struct choice *c)
{
    return (c->option[c->at].error - c->option[c->at + 1].error) / (c->option[c->at + 1].bits - c->option[c->at].bits);
}

static void spend(struct choice *c, int n, double budget)
{
    for (;;) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (c[i].at + 1 < c[i].n && c[i].option[c[i].at + 1].bits - c[i].option[c[i].at].bits <= budget &&
                (best < 0 || worth(&c[i]) > worth(&c[best])))
                best = i;
        if (best < 0)
            return;
        budget -= c[best].option[c[best].at + 1].bits - c[best].option[c[best].at].bits;
        c[best].at++;
    }
}

static bool is_meant(const struct algo_plan *p, int i)
{
    return p->a[i].algorithm == p->algorithm && p->a[i].bpw > 0;
}

/* Bits that all matrices have together, and whether their smallest forms fit. */
static int find_budget(double *budget, const struct algo_plan *p, struct err *e)
{
    double weights = 0, least = 0, bpw = 0;
    for (int i = 0; i < p->m->d.n_tensors; i++) {
        const struct qmat *src = &p->m->d.tensor[i].src;
        double smallest = INFINITY;
        for (int o = 0; o < N_PRESETS && is_meant(p, i); o++)
            smallest = fmin(smallest, bits_of(src, o));
        if (!is_meant(p, i))
            continue;
        bpw = p->a[i].bpw;
        weights += (double)src->n * (double)src->k;
        least += smallest;
    }
    *budget = bpw * weights;
    if (least > *budget)
        return err_set(e, ERR_UNSUPPORTED, "%.4g bits per weight cannot be met: the smallest widths take %.4g here",
                       bpw, least / weights);
    return 0;
}

int exl2_plan(const struct algo_plan *p, struct err *e)
{
    const struct model_desc *d = &p->m->d;
    double budget = 0;
    int n = 0, rc = find_budget(&budget, p, e);
    struct choice *c = mem_alloc_n((size_t)d->n_tensors, sizeof *c);
    if (!c)
        return err_nomem(e, (size_t)d->n_tensors * sizeof *c, "the choice of widths");
    for (int i = 0; i < d->n_tensors && rc == 0; i++) {
        if (!is_meant(p, i))
            continue;
        rc = p->cal->tensor[i] ? list_options(&c[n], p, i, e)
                               : err_set(e, ERR_DATA, "the calibration text never reached %s", d->tensor[i].name);
        budget -= rc ? 0 : c[n++].option[0].bits;
    }
    if (rc == 0)
        spend(c, n, budget);
    for (int i = 0; i < n && rc == 0; i++)
        p->a[c[i].tensor].par = presets[c[i].option[c[i].at].preset];
    mem_free(c);
    return rc;
}
