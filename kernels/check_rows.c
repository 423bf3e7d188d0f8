/* Row operations against f64, and against the plain C row bit for bit: lengths that end anywhere within a vector,
 * outlying values, guards behind the output. */
#include "kernels/check_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/os.h"
#include "base/rng.h"
#include "kernels/kernel_rows.h"

enum { MOST = 2080, GUARD = 16, BENCH = 1 << 16, BENCH_REPEATS = 7, N_CASES = 33 };

struct rows_case {
    int64_t n; /* even */
    float x[MOST + GUARD], y[MOST], cs[MOST], sn[MOST];
    float out[MOST + GUARD]; /* begins as x */
    double single;           /* what is not a row */
    double want[MOST], size[MOST], want_single;
};

static void run_norm(const struct row_ops *r, struct rows_case *c)
{
    r->norm(c->out, c->x, c->y, c->n, 1e-5f);
}
static void exact_norm(struct rows_case *c)
{
    double sum = 0;
    for (int64_t i = 0; i < c->n; i++)
        sum += (double)c->x[i] * (double)c->x[i];
    for (int64_t i = 0; i < c->n; i++)
        c->want[i] = (double)c->x[i] / sqrt(sum / (double)c->n + 1e-5) * (double)c->y[i];
}

static void run_add(const struct row_ops *r, struct rows_case *c)
{
    r->add(c->out, c->y, c->n);
}
static void exact_add(struct rows_case *c)
{
    for (int64_t i = 0; i < c->n; i++) {
        c->want[i] = (double)c->x[i] + (double)c->y[i];
        c->size[i] = fabs((double)c->x[i]) + fabs((double)c->y[i]);
    }
}

static void run_rope_neox(const struct row_ops *r, struct rows_case *c)
{
    r->rope_neox(c->out, c->cs, c->sn, c->n / 2);
}
static void run_rope_adjacent(const struct row_ops *r, struct rows_case *c)
{
    r->rope_adjacent(c->out, c->cs, c->sn, c->n / 2);
}
static void exact_rope(struct rows_case *c, int64_t step, int64_t apart)
{
    for (int64_t i = 0; i < c->n / 2; i++) {
        int64_t p = i * step, q = p + apart;
        double a = (double)c->x[p], b = (double)c->x[q], cs = (double)c->cs[i], sn = (double)c->sn[i];
        c->want[p] = a * cs - b * sn;
        c->want[q] = a * sn + b * cs;
        c->size[p] = c->size[q] = fabs(a) + fabs(b);
    }
}
static void exact_rope_neox(struct rows_case *c)
{
    exact_rope(c, 1, c->n / 2);
}
static void exact_rope_adjacent(struct rows_case *c)
{
    exact_rope(c, 2, 1);
}

static void run_silu(const struct row_ops *r, struct rows_case *c)
{
    r->silu(c->out, c->y, c->n);
}
static void exact_silu(struct rows_case *c)
{
    for (int64_t i = 0; i < c->n; i++)
        c->want[i] = (double)c->x[i] / (1 + exp(-(double)c->x[i])) * (double)c->y[i];
}

static void run_gelu(const struct row_ops *r, struct rows_case *c)
{
    r->gelu(c->out, c->y, c->n);
}
static void exact_gelu(struct rows_case *c)
{
    for (int64_t i = 0; i < c->n; i++) {
        double x = (double)c->x[i], u = 0.79788456080286536 * (x + 0.044715 * x * x * x);
        c->want[i] = x / (1 + exp(-2 * u)) * (double)c->y[i];
        c->size[i] = fabs(c->want[i]) * 8 * fabs(u); /* the exponent is rounded, more than once */
    }
}

static void run_relu2(const struct row_ops *r, struct rows_case *c)
{
    r->relu2(c->out, c->y, c->n);
}
static void exact_relu2(struct rows_case *c)
{
    for (int64_t i = 0; i < c->n; i++)
        c->want[i] = c->x[i] > 0 ? (double)c->x[i] * (double)c->x[i] * (double)c->y[i] : 0;
}

static void run_max(const struct row_ops *r, struct rows_case *c)
{
    c->single = (double)r->max(c->x, c->n);
}
/* In f32: gcc 12 for aarch64 breaks off on the same loop with a wider maximum. */
static float largest(const float *x, int64_t n)
{
    float most = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        most = fmaxf(most, x[i]);
    return most;
}
static void exact_max(struct rows_case *c)
{
    c->want_single = largest(c->x, c->n);
}

static void run_exp_scaled(const struct row_ops *r, struct rows_case *c)
{
    c->single = (double)r->exp_scaled(c->out, c->n, 0.125f, largest(c->x, c->n) * 0.125f);
}
static void exact_exp_scaled(struct rows_case *c)
{
    const double most = (double)largest(c->x, c->n) * 0.125;
    for (int64_t i = 0; i < c->n; i++) {
        double e = (double)c->x[i] * 0.125 - most;
        c->want[i] = exp(e);
        c->size[i] = exp(e) * (1 + fabs(e)) + 1e-37; /* the exponent is rounded; e^-87.3 is the least */
        c->want_single += c->want[i];
    }
}

static double log_sum_exp(const float *x, int64_t n)
{
    double most = largest(x, n), sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    return most + log(sum);
}
static void run_normalize(const struct row_ops *r, struct rows_case *c)
{
    struct row_norm n = r->normalize(c->x, (int32_t)c->n);
    c->single = (double)n.max + n.log_sum + (c->x[n.top] == n.max ? 0 : INFINITY);
    for (int32_t i = 0; i < n.top; i++)
        c->single += c->x[i] < n.max ? 0 : INFINITY; /* not the first */
}
static void exact_normalize(struct rows_case *c)
{
    c->want_single = log_sum_exp(c->x, c->n);
}

static void run_compare(const struct row_ops *r, struct rows_case *c)
{
    struct row_norm rn = r->normalize(c->x, (int32_t)c->n), cn, again = r->normalize(c->y, (int32_t)c->n);
    c->single = r->compare(c->x, &rn, c->y, &cn, (int32_t)c->n);
    if (cn.max != again.max || cn.log_sum != again.log_sum || cn.top != again.top)
        c->single = INFINITY;
}
static void exact_compare(struct rows_case *c)
{
    const double lx = log_sum_exp(c->x, c->n), ly = log_sum_exp(c->y, c->n);
    for (int64_t i = 0; i < c->n; i++)
        c->want_single += exp((double)c->x[i] - lx) * (((double)c->x[i] - lx) - ((double)c->y[i] - ly));
}

static const struct operation {
    const char *name;
    void (*run)(const struct row_ops *r, struct rows_case *c);
    void (*exact)(struct rows_case *c);
    bool single; /* a number too */
} operations[] = {
    {"norm", run_norm, exact_norm, false},
    {"add", run_add, exact_add, false},
    {"rope_neox", run_rope_neox, exact_rope_neox, false},
    {"rope_adjacent", run_rope_adjacent, exact_rope_adjacent, false},
    {"silu", run_silu, exact_silu, false},
    {"gelu", run_gelu, exact_gelu, false},
    {"relu2", run_relu2, exact_relu2, false},
    {"max", run_max, exact_max, true},
    {"exp_scaled", run_exp_scaled, exact_exp_scaled, true},
    {"normalize", run_normalize, exact_normalize, true},
    {"compare", run_compare, exact_compare, true},
};

static void draw(struct rows_case *c, struct rng *rng, int i)
{
    static const int16_t lengths[] = {2, 4, 14, 16, 30, 34, 64, 66, 254, 256, 258, 576, 896, 2074};
    memset(c, 0, sizeof *c);
    c->n = lengths[rng_below(rng, sizeof lengths / sizeof *lengths)];
    for (int64_t j = 0; j < c->n; j++) {
        c->x[j] = (float)rng_normal(rng) * (i % 3 == 1 && rng_below(rng, 32) == 0 ? 30 : i % 3 == 2 ? 0.01f : 2);
        c->y[j] = c->x[j] + (float)rng_normal(rng);
        c->cs[j] = (float)cos((double)j);
        c->sn[j] = (float)sin((double)j);
    }
    memcpy(c->out, c->x, sizeof c->out);
}

static double worst_of(const struct operation *o, const struct rows_case *c)
{
    double worst = o->single ? fabs(c->single - c->want_single) / (1 + fabs(c->want_single)) : 0;
    for (int64_t i = 0; i < c->n && (o->exact == exact_exp_scaled || !o->single); i++) {
        double size = c->size[i] + fabs(c->want[i]) + 1e-25, error = fabs((double)c->out[i] - c->want[i]) / size;
        worst = error <= worst ? worst : error;
    }
    return isnan(worst) ? INFINITY : worst;
}

static double check_case(const struct kernel_report *r, const struct operation *o, uint64_t seed, int i, int64_t *n)
{
    static _Thread_local struct rows_case c, plain;
    struct rng rng;
    rng_seed_text(&rng, seed + (uint64_t)i, o->name);
    draw(&c, &rng, i);
    plain = c;
    *n = c.n;
    o->run(r->kernel->rows, &c);
    o->run(&rows_c, &plain);
    o->exact(&c);
    bool same = memcmp(c.out, plain.out, sizeof c.out) == 0 && memcmp(&c.single, &plain.single, sizeof c.single) == 0;
    return same ? worst_of(o, &c) : INFINITY;
}

int check_rows(struct kernel_report *r, uint64_t seed)
{
    for (size_t k = 0; k < sizeof operations / sizeof *operations; k++)
        for (int i = 0; i < N_CASES; i++) {
            int64_t n;
            double worst = check_case(r, &operations[k], seed, i, &n);
            r->worst_error = fmax(r->worst_error, worst);
            if (worst <= r->tolerance || !r->passed)
                continue;
            r->passed = false;
            snprintf(r->detail, sizeof r->detail, "%s n=%lld: %s", operations[k].name, (long long)n,
                     isinf(worst) ? "other bits than plain C, or no number" : "too far from f64");
        }
    return 0;
}

int bench_rows(struct kernel_report *r, uint64_t seed)
{
    static float gate[BENCH], up[BENCH];
    struct rng rng;
    rng_seed_text(&rng, seed, r->kernel->name);
    for (int i = 0; i < BENCH; i++)
        gate[i] = up[i] = (float)rng_normal(&rng);
    for (int i = 0; i < BENCH_REPEATS; i++) {
        uint64_t t0 = clock_ns();
        r->kernel->rows->silu(gate, up, BENCH);
        r->ns = fmin(r->ns, (double)(clock_ns() - t0));
    }
    r->gb_per_s = 12.0 * BENCH / r->ns;
    return 0;
}
