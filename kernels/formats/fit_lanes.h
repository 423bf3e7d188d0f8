/* The search of fit.h for k-types, LANES sub-blocks side by side, one per SIMD lane, so that sums need no reduction
 * across lanes. The file that includes this defines LANES (4, 8, 16) and is compiled for a machine with such registers;
 * the bytes are the same whatever LANES is. */
#ifndef KERNELS_FORMATS_FIT_LANES_H
#define KERNELS_FORMATS_FIT_LANES_H
#include <math.h>
#include <string.h>
#include "base/half.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/lanes.h"

enum { MAX_GROUPS = FIT_MAX_SUB / LANES };

struct group {                /* LANES sub-blocks: lane j of x[i] is weight i of sub-block j */
    vf x[32], w[32];          /* weights, importances */
    bool weighted;            /* without importances all count alike, and w is not there */
    vf sum_w, sum_x;          /* of w and of w*x */
    vf s, b;                  /* real scale and offset, x ~ s*q + b */
    vf sc, m;                 /* integer sub-scale and sub-offset */
    vf sum_q, sum_qq, sum_qx; /* of w*q, w*q*q, w*q*x for the codes that (sc, m) imply */
};
struct sums {
    vf q, qq, qx, err;
};

/* Codes q = clamp(round((x - b) * inv)) and their sums; err is the squared error with scale s. */
static inline struct sums code_sums(const struct group *p, const struct fit_grid *g, vf s, vf inv, vf b)
{
    struct sums t = {vf_of(0), vf_of(0), vf_of(0), vf_of(0)};
    vf lo = vf_of((float)g->q_lo), hi = vf_of((float)g->q_hi);
    for (int i = 0; i < g->len; i++) {
        vf x = p->x[i], q = vf_clamp(vf_round((x - b) * inv), lo, hi), wq = p->weighted ? p->w[i] * q : q,
           r = x - b - q * s;
        t.q += wq;
        t.qq += wq * q;
        t.qx += wq * x;
        t.err += p->weighted ? p->w[i] * r * r : r * r;
    }
    return t;
}

/* Least squares for scale and offset of given codes. Codes that are all alike leave one of the two free. */
static inline void refit(const struct group *p, const struct fit_grid *g, const struct sums *t, vf *s, vf *b)
{
    vf zero = vf_of(0), scale_only = t->qx * vf_inverse(t->qq);
    *s = scale_only;
    *b = zero;
    if (g->offset == FIT_NO_OFFSET)
        return;
    vf det = p->sum_w * t->qq - t->q * t->q;
    vmask alike = det <= vf_of(1e-6f) * p->sum_w * t->qq;
    vf inv = vf_inverse(vf_pick(alike, zero, det));
    vf s2 = (p->sum_w * t->qx - t->q * p->sum_x) * inv, b2 = (t->qq * p->sum_x - t->q * t->qx) * inv;
    vmask usable = ~alike;
    if (g->offset == FIT_OFFSET_BELOW_ZERO)
        usable &= b2 <= zero;
    *s = vf_pick(usable, s2, scale_only);
    *b = vf_pick(usable, b2, zero);
    vf mean = p->sum_x * vf_inverse(p->sum_w);
    if (g->offset == FIT_OFFSET_BELOW_ZERO)
        mean = vf_clamp(mean, mean, zero);
    *b = vf_pick(t->qq == zero, mean, *b);
}

/* Weights [first, first + LANES) of n_blocks runs of g->len into lanes; lanes past the end repeat the last run.
 * Magnitudes beyond any f16 scale are cut, so that no square overflows.
 */
static inline void group_load(struct group *p, const struct fit_grid *g, int first, int n_blocks, const float *x,
                              const float *w)
{
    const vf limit = vf_of(0x1p30f);
    for (int j = 0; j < LANES; j++) {
        int at = (first + j < n_blocks ? first + j : n_blocks - 1) * g->len;
        for (int i = 0; i < g->len; i++) {
            p->x[i][j] = x[at + i];
            if (w)
                p->w[i][j] = w[at + i];
        }
    }
    p->weighted = w != NULL;
    p->sum_w = p->sum_x = vf_of(0);
    for (int i = 0; i < g->len; i++) {
        p->x[i] = vf_clamp(p->x[i], -limit, limit);
        p->sum_w += w ? p->w[i] : vf_of(1);
        p->sum_x += w ? p->w[i] * p->x[i] : p->x[i];
    }
}

/* Best real (s, b) of each sub-block over the starts. */
static inline void group_fit(struct group *p, const struct fit_grid *g)
{
    vf zero = vf_of(0), lo = p->x[0], hi = p->x[0], best = vf_of(-1);
    for (int i = 1; i < g->len; i++) {
        lo = vf_pick(p->x[i] < lo, p->x[i], lo);
        hi = vf_pick(p->x[i] > hi, p->x[i], hi);
    }
    if (g->offset == FIT_OFFSET_BELOW_ZERO)
        lo = vf_pick(lo < zero, lo, zero);
    vf extreme = g->offset ? hi - lo : vf_pick(-lo > hi, lo, hi), unit = vf_inverse(extreme);
    p->s = zero;
    p->b = g->offset ? lo : zero;
    vf b0 = p->b;
    for (int t = 0; t < g->n_starts; t++) {
        vf s, b = b0, inv = vf_of(g->start[t]) * unit;
        for (int step = 0; step < 2; step++) {
            struct sums sum = code_sums(p, g, zero, inv, b);
            refit(p, g, &sum, &s, &b);
            vf gain = s * sum.qx + b * p->sum_x; /* what the fit takes off the sum of squares */
            vmask better = gain > best;
            best = vf_pick(better, gain, best);
            p->s = vf_pick(better, s, p->s);
            p->b = vf_pick(better, b, p->b);
            inv = vf_inverse(s);
        }
    }
}

/* Best integers (sc, m) near the real (s, b) under the stored d and dmin; returns err with their errors added. */
static inline double group_snap(struct group *p, const struct fit_grid *g, float d, float dmin, double err)
{
    vf sc_lo = vf_of((float)g->sc_lo), sc_hi = vf_of((float)g->sc_hi), m_hi = vf_of((float)g->m_hi), zero = vf_of(0);
    vf inv_d = vf_of(d != 0 ? 1 / d : 0), inv_dmin = vf_of(dmin != 0 ? 1 / dmin : 0), mean = vf_inverse(p->sum_w);
    vf sc0 = vf_clamp(vf_round(p->s * inv_d), sc_lo, sc_hi), m0 = vf_clamp(vf_round(-p->b * inv_dmin), zero, m_hi);
    vf best = vf_of(INFINITY);
    for (int t = -g->reach; t <= g->reach; t++) {
        vf sc = vf_clamp(sc0 + vf_of((float)t), sc_lo, sc_hi), m = m0, s = sc * vf_of(d), inv = vf_inverse(s);
        for (int step = 0; step < (g->offset ? 2 : 1); step++) {
            struct sums sum = code_sums(p, g, s, inv, -m * vf_of(dmin));
            vmask better = sum.err < best;
            best = vf_pick(better, sum.err, best);
            p->sc = vf_pick(better, sc, p->sc);
            p->m = vf_pick(better, m, p->m);
            p->sum_q = vf_pick(better, sum.q, p->sum_q);
            p->sum_qq = vf_pick(better, sum.qq, p->sum_qq);
            p->sum_qx = vf_pick(better, sum.qx, p->sum_qx);
            m = vf_clamp(vf_round((s * sum.q - p->sum_x) * mean * inv_dmin), zero, m_hi);
        }
    }
    p->s = p->sc * vf_of(d);
    p->b = -p->m * vf_of(dmin);
    for (int j = 0; j < LANES; j += 4) /* by fours, as with four lanes */
        err += (double)best[j] + (double)best[j + 1] + (double)best[j + 2] + (double)best[j + 3];
    return err;
}

/* To f16 and back, never to zero or infinity: a smallest step still lets sub-scales carry something. */
static inline float store_f16(float v)
{
    if (v == 0)
        return 0;
    float a = fabsf(v);
    a = a < 0x1p-24f ? 0x1p-24f : a > 65504 ? 65504 : a;
    return copysignf(f16_to_f32(f32_to_f16(a)), v);
}

/* Least squares for d and dmin, all sub-scales, sub-offsets and codes given. */
static inline void scales_refit(const struct group *p, int n_groups, float *d, float *dmin)
{
    double aa = 0, am = 0, mm = 0, ax = 0, mx = 0;
    for (int i = 0; i < n_groups; i++, p++)
        for (int j = 0; j < LANES; j++) {
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

static inline void super_scales(const struct group *p, int n_groups, const struct fit_grid *g, float *d, float *dmin)
{
    float s = 0, b = 0;
    for (int i = 0; i < n_groups; i++)
        for (int j = 0; j < LANES; j++) {
            s = fabsf(p[i].s[j]) > fabsf(s) ? p[i].s[j] : s;
            b = p[i].b[j] < b ? p[i].b[j] : b;
        }
    *d = store_f16(s / (float)(g->sc_lo < 0 ? g->sc_lo : g->sc_hi));
    *dmin = g->m_hi ? store_f16(-b / (float)g->m_hi) : 0;
}

static inline void super_keep(struct fit_super *f, const struct group *p, int n_groups, float d, float dmin)
{
    f->d = f32_to_f16(d);
    f->dmin = f32_to_f16(dmin);
    for (int j = 0; j < LANES * n_groups; j++) {
        f->sc[j] = (int8_t)p[j / LANES].sc[j % LANES];
        f->m[j] = (uint8_t)p[j / LANES].m[j % LANES];
    }
}

typedef int8_t vcode __attribute__((vector_size(LANES)));

static inline void super_codes(struct fit_super *f, const struct fit_grid *g, const float *x)
{
    float d = f16_to_f32(f->d), dmin = f16_to_f32(f->dmin);
    vf lo = vf_of((float)g->q_lo), hi = vf_of((float)g->q_hi);
    for (int j = 0; j < g->n_sub; j++) {
        float s = d * (float)f->sc[j], b = -dmin * (float)f->m[j], inv = s != 0 ? 1 / s : 0;
        for (int i = j * g->len; i < (j + 1) * g->len; i += LANES) {
            vf q = vf_clamp(vf_round((vf_load(x + i) - vf_of(b)) * vf_of(inv)), lo, hi);
            vcode code = __builtin_convertvector(__builtin_convertvector(q, vmask), vcode);
            memcpy(f->q + i, &code, sizeof code);
        }
    }
}

static inline void fit_super_lanes(struct fit_super *f, const struct fit_grid *g, const float *x,
                                   const float *importance)
{
    struct group p[MAX_GROUPS];
    int n_groups = g->n_sub / LANES;
    float w[FIT_SUPER], d, dmin;
    double best = INFINITY;

    if (importance)
        fit_weigh(w, x, importance, FIT_SUPER);
    for (int i = 0; i < n_groups; i++) {
        group_load(&p[i], g, LANES * i, g->n_sub, x, importance ? w : NULL);
        group_fit(&p[i], g);
    }
    super_scales(p, n_groups, g, &d, &dmin);
    for (int round = 0; round < g->n_rounds; round++) {
        double err = 0;
        for (int i = 0; i < n_groups; i++)
            err = group_snap(&p[i], g, d, dmin, err);
        if (err < best)
            super_keep(f, p, n_groups, d, dmin);
        best = err < best ? err : best;
        scales_refit(p, n_groups, &d, &dmin);
    }
    super_codes(f, g, x);
}
#endif
