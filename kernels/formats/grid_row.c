/* Rows of vector-codebook super-blocks (grid.h): decoding, and the search for codes that lose least, plainly
 * (kernels/x86/encode_grid.h: the same for SIMD machines).
 *
 * The search minimises the sum of w * (x - decoded)^2, w the roots of what fit_weigh makes: at these bits the error of
 * a weight says less about the model than its importance would have it. For a given scale the weights of a
 * vector are rounded to a node of the lattice; a node that is kept is the best choice there is, else the kept points
 * near it are compared. Scales: a few starts per sub-block, each improved by least squares, then whole sub-scales under
 * the rounded d, then d again by least squares. In the end all d of a row are multiplied by its gain (fit.h). */
#include "kernels/formats/grid_super.h"
#include "kernels/formats/vec4.h"

enum { MAX_LEN = 32, N_ROUNDS = 2 };

struct sub {
    v4 x[MAX_LEN / 4], w[MAX_LEN / 4]; /* magnitudes, or weights where levels are signed; importances */
    float s;                           /* real scale */
    int sc;
    float qx, qq, err; /* sums of w*q*x, w*q*q for the codes below; squared error less that of all zeros */
    uint16_t index[MAX_LEN / 4];
    uint8_t minus[MAX_LEN / 4]; /* per vector */
};
struct search {
    const struct grid_rule *rule;
    const struct grid_points *g;
    int n_vec, n_v4;       /* vectors of a sub-block; registers of a vector */
    float inv_step, first; /* node coordinate = x/s * inv_step + first */
    v4 place[2];           /* weight of each coordinate in the node's number */
};

static struct search search_of(const struct grid_rule *r)
{
    const struct grid_points *g = grid_get(r->grid, true);
    float step = g->level[1] - g->level[0], place = 1;
    struct search f = {.rule = r, .g = g, .n_vec = r->len / g->dim, .n_v4 = g->dim / 4, .inv_step = 1 / step};
    f.first = -g->level[0] / step;
    for (int i = 0; i < g->dim; i++, place *= (float)g->n_levels)
        f.place[i / 4][i % 4] = place;
    return f;
}

/* Of the kept points near x/s - shift, the one that loses least. t[] = x - s*shift. */
static int nearest_of(const struct search *f, int node, const v4 *t, const v4 *w, float s)
{
    const struct grid_points *g = f->g;
    const uint16_t *near = g->near + (ptrdiff_t)node * GRID_NEAR;
    v4 vs = v4_of(s);
    float best = INFINITY;
    int index = near[0];
    for (int c = 0; c < f->rule->n_near; c++) {
        const float *p = g->point + near[c] * g->dim;
        v4 d = vs * v4_load(p) - t[0], err = w[0] * d * d;
        if (f->n_v4 == 2) {
            d = vs * v4_load(p + 4) - t[1];
            err += w[1] * d * d;
        }
        float e = v4_sum(err);
        index = e < best ? near[c] : index;
        best = e < best ? e : best;
    }
    return index;
}

/* The node of x/s - shift: each coordinate rounded. */
static int node_of(const struct search *f, const v4 *t, float inv)
{
    v4 most = v4_of((float)(f->g->n_levels - 1)), sum = v4_of(0);
    for (int i = 0; i < f->n_v4; i++)
        sum += f->place[i] * v4_clamp(v4_round(t[i] * v4_of(inv * f->inv_step) + v4_of(f->first)), v4_of(0), most);
    return (int)v4_sum(sum);
}

/* The points of vectors [v0, v1). Nodes that are kept are told from the others without a branch for each, which no
 * processor would foresee. */
static void nearest_points(const struct search *f, struct sub *p, int v0, int v1, float s, v4 shift)
{
    float inv = block_inverse(s);
    int node[MAX_LEN / 4], rest[MAX_LEN / 4], n_rest = 0;
    for (int v = v0; v < v1; v++) {
        const v4 *x = p->x + v * f->n_v4;
        const v4 t[2] = {x[0] - shift, f->n_v4 == 2 ? x[1] - shift : v4_of(0)};
        node[v] = node_of(f, t, inv);
        uint16_t first = f->g->near[(ptrdiff_t)node[v] * GRID_NEAR];
        p->index[v] = first & ~GRID_KEPT;
        rest[n_rest] = v;
        n_rest += !(first & GRID_KEPT);
    }
    for (int i = 0; i < n_rest; i++) {
        const v4 *x = p->x + rest[i] * f->n_v4;
        const v4 t[2] = {x[0] - shift, f->n_v4 == 2 ? x[1] - shift : v4_of(0)};
        p->index[rest[i]] = (uint16_t)nearest_of(f, node[rest[i]], t, p->w + rest[i] * f->n_v4, s);
    }
}

/* Vectors [v0, v1) with one shift: codes, and sums added to qx and qq. */
static void choose(const struct search *f, struct sub *p, int v0, int v1, float s, float shift, float *qx, float *qq)
{
    v4 sx = v4_of(0), sq = v4_of(0);
    nearest_points(f, p, v0, v1, s, v4_of(s * shift));
    for (int v = v0; v < v1; v++) {
        const v4 *x = p->x + v * f->n_v4, *w = p->w + v * f->n_v4;
        p->minus[v] = shift < 0;
        for (int i = 0; i < f->n_v4; i++) {
            v4 q = v4_load(f->g->point + p->index[v] * f->g->dim + 4 * i) + v4_of(shift), wq = w[i] * q;
            sx += wq * x[i];
            sq += wq * q;
        }
    }
    *qx = v4_sum(sx);
    *qq = v4_sum(sq);
}

/* Codes for scale s, with the better shift of each run that shares one. */
static void assign(const struct search *f, struct sub *p, float s)
{
    int run = f->rule->shift_len ? f->rule->shift_len / f->g->dim : f->n_vec;
    p->qx = p->qq = 0;
    for (int v = 0; v < f->n_vec; v += run) {
        float qx, qq, qx2, qq2, shift = f->rule->shift_len ? GRID_SHIFT : 0;
        choose(f, p, v, v + run, s, -shift, &qx, &qq);
        if (shift > 0) {
            struct sub minus = *p;
            choose(f, p, v, v + run, s, shift, &qx2, &qq2);
            if (s * qq2 - 2 * qx2 < s * qq - 2 * qx) {
                qx = qx2;
                qq = qq2;
            } else {
                memcpy(p->index + v, minus.index + v, (size_t)run * sizeof *p->index);
                memcpy(p->minus + v, minus.minus + v, (size_t)run);
            }
        }
        p->qx += qx;
        p->qq += qq;
    }
    p->err = s * (s * p->qq - 2 * p->qx);
}

static void fit_scale(const struct search *f, struct sub *p)
{
    const struct grid_rule *r = f->rule;
    float extreme = 0, best = -1;
    for (int i = 0; i < r->len; i++)
        extreme = fmaxf(extreme, fabsf(p->x[i / 4][i % 4]));
    p->s = 0;
    for (int t = 0; t < r->n_starts && extreme > 0; t++) {
        float s = extreme / r->start[t];
        for (int step = 0; step < 2 && s > 0; step++) {
            assign(f, p, s);
            s = p->qq > 0 ? p->qx / p->qq : 0;
            float gain = s * p->qx; /* what the fit takes off the sum of squares */
            if (s > 0 && gain > best) {
                best = gain;
                p->s = s;
            }
        }
    }
}

/* The best whole sub-scale near s under the stored d. */
static void snap(const struct search *f, struct sub *p, float d)
{
    float unit = d * f->rule->unit, most = (float)f->rule->sc_max;
    float near = rintf((p->s * block_inverse(unit) - 1) * 0.5f);
    struct sub best = {.err = INFINITY};
    for (int t = -1; t <= 1; t++) {
        float sc = fminf(fmaxf(near + (float)t, 0), most);
        if (t > -1 && (int)sc == p->sc)
            continue;
        p->sc = (int)sc;
        assign(f, p, unit * (2 * sc + 1));
        if (p->err < best.err)
            best = *p;
    }
    *p = best;
}

static void load(const struct search *f, struct sub *sub, struct grid_block *b, const float *x, const float *importance)
{
    float v[GRID_SUPER], w[GRID_SUPER];
    int len = f->rule->len;
    grid_load(f->rule, b, v, w, x, importance);
    for (int j = 0; j < GRID_SUPER / len; j++) {
        memcpy(sub[j].x, v + j * len, (size_t)len * sizeof *v);
        memcpy(sub[j].w, w + j * len, (size_t)len * sizeof *w);
    }
}

static void keep(const struct search *f, struct grid_block *b, uint16_t d, const struct sub *sub)
{
    int n_sub = GRID_SUPER / f->rule->len, per_8 = 8 / f->g->dim;
    b->d = d;
    for (int j = 0; j < n_sub; j++) {
        b->sc[j] = (uint8_t)sub[j].sc;
        for (int v = 0; v < f->n_vec; v++) {
            int at = j * f->n_vec + v;
            b->index[at] = sub[j].index[v];
            b->minus[at / per_8] = sub[j].minus[v];
        }
    }
}

static void encode_block(const struct search *f, struct grid_block *b, const float *x, const float *importance)
{
    const struct grid_rule *r = f->rule;
    struct sub sub[GRID_MAX_SUBS] = {0};
    int n_sub = GRID_SUPER / r->len;
    float most = 0, least = INFINITY;
    load(f, sub, b, x, importance);
    for (int j = 0; j < n_sub; j++) {
        fit_scale(f, &sub[j]);
        most = fmaxf(most, sub[j].s);
    }
    float d = most / (r->unit * (float)(2 * r->sc_max + 1));
    for (int round = 0; round < N_ROUNDS; round++) {
        uint16_t stored = block_scale_f16(d);
        float err = 0, aa = 0, ax = 0;
        for (int j = 0; j < n_sub; j++) {
            snap(f, &sub[j], f16_to_f32(stored));
            float a = r->unit * (float)(2 * sub[j].sc + 1);
            err += sub[j].err;
            aa += a * a * sub[j].qq;
            ax += a * sub[j].qx;
        }
        bool none = err >= 0 || aa == 0; /* weights too small for any step are zero */
        d = aa > 0 && ax > 0 ? ax / aa : 0;
        if (round == 0 || err < least)
            keep(f, b, none ? 0 : block_scale_f16(d), sub);
        least = fminf(err, least);
    }
}

void grid_encode_row(const struct grid_rule *r, uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    struct search f = search_of(r);
    struct grid_block b;
    for (int64_t i = 0; i < k; i += GRID_SUPER) {
        encode_block(&f, &b, x + i, importance ? importance + i : NULL);
        r->pack(dst + i / GRID_SUPER * r->block_bytes, &b);
    }
    grid_restore_gain(r, dst, x, k, importance);
}

static void decode_block(const struct grid_rule *r, const struct grid_points *g, float *y, const struct grid_block *b)
{
    int half = g->dim == 8 ? 0 : 1; /* where the second four weights have a point of their own */
    float d = f16_to_f32(b->d) * r->unit;
    for (int i = 0; i < GRID_SUPER / 8; i++, y += 8) {
        v4 s = v4_of(d * (float)(2 * b->sc[8 * i / r->len] + 1));
        v4 shift = v4_of(r->shift_len == 0 ? 0 : b->minus[i] ? -GRID_SHIFT : GRID_SHIFT);
        const float *p = g->point + b->index[i << half] * g->dim;
        const float *p2 = half ? g->point + b->index[2 * i + 1] * g->dim : p + 4;
        v4_store(y, v4_flip(s * (v4_load(p) + shift), b->sign[i]));
        v4_store(y + 4, v4_flip(s * (v4_load(p2) + shift), b->sign[i] >> 4));
    }
}

void grid_decode_row(const struct grid_rule *r, float *y, const uint8_t *src, int64_t k)
{
    const struct grid_points *g = grid_get(r->grid, false);
    struct grid_block b = {0};
    for (int64_t i = 0; i < k; i += GRID_SUPER, src += r->block_bytes, y += GRID_SUPER) {
        r->unpack(&b, src);
        decode_block(r, g, y, &b);
    }
}
