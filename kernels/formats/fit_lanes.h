/* The search of fit.h for k-types, LANES sub-blocks side by side, one per SIMD lane, so that sums need no reduction
 * across lanes. The file that includes this defines LANES (4, 8, 16) and is compiled for a machine with such registers;
 * the bytes are the same whatever LANES is. */
#ifndef KERNELS_FORMATS_FIT_LANES_H
#define KERNELS_FORMATS_FIT_LANES_H
#include <math.h>
#include <string.h>
#include "base/half.h"
#include "base/inline.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/lanes.h"

enum { MAX_GROUPS = FIT_MAX_SUB / LANES };

struct group {                /* LANES sub-blocks: lane j of x[i] is weight i of sub-block j */
    vf x[32], w[32];          /* weights, importances (where these differ) */
    vf sum_w, sum_x;          /* of w and of w*x */
    vf s, b;                  /* real scale and offset, x ~ s*q + b */
    vf sc, m;                 /* integer sub-scale and sub-offset */
    vf sum_q, sum_qq, sum_qx; /* of w*q, w*q*q, w*q*x for the codes that (sc, m) imply */
};
struct sums {
    vf q, qq, qx, err;
};

/* Constants for the compiler: each kind of grid gets loops of its own, which compute what it needs. */
struct kind {
    bool weighted; /* importances differ */
    bool offset;
};
enum pass { PASS_SUMS = 1, PASS_ERROR = 2 };

/* Two searches side by side: the sums of the one are made while those of the other wait for their last addition. */
enum { WAYS = 2 };
struct way {
    vf sc, m;     /* while integers are looked for */
    vf s, inv, b; /* scale, its inverse, offset */
    struct sums sum;
};

INLINE void code_add(struct sums *t, const struct way *at, struct kind kind, enum pass pass, vf x, vf w, vf lo, vf hi)
{
    vf above = kind.offset ? x - at->b : x, q = vf_clamp(vf_round(above * at->inv), lo, hi);
    if (pass & PASS_SUMS) {
        vf wq = kind.weighted ? w * q : q;
        if (kind.offset)
            t->q += wq;
        t->qq += wq * q;
        t->qx += wq * x;
    }
    if (pass & PASS_ERROR) {
        vf r = above - q * at->s;
        t->err += kind.weighted ? w * r * r : r * r;
    }
}

/* Codes q = clamp(round((x - b) * inv)) of n ways and, as asked, their sums and the squared error with scale s. */
INLINE void code_sums(struct way way[WAYS], const int n, const struct group *p, const struct fit_grid *g,
                      struct kind kind, enum pass pass)
{
    struct sums t[WAYS] = {{vf_of(0), vf_of(0), vf_of(0), vf_of(0)}, {vf_of(0), vf_of(0), vf_of(0), vf_of(0)}};
    vf lo = vf_of((float)g->q_lo), hi = vf_of((float)g->q_hi);
    for (int i = 0; i < g->len; i++) {
        vf x = p->x[i], w = kind.weighted ? p->w[i] : x;
        code_add(&t[0], &way[0], kind, pass, x, w, lo, hi);
        if (n > 1)
            code_add(&t[1], &way[1], kind, pass, x, w, lo, hi);
    }
    way[0].sum = t[0];
    if (n > 1)
        way[1].sum = t[1];
}

/* Least squares for scale and offset of given codes. Codes that are all alike leave one of the two free. */
INLINE void refit(const struct group *p, const struct fit_grid *g, const struct sums *t, vf *s, vf *b)
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

/* Runs [first, first + LANES) of n of v, g->len floats each, into lanes; lanes past the end repeat the last run. */
static inline void lanes_load(vf *lane, const struct fit_grid *g, int first, int n, const float *v)
{
    int i = 0;
    do {
        for (int j = 0; j < LANES; j++)
            lane[i + j] = vf_load(v + (first + j < n ? first + j : n - 1) * g->len + i);
        vf_transpose(lane + i);
    } while ((i += LANES) < g->len);
}

/* Magnitudes beyond any f16 scale are cut, so that no square overflows. */
INLINE void group_load(struct group *p, const struct fit_grid *g, struct kind kind, int first, int n_blocks,
                       const float *x, const float *w)
{
    const vf limit = vf_of(0x1p30f);
    lanes_load(p->x, g, first, n_blocks, x);
    if (kind.weighted)
        lanes_load(p->w, g, first, n_blocks, w);
    p->sum_w = p->sum_x = vf_of(0);
    for (int i = 0; i < g->len; i++) {
        p->x[i] = vf_clamp(p->x[i], -limit, limit);
        p->sum_w += kind.weighted ? p->w[i] : vf_of(1);
        p->sum_x += kind.weighted ? p->w[i] * p->x[i] : p->x[i];
    }
}

/* The n starts from start on; the best (s, b) into p. */
INLINE void group_start(struct group *p, const struct fit_grid *g, struct kind kind, const int n, const float *start,
                        vf unit, vf b0, vf *best)
{
    struct way way[2][WAYS]; /* first and second step */
    for (int c = 0; c < n; c++) {
        way[0][c].inv = vf_of(start[c]) * unit;
        way[0][c].b = b0;
    }
    code_sums(way[0], n, p, g, kind, PASS_SUMS);
    for (int c = 0; c < n; c++) {
        refit(p, g, &way[0][c].sum, &way[0][c].s, &way[0][c].b);
        way[1][c].inv = vf_inverse(way[0][c].s);
        way[1][c].b = way[0][c].b;
    }
    code_sums(way[1], n, p, g, kind, PASS_SUMS);
    for (int c = 0; c < n; c++) {
        refit(p, g, &way[1][c].sum, &way[1][c].s, &way[1][c].b);
        for (int step = 0; step < 2; step++) {
            const struct way *w = &way[step][c];
            vf gain = w->s * w->sum.qx + w->b * p->sum_x; /* what the fit takes off the sum of squares */
            vmask better = gain > *best;
            *best = vf_pick(better, gain, *best);
            p->s = vf_pick(better, w->s, p->s);
            p->b = vf_pick(better, w->b, p->b);
        }
    }
}

/* Best real (s, b) of each sub-block over the starts. */
INLINE void group_fit(struct group *p, const struct fit_grid *g, struct kind kind)
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
    int t = 0;
    for (; t + WAYS <= g->n_starts; t += WAYS)
        group_start(p, g, kind, WAYS, g->start + t, unit, b0, &best);
    if (t < g->n_starts)
        group_start(p, g, kind, 1, g->start + t, unit, b0, &best);
}

INLINE void snap_keep(struct group *p, const struct way *w, vf *best)
{
    vmask better = w->sum.err < *best;
    *best = vf_pick(better, w->sum.err, *best);
    p->sc = vf_pick(better, w->sc, p->sc);
    p->m = vf_pick(better, w->m, p->m);
    p->sum_q = vf_pick(better, w->sum.q, p->sum_q);
    p->sum_qq = vf_pick(better, w->sum.qq, p->sum_qq);
    p->sum_qx = vf_pick(better, w->sum.qx, p->sum_qx);
}

/* What the stored scales imply for a group. */
struct snap {
    float d, dmin;
    vf inv_dmin, sc0, m0; /* integers nearest to the real (s, b) */
};

/* n sub-scales from sc0 + t on, each with the offset nearest to b and then with its own. The last time nobody will use
 * the sums of what was chosen. */
INLINE void group_try(struct group *p, const struct fit_grid *g, struct kind kind, bool last, const struct snap *at,
                      const int n, int t, vf *best)
{
    const enum pass full = PASS_SUMS | PASS_ERROR, end = last ? PASS_ERROR : full;
    vf sc_lo = vf_of((float)g->sc_lo), sc_hi = vf_of((float)g->sc_hi), m_hi = vf_of((float)g->m_hi);
    vf mean = vf_inverse(p->sum_w);
    struct way way[2][WAYS];
    for (int c = 0; c < n; c++) {
        struct way *w = &way[0][c];
        w->sc = vf_clamp(at->sc0 + vf_of((float)(t + c)), sc_lo, sc_hi);
        w->m = at->m0;
        w->s = w->sc * vf_of(at->d);
        w->inv = vf_inverse(w->s);
        w->b = -w->m * vf_of(at->dmin);
    }
    code_sums(way[0], n, p, g, kind, kind.offset ? full : end);
    for (int c = 0; c < n && kind.offset; c++) {
        struct way *w = &way[1][c];
        *w = way[0][c];
        w->m = vf_clamp(vf_round((w->s * w->sum.q - p->sum_x) * mean * at->inv_dmin), vf_of(0), m_hi);
        w->b = -w->m * vf_of(at->dmin);
    }
    if (kind.offset)
        code_sums(way[1], n, p, g, kind, end);
    for (int c = 0; c < n; c++) {
        snap_keep(p, &way[0][c], best);
        if (kind.offset)
            snap_keep(p, &way[1][c], best);
    }
}

/* Best integers (sc, m) near the real (s, b) under the stored d and dmin; returns err with their errors added. */
INLINE double group_snap(struct group *p, const struct fit_grid *g, struct kind kind, bool last, float d, float dmin,
                         double err)
{
    vf zero = vf_of(0), m_hi = vf_of((float)g->m_hi), best = vf_of(INFINITY);
    struct snap at = {.d = d, .dmin = dmin, .inv_dmin = vf_of(dmin != 0 ? 1 / dmin : 0)};
    at.sc0 = vf_clamp(vf_round(p->s * vf_of(d != 0 ? 1 / d : 0)), vf_of((float)g->sc_lo), vf_of((float)g->sc_hi));
    at.m0 = vf_clamp(vf_round(-p->b * at.inv_dmin), zero, m_hi);
    int t = -g->reach;
    for (; t + WAYS <= g->reach + 1; t += WAYS)
        group_try(p, g, kind, last, &at, WAYS, t, &best);
    if (t <= g->reach)
        group_try(p, g, kind, last, &at, 1, t, &best);
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

static inline void super_codes(struct fit_super *f, float *decoded, const struct fit_grid *g, const float *x)
{
    float d = f16_to_f32(f->d), dmin = f16_to_f32(f->dmin);
    vf lo = vf_of((float)g->q_lo), hi = vf_of((float)g->q_hi);
    for (int j = 0; j < g->n_sub; j++) {
        float s = d * (float)f->sc[j], b = -dmin * (float)f->m[j], inv = s != 0 ? 1 / s : 0;
        for (int i = j * g->len; i < (j + 1) * g->len; i += LANES) {
            vf q = vf_clamp(vf_round((vf_load(x + i) - vf_of(b)) * vf_of(inv)), lo, hi);
            vcode code = __builtin_convertvector(__builtin_convertvector(q, vmask), vcode);
            memcpy(f->q + i, &code, sizeof code);
            if (decoded)
                vf_store(decoded + i, vf_of(s) * q + vf_of(b));
        }
    }
}

INLINE void super_search(struct fit_super *f, float *decoded, const struct fit_grid *g, struct kind kind,
                         const float *x, const float *importance)
{
    struct group p[MAX_GROUPS];
    int n_groups = g->n_sub / LANES;
    float w[FIT_SUPER], d, dmin;
    double best = INFINITY;

    if (kind.weighted)
        fit_weigh(w, x, importance, FIT_SUPER);
    for (int i = 0; i < n_groups; i++) {
        group_load(&p[i], g, kind, LANES * i, g->n_sub, x, w);
        group_fit(&p[i], g, kind);
    }
    super_scales(p, n_groups, g, &d, &dmin);
    for (int round = 1; round <= g->n_rounds; round++) {
        double err = 0;
        for (int i = 0; i < n_groups; i++)
            err = round < g->n_rounds ? group_snap(&p[i], g, kind, false, d, dmin, err)
                                      : group_snap(&p[i], g, kind, true, d, dmin, err);
        if (err < best)
            super_keep(f, p, n_groups, d, dmin);
        best = err < best ? err : best;
        if (round < g->n_rounds)
            scales_refit(p, n_groups, &d, &dmin);
    }
    super_codes(f, decoded, g, x);
}

static inline void fit_super_lanes(struct fit_super *f, float *decoded, const struct fit_grid *g, const float *x,
                                   const float *importance)
{
    if (g->offset && importance)
        super_search(f, decoded, g, (struct kind){true, true}, x, importance);
    else if (g->offset)
        super_search(f, decoded, g, (struct kind){false, true}, x, NULL);
    else if (importance)
        super_search(f, decoded, g, (struct kind){true, false}, x, importance);
    else
        super_search(f, decoded, g, (struct kind){false, false}, x, NULL);
}
#endif
