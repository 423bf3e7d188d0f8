/* Steps of half-quadratic quantization, four groups side by side in the lanes of a register: each lane adds in the
 * order of its group, so that the sums are those of the packages (half_quadratic.h). */
#include "kernels/formats/half_quadratic.h"
#include <math.h>
#include "base/pool.h"
#include "kernels/formats/vec4.h"

enum { LANES = 4, PIECE = 64 /* times four groups that a thread takes */ };
typedef double pair __attribute__((vector_size(16)));

static inline float code_of(const struct half_quadratic *g, float x, float top)
{
    return clampf(fit_round(x * g->inverse + g->zero), 0, top);
}

struct step {
    const struct half_quadratic_job *job;
    float inverse_beta, least; /* errors below least leave nothing, which needs no power to see */
};

static double step_one(struct half_quadratic *g, const float *x, const struct step *t)
{
    const struct half_quadratic_job *j = t->job;
    float moved = 0;
    double error = 0;
    for (int64_t i = 0; i < j->len; i++) {
        float q = code_of(g, x[i], j->top), e = x[i] - (q - g->zero) / g->inverse, size = fabsf(e);
        float kept = size < t->least ? 0 : size - t->inverse_beta * powf(size + j->tiny, -0.3f);
        kept = kept > 0 ? copysignf(kept, e) : 0;
        moved += q - (x[i] - kept) * g->inverse;
        error += (double)size;
    }
    g->zero = moved / (float)j->len;
    return error;
}

struct lanes {
    v4 inverse, zero, moved, most;
    pair error[2];
};

/* What one weight of each lane adds where nothing stays of its error. */
static inline void step_column(struct lanes *s, v4 x, v4 top)
{
    const mask4 magnitude = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    v4 q = v4_round(x * s->inverse + s->zero), none = v4_of(0);
    q = v4_pick(q < none, none, v4_pick(q > top, top, q));
    v4 size = (v4)((mask4)(x - (q - s->zero) / s->inverse) & magnitude);
    s->moved += q - x * s->inverse;
    s->most = v4_pick(size > s->most, size, s->most);
    s->error[0] += (pair){(double)size[0], (double)size[1]};
    s->error[1] += (pair){(double)size[2], (double)size[3]};
}

static struct lanes step_lanes(const struct half_quadratic *g, const float *x, int64_t len, float top)
{
    struct lanes s = {.inverse = {g[0].inverse, g[1].inverse, g[2].inverse, g[3].inverse},
                      .zero = {g[0].zero, g[1].zero, g[2].zero, g[3].zero}};
    int64_t i = 0;
    for (; i + LANES <= len; i += LANES) {
        v4 a = v4_load(x + i), b = v4_load(x + len + i), c = v4_load(x + 2 * len + i), d = v4_load(x + 3 * len + i);
        for (int l = 0; l < LANES; l++)
            step_column(&s, (v4){a[l], b[l], c[l], d[l]}, v4_of(top));
    }
    for (; i < len; i++)
        step_column(&s, (v4){x[i], x[len + i], x[2 * len + i], x[3 * len + i]}, v4_of(top));
    return s;
}

/* Four groups at a time [i0, i1); the last few of all one by one. */
static void step_groups(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct step *t = arg;
    const struct half_quadratic_job *j = t->job;
    (void)i_thread;
    for (int64_t i = LANES * i0; i < LANES * i1 && i < j->n; i += LANES) {
        struct half_quadratic *g = j->group + i;
        const float *x = j->x + i * j->len;
        int64_t n = j->n - i < LANES ? j->n - i : LANES;
        struct lanes s = {.most = v4_of(INFINITY)};
        if (n == LANES)
            s = step_lanes(g, x, j->len, j->top);
        for (int64_t l = 0; l < n; l++) {
            if (s.most[l] < t->least) {
                g[l].zero = s.moved[l] / (float)j->len;
                j->error[i + l] = s.error[l / 2][l % 2];
            } else {
                j->error[i + l] = step_one(&g[l], x + l * j->len, t);
            }
        }
    }
}

double half_quadratic_step(const struct half_quadratic_job *j, float inverse_beta)
{
    /* |e|^1.3 < inverse_beta, with a margin far above what rounding and tiny can do */
    struct step t = {j, inverse_beta, 0.98f * powf(inverse_beta, 1 / 1.3f)};
    double error = 0;
    pool_for(j->pool, (j->n + LANES - 1) / LANES, PIECE, step_groups, &t);
    for (int64_t i = 0; i < j->n; i++)
        error += j->error[i];
    return error;
}

struct store {
    const struct half_quadratic_job *job;
    const struct group_rule *rule;
    struct qmat *q;
    int64_t r0, per_row;
    uint8_t *code;     /* per thread: [codes of a row + 8] */
    struct grid *grid; /* per thread: [per_row] */
};

static void store_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct store *s = arg;
    const struct half_quadratic_job *j = s->job;
    const int64_t n = s->per_row;
    uint8_t *code = s->code + i_thread * (n * j->len + 8);
    struct grid *grid = s->grid + i_thread * n;
    for (int64_t r = r0; r < r1; r++) {
        for (int64_t i = 0; i < n; i++) {
            const struct half_quadratic g = j->group[r * n + i];
            const float *x = j->x + (r * n + i) * j->len;
            for (int64_t c = 0; c < j->len; c++)
                code[i * j->len + c] = (uint8_t)code_of(&g, x[c], j->top);
            grid[i] = (struct grid){1 / g.inverse, g.zero};
        }
        group_store_row(s->rule, s->q, s->r0 + r, code, grid);
    }
}

int half_quadratic_store(const struct half_quadratic_job *j, const struct group_rule *rule, struct qmat *q, int64_t r0,
                         int64_t n_rows, struct arena *a)
{
    struct store s = {.job = j, .rule = rule, .q = q, .r0 = r0, .per_row = j->n / n_rows};
    size_t n_threads = (size_t)pool_n_threads(j->pool);
    s.code = arena_alloc_n(a, n_threads, (size_t)(s.per_row * j->len) + 8);
    s.grid = arena_alloc_n(a, n_threads * (size_t)s.per_row, sizeof *s.grid);
    if (!s.code || !s.grid)
        return ERR_NOMEM;
    pool_for(j->pool, n_rows, 16, store_rows, &s);
    return 0;
}
