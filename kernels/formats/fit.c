/* The search behind the k-types and behind importance-weighted plain blocks (fit.h).
 * Four sub-blocks are searched at a time, one per SIMD lane, so that sums need no reduction across lanes. */
#include "kernels/formats/fit.h"
#include <math.h>
#include <string.h>
#include "base/half.h"
#include "kernels/formats/vec4.h"

enum { MAX_GROUPS = FIT_MAX_SUB / 4 };

struct group {                /* four sub-blocks: lane j of x[i] is weight i of sub-block j */
    v4 x[32], w[32];          /* weights, importances */
    v4 sum_w, sum_x;          /* of w and of w*x */
    v4 s, b;                  /* real scale and offset, x ~ s*q + b */
    v4 sc, m;                 /* integer sub-scale and sub-offset */
    v4 sum_q, sum_qq, sum_qx; /* of w*q, w*q*q, w*q*x for the codes that (sc, m) imply */
};
struct sums {
    v4 q, qq, qx, err;
};

/* Codes q = clamp(round((x - b) * inv)) and their sums; err is the squared error with scale s. */
static inline struct sums code_sums(const struct group *p, const struct fit_grid *g, v4 s, v4 inv, v4 b)
{
    struct sums t = {v4_of(0), v4_of(0), v4_of(0), v4_of(0)};
    v4 lo = v4_of((float)g->q_lo), hi = v4_of((float)g->q_hi);
    for (int i = 0; i < g->len; i++) {
        v4 x = p->x[i], q = v4_clamp(v4_round((x - b) * inv), lo, hi), wq = p->w[i] * q, r = x - b - q * s;
        t.q += wq;
        t.qq += wq * q;
        t.qx += wq * x;
        t.err += p->w[i] * r * r;
    }
    return t;
}

/* Least squares for scale and offset of given codes. Codes that are all alike leave one of the two free. */
static inline void refit(const struct group *p, const struct fit_grid *g, const struct sums *t, v4 *s, v4 *b)
{
    v4 zero = v4_of(0), scale_only = t->qx * v4_inverse(t->qq);
    *s = scale_only;
    *b = zero;
    if (g->offset == FIT_NO_OFFSET)
        return;
    v4 det = p->sum_w * t->qq - t->q * t->q;
    mask4 alike = det <= v4_of(1e-6f) * p->sum_w * t->qq;
    v4 inv = v4_inverse(v4_pick(alike, zero, det));
    v4 s2 = (p->sum_w * t->qx - t->q * p->sum_x) * inv, b2 = (t->qq * p->sum_x - t->q * t->qx) * inv;
    mask4 usable = ~alike;
    if (g->offset == FIT_OFFSET_BELOW_ZERO)
        usable &= b2 <= zero;
    *s = v4_pick(usable, s2, scale_only);
    *b = v4_pick(usable, b2, zero);
    v4 mean = p->sum_x * v4_inverse(p->sum_w);
    if (g->offset == FIT_OFFSET_BELOW_ZERO)
        mean = v4_clamp(mean, mean, zero);
    *b = v4_pick(t->qq == zero, mean, *b);
}

/* Weights [first, first + 4) of n_blocks runs of g->len into lanes; lanes past the end repeat the last run.
 * Magnitudes beyond any f16 scale are cut, so that no square overflows.
 */
static void group_load(struct group *p, const struct fit_grid *g, int first, int n_blocks, const float *x,
                       const float *w)
{
    const v4 limit = v4_of(0x1p30f);
    for (int j = 0; j < 4; j++) {
        int at = (first + j < n_blocks ? first + j : n_blocks - 1) * g->len;
        for (int i = 0; i < g->len; i++) {
            p->x[i][j] = x[at + i];
            p->w[i][j] = w[at + i];
        }
    }
    p->sum_w = p->sum_x = v4_of(0);
    for (int i = 0; i < g->len; i++) {
        p->x[i] = v4_clamp(p->x[i], -limit, limit);
        p->sum_w += p->w[i];
        p->sum_x += p->w[i] * p->x[i];
    }
}

void fit_weigh(float *w, const float *x, const float *importance, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        sum += importance ? (double)importance[i] : 0;
        squares += (double)x[i] * (double)x[i];
    }
    double unit = sum > 0 ? n / sum : 0, spread = squares > 0 ? 0.5 * n / squares : 0;
    for (int i = 0; i < n; i++) {
        double large = (double)x[i] * (double)x[i] * spread;
        w[i] = sum > 0 ? importance[i] * (float)unit * sqrtf(1 + (float)large) + 0x1p-10f : 1;
    }
}

void fit_sums_add(struct fit_sums *s, const float *x, const float *decoded, const float *importance, int n)
{
    for (int i = 0; i < n; i++) {
        double w = importance ? sqrt((double)importance[i]) : 1;
        s->xx += w * (double)x[i] * (double)x[i];
        s->xy += w * (double)x[i] * (double)decoded[i];
    }
}

float fit_gain(const struct fit_sums *s)
{
    double most = 1.5;
    if (!(s->xx > s->xy && s->xy > 0))
        return 1;
    return (float)(s->xx < most * s->xy ? s->xx / s->xy : most);
}

/* Best real (s, b) of each sub-block over the starts. */
static void group_fit(struct group *p, const struct fit_grid *g)
{
    v4 zero = v4_of(0), lo = p->x[0], hi = p->x[0], best = v4_of(-1);
    for (int i = 1; i < g->len; i++) {
        lo = v4_pick(p->x[i] < lo, p->x[i], lo);
        hi = v4_pick(p->x[i] > hi, p->x[i], hi);
    }
    if (g->offset == FIT_OFFSET_BELOW_ZERO)
        lo = v4_pick(lo < zero, lo, zero);
    v4 extreme = g->offset ? hi - lo : v4_pick(-lo > hi, lo, hi), unit = v4_inverse(extreme);
    p->s = zero;
    p->b = g->offset ? lo : zero;
    v4 b0 = p->b;
    for (int t = 0; t < g->n_starts; t++) {
        v4 s, b = b0, inv = v4_of(g->start[t]) * unit;
        for (int step = 0; step < 2; step++) {
            struct sums sum = code_sums(p, g, zero, inv, b);
            refit(p, g, &sum, &s, &b);
            v4 gain = s * sum.qx + b * p->sum_x; /* what the fit takes off the sum of squares */
            mask4 better = gain > best;
            best = v4_pick(better, gain, best);
            p->s = v4_pick(better, s, p->s);
            p->b = v4_pick(better, b, p->b);
            inv = v4_inverse(s);
        }
    }
}

/* Best integers (sc, m) near the real (s, b) under the stored d and dmin; returns the error of the four. */
static double group_snap(struct group *p, const struct fit_grid *g, float d, float dmin)
{
    v4 sc_lo = v4_of((float)g->sc_lo), sc_hi = v4_of((float)g->sc_hi), m_hi = v4_of((float)g->m_hi), zero = v4_of(0);
    v4 inv_d = v4_of(d != 0 ? 1 / d : 0), inv_dmin = v4_of(dmin != 0 ? 1 / dmin : 0), mean = v4_inverse(p->sum_w);
    v4 sc0 = v4_clamp(v4_round(p->s * inv_d), sc_lo, sc_hi), m0 = v4_clamp(v4_round(-p->b * inv_dmin), zero, m_hi);
    v4 best = v4_of(INFINITY);
    for (int t = -g->reach; t <= g->reach; t++) {
        v4 sc = v4_clamp(sc0 + v4_of((float)t), sc_lo, sc_hi), m = m0, s = sc * v4_of(d), inv = v4_inverse(s);
        for (int step = 0; step < (g->offset ? 2 : 1); step++) {
            struct sums sum = code_sums(p, g, s, inv, -m * v4_of(dmin));
            mask4 better = sum.err < best;
            best = v4_pick(better, sum.err, best);
            p->sc = v4_pick(better, sc, p->sc);
            p->m = v4_pick(better, m, p->m);
            p->sum_q = v4_pick(better, sum.q, p->sum_q);
            p->sum_qq = v4_pick(better, sum.qq, p->sum_qq);
            p->sum_qx = v4_pick(better, sum.qx, p->sum_qx);
            m = v4_clamp(v4_round((s * sum.q - p->sum_x) * mean * inv_dmin), zero, m_hi);
        }
    }
    p->s = p->sc * v4_of(d);
    p->b = -p->m * v4_of(dmin);
    return (double)best[0] + (double)best[1] + (double)best[2] + (double)best[3];
}

/* To f16 and back, never to zero or infinity: a smallest step still lets sub-scales carry something. */
static float store_f16(float v)
{
    if (v == 0)
        return 0;
    float a = fabsf(v);
    a = a < 0x1p-24f ? 0x1p-24f : a > 65504 ? 65504 : a;
    return copysignf(f16_to_f32(f32_to_f16(a)), v);
}

/* Least squares for d and dmin, all sub-scales, sub-offsets and codes given. */
static void scales_refit(const struct group *p, int n_groups, float *d, float *dmin)
{
    double aa = 0, am = 0, mm = 0, ax = 0, mx = 0;
    for (int i = 0; i < n_groups; i++, p++)
        for (int j = 0; j < 4; j++) {
            double sc = (double)p->sc[j], m = -(double)p->m[j];
            aa += sc * sc * (double)p->sum_qq[j];
            am += sc * m * (double)p->sum_q[j];
            mm += m * m * (double)p->sum_w[j];
            ax += sc * (double)p->sum_qx[j];
            mx += m * (double)p->sum_x[j];
        }
    double det = aa * mm - am * am;
    if (det > 1e-9 * aa * mm) {
        *d = store_f16((float)((ax * mm - am * mx) / det));
        *dmin = store_f16((float)((aa * mx - am * ax) / det));
    } else if (aa > 0 && mm == 0) {
        *d = store_f16((float)(ax / aa));
    }
}

static void super_scales(const struct group *p, int n_groups, const struct fit_grid *g, float *d, float *dmin)
{
    float s = 0, b = 0;
    for (int i = 0; i < n_groups; i++)
        for (int j = 0; j < 4; j++) {
            s = fabsf(p[i].s[j]) > fabsf(s) ? p[i].s[j] : s;
            b = p[i].b[j] < b ? p[i].b[j] : b;
        }
    *d = store_f16(s / (float)(g->sc_lo < 0 ? g->sc_lo : g->sc_hi));
    *dmin = g->m_hi ? store_f16(-b / (float)g->m_hi) : 0;
}

static void super_keep(struct fit_super *f, const struct group *p, int n_groups, float d, float dmin)
{
    f->d = f32_to_f16(d);
    f->dmin = f32_to_f16(dmin);
    for (int j = 0; j < 4 * n_groups; j++) {
        f->sc[j] = (int8_t)p[j / 4].sc[j % 4];
        f->m[j] = (uint8_t)p[j / 4].m[j % 4];
    }
}

static void super_codes(struct fit_super *f, const struct fit_grid *g, const float *x)
{
    float d = f16_to_f32(f->d), dmin = f16_to_f32(f->dmin), lo = (float)g->q_lo, hi = (float)g->q_hi;
    for (int j = 0; j < g->n_sub; j++) {
        float s = d * (float)f->sc[j], b = -dmin * (float)f->m[j], inv = s != 0 ? 1 / s : 0;
        for (int i = j * g->len; i < (j + 1) * g->len; i++) {
            float q = fit_round((x[i] - b) * inv);
            q = q > lo ? q : lo;
            f->q[i] = (int8_t)(q < hi ? q : hi);
        }
    }
}

void fit_super(struct fit_super *f, const struct fit_grid *g, const float *x, const float *importance)
{
    struct group p[MAX_GROUPS];
    int n_groups = g->n_sub / 4;
    float w[FIT_SUPER], d, dmin;
    double best = INFINITY;

    fit_weigh(w, x, importance, FIT_SUPER);
    for (int i = 0; i < n_groups; i++) {
        group_load(&p[i], g, 4 * i, g->n_sub, x, w);
        group_fit(&p[i], g);
    }
    super_scales(p, n_groups, g, &d, &dmin);
    for (int round = 0; round < g->n_rounds; round++) {
        double err = 0;
        for (int i = 0; i < n_groups; i++)
            err += group_snap(&p[i], g, d, dmin);
        if (err < best)
            super_keep(f, p, n_groups, d, dmin);
        best = err < best ? err : best;
        scales_refit(p, n_groups, &d, &dmin);
    }
    super_codes(f, g, x);
}

void fit_blocks(uint16_t scale[4], uint16_t offset[4], const struct fit_grid *g, int n_blocks, const float *x,
                const float *importance)
{
    struct group p;
    float w[4 * 32];
    fit_weigh(w, x, importance, n_blocks * g->len);
    group_load(&p, g, 0, n_blocks, x, w);
    group_fit(&p, g);
    for (int j = 0; j < 4; j++) {
        scale[j] = f32_to_f16(store_f16(p.s[j]));
        offset[j] = f32_to_f16(store_f16(p.b[j]));
    }
}
