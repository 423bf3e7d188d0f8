/* The search of kernels/formats/grid_row.c with LANES sub-blocks side by side, one per SIMD lane, so that sums need no
 * reduction across lanes: the same operations in the same order for each sub-block, so the same bytes. The file that
 * includes this defines LANES (8, 16) and is compiled for a machine with such registers.
 *
 * Points are words of 16 bits with the numbers of their levels, 16 / dim bits each (struct grid_points, near_code): a
 * lane's candidates are unpacked by shifts and looked up in a register of levels. */
#ifndef KERNELS_X86_ENCODE_GRID_H
#define KERNELS_X86_ENCODE_GRID_H
#include <immintrin.h>
#include "kernels/encoders.h"
#include "kernels/formats/grid_super.h"
#include "kernels/formats/lanes.h"
#include "kernels/inline.h"

enum { MAX_LEN = 32, MAX_VECTORS = 8, N_ROUNDS = 2, MAX_SUPERS = 2, MAX_GROUPS = GRID_MAX_SUBS / LANES };

struct choice { /* for one scale a lane */
    vf qx, qq;  /* sums of w*q*x, w*q*q */
    vmask code[MAX_VECTORS], minus[MAX_VECTORS];
};
struct group { /* lane j of x[i] is weight i of sub-block j */
    vf x[MAX_LEN], w[MAX_LEN];
    vf s; /* real scale */
    vf sc, err;
    struct choice best; /* for the whole scale sc */
};
struct search;
typedef void assign_fn(const struct search *f, const struct group *p, struct choice *c, vf s);
struct search {
    const struct grid_rule *rule;
    const struct grid_points *g;
    assign_fn *assign;
    int n_vec, n_run;      /* vectors of a sub-block, and of a run that shares a shift */
    float inv_step, first; /* node coordinate = x/s * inv_step + first */
    vf level;              /* lane: number of a level, with any bits above */
};

static inline vf inverse_of(vf s)
{
    vmask usable = vf_max(s, -s) >= vf_of(0x1p-127f);
    return vf_pick(usable, vf_of(1) / vf_pick(usable, s, vf_of(1)), vf_of(0));
}

/* Levels by the lowest bits of each lane of code. */
INLINE vf levels_of(vf level, vmask code)
{
#if LANES == 16
    return (vf)_mm512_permutexvar_ps((__m512i)code, (__m512)level);
#else
    return (vf)_mm256_permutevar8x32_ps((__m256)level, (__m256i)code);
#endif
}

/* Lanes of code become those of other where e < best, and best the lesser. */
INLINE void take_less(vf *best, vmask *code, vf e, vmask other)
{
#if LANES == 16
    __mmask16 less = _mm512_cmp_ps_mask((__m512)e, (__m512)*best, _CMP_LT_OQ);
    *code = (vmask)_mm512_mask_mov_epi32((__m512i)*code, less, (__m512i)other);
#else
    __m256 less = _mm256_cmp_ps((__m256)e, (__m256)*best, _CMP_LT_OQ);
    *code = (vmask)_mm256_blendv_ps((__m256)*code, (__m256)other, less);
#endif
    *best = vf_min(e, *best);
}

/* Words 2c and 2c + 1 of each lane's node in row[c]: rows of 32 bytes, transposed. */
INLINE void rows_of(vmask row[GRID_NEAR / 2], const uint16_t *near_code, vmask node)
{
#if LANES == 16
    typedef __m512i reg;
#define ROW(i)                                                                                                         \
    _mm512_inserti64x4(                                                                                                \
        _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(near_code + (ptrdiff_t)at[i] * GRID_NEAR))),          \
        _mm256_loadu_si256((const void *)(near_code + (ptrdiff_t)at[(i) + 8] * GRID_NEAR)), 1)
#define LOW(a, b)    _mm512_unpacklo_epi32(a, b)
#define HIGH(a, b)   _mm512_unpackhi_epi32(a, b)
#define LOW_2(a, b)  _mm512_unpacklo_epi64(a, b)
#define HIGH_2(a, b) _mm512_unpackhi_epi64(a, b)
#define LOW_4(a, b)  _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), b)
#define HIGH_4(a, b) _mm512_permutex2var_epi64(a, _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), b)
#else
    typedef __m256i reg;
#define ROW(i)       _mm256_loadu_si256((const void *)(near_code + (ptrdiff_t)at[i] * GRID_NEAR))
#define LOW(a, b)    _mm256_unpacklo_epi32(a, b)
#define HIGH(a, b)   _mm256_unpackhi_epi32(a, b)
#define LOW_2(a, b)  _mm256_unpacklo_epi64(a, b)
#define HIGH_2(a, b) _mm256_unpackhi_epi64(a, b)
#define LOW_4(a, b)  _mm256_permute2x128_si256(a, b, 0x20)
#define HIGH_4(a, b) _mm256_permute2x128_si256(a, b, 0x31)
#endif
    int32_t at[LANES];
    reg half[2][4];
    memcpy(at, &node, sizeof at);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        reg a = ROW(4 * h), b = ROW(4 * h + 1), c = ROW(4 * h + 2), d = ROW(4 * h + 3);
        reg ab = LOW(a, b), cd = LOW(c, d), ab2 = HIGH(a, b), cd2 = HIGH(c, d);
        half[h][0] = LOW_2(ab, cd);
        half[h][1] = HIGH_2(ab, cd);
        half[h][2] = LOW_2(ab2, cd2);
        half[h][3] = HIGH_2(ab2, cd2);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        row[i] = (vmask)LOW_4(half[0][i], half[1][i]);
        row[i + 4] = (vmask)HIGH_4(half[0][i], half[1][i]);
    }
#undef ROW
#undef LOW
#undef HIGH
#undef LOW_2
#undef HIGH_2
#undef LOW_4
#undef HIGH_4
}

/* The node of x/s - shift: each coordinate rounded. t[] = x - s*shift. */
INLINE vmask node_of(const struct search *f, const vf *t, vf scale, int dim)
{
    vf most = vf_of((float)(f->g->n_levels - 1)), first = vf_of(f->first), sum = vf_of(0);
    float place = 1;
    for (int i = 0; i < dim; i++, place *= (float)f->g->n_levels)
        sum += vf_of(place) * vf_clamp(vf_round(t[i] * scale + first), vf_of(0), most);
    return __builtin_convertvector(sum, vmask);
}

/* What a point loses; sums in the order of the plain search: i and i + 4, then even and odd ones. */
INLINE vf error_of(const struct search *f, vmask code, const vf *t, const vf *w, vf s, int dim, bool weighted)
{
    vf e[8];
#pragma GCC unroll 8
    for (int i = 0; i < dim; i++) {
        vf d = s * levels_of(f->level, code >> 16 / dim * i) - t[i];
        e[i] = (weighted ? w[i] * d : d) * d;
    }
    for (int i = 0; i < 4 && dim == 8; i++)
        e[i] += e[i + 4];
    return (e[0] + e[2]) + (e[1] + e[3]);
}

/* Of the kept points near x/s - shift, the one that loses least. */
INLINE vmask nearest_of(const struct search *f, const vf *t, const vf *w, vf s, vf scale, int dim, bool weighted)
{
    vmask row[GRID_NEAR / 2];
    rows_of(row, f->g->near_code, node_of(f, t, scale, dim));
    vmask code = row[0];
    vf best = vf_of(INFINITY);
    for (int c = 0; c < f->rule->n_near / 2; c++) {
        vmask second = row[c] >> 16;
        take_less(&best, &code, error_of(f, row[c], t, w, s, dim, weighted), row[c]);
        take_less(&best, &code, error_of(f, second, t, w, s, dim, weighted), second);
    }
    return code;
}

/* Vectors [v0, v1) with one shift: codes and sums. */
INLINE void choose(const struct search *f, const struct group *p, struct choice *c, int v0, int v1, vf s, vf scale,
                   float shift, int dim, bool weighted)
{
    vf sx[4] = {0}, sq[4] = {0};
    for (int v = v0; v < v1; v++) {
        const vf *x = p->x + v * dim, *w = p->w + v * dim;
        vf t[8];
        for (int i = 0; i < dim; i++)
            t[i] = shift == 0 ? x[i] : x[i] - s * vf_of(shift);
        vmask code = nearest_of(f, t, w, s, scale, dim, weighted);
        c->code[v] = code;
        c->minus[v] = (vmask){0};
#pragma GCC unroll 8
        for (int i = 0; i < dim; i++) {
            vf level = levels_of(f->level, code >> 16 / dim * i), q = shift == 0 ? level : level + vf_of(shift);
            vf wq = weighted ? w[i] * q : q;
            sx[i % 4] += wq * x[i];
            sq[i % 4] += wq * q;
        }
    }
    c->qx = (sx[0] + sx[2]) + (sx[1] + sx[3]);
    c->qq = (sq[0] + sq[2]) + (sq[1] + sq[3]);
}

/* Codes for scale s, with the better shift of each run that shares one. */
INLINE void assign(const struct search *f, const struct group *p, struct choice *c, vf s, int dim, bool shifted,
                   bool weighted)
{
    vf scale = inverse_of(s) * vf_of(f->inv_step), qx = vf_of(0), qq = vf_of(0), two = vf_of(2);
    struct choice plus;
    for (int v = 0; v < f->n_vec; v += f->n_run) {
        choose(f, p, c, v, v + f->n_run, s, scale, shifted ? -GRID_SHIFT : 0, dim, weighted);
        if (shifted) {
            choose(f, p, &plus, v, v + f->n_run, s, scale, GRID_SHIFT, dim, weighted);
            vmask minus = ~(s * plus.qq - two * plus.qx < s * c->qq - two * c->qx);
            c->qx = vf_pick(minus, c->qx, plus.qx);
            c->qq = vf_pick(minus, c->qq, plus.qq);
            for (int i = v; i < v + f->n_run; i++) {
                c->code[i] = (minus & c->code[i]) | (~minus & plus.code[i]);
                c->minus[i] = minus;
            }
        }
        qx += c->qx;
        qq += c->qq;
    }
    c->qx = qx;
    c->qq = qq;
}

#define ASSIGN(name, ...)                                                                                              \
    static void name(const struct search *f, const struct group *p, struct choice *c, vf s)                            \
    {                                                                                                                  \
        assign(f, p, c, s, __VA_ARGS__);                                                                               \
    }
ASSIGN(assign_4, 4, false, false)
ASSIGN(assign_4_weighted, 4, false, true)
ASSIGN(assign_8, 8, false, false)
ASSIGN(assign_8_weighted, 8, false, true)
ASSIGN(assign_8_shifted, 8, true, false)
ASSIGN(assign_8_shifted_weighted, 8, true, true)
#undef ASSIGN

static inline struct search search_of(const struct grid_rule *r, bool weighted)
{
    static assign_fn *const assigns[3][2] = {
        {assign_4, assign_4_weighted}, {assign_8, assign_8_weighted}, {assign_8_shifted, assign_8_shifted_weighted}};
    const struct grid_points *g = grid_get(r->grid, true);
    float step = g->level[1] - g->level[0];
    struct search f = {.rule = r, .g = g, .inv_step = 1 / step, .first = -g->level[0] / step};
    f.assign = assigns[g->dim == 4 ? 0 : r->shift_len ? 2 : 1][weighted];
    f.n_vec = r->len / g->dim;
    f.n_run = r->shift_len ? r->shift_len / g->dim : f.n_vec;
    for (int i = 0; i < LANES; i++) {
        int number = i & ((1 << 16 / g->dim) - 1);
        f.level[i] = number < g->n_levels ? g->level[number] : 0;
    }
    return f;
}

/* The best real scale of each sub-block over the starts. */
static inline void group_fit(const struct search *f, struct group *p)
{
    vf zero = vf_of(0), extreme = zero, best = vf_of(-1);
    for (int i = 0; i < f->rule->len; i++)
        extreme = vf_max(vf_max(p->x[i], -p->x[i]), extreme);
    p->s = zero;
    for (int t = 0; t < f->rule->n_starts; t++) {
        vf s = extreme / vf_of(f->rule->start[t]);
        for (int step = 0; step < 2; step++) {
            struct choice c;
            f->assign(f, p, &c, s);
            vmask some = (s > zero) & (c.qq > zero);
            s = vf_pick(some, c.qx / vf_pick(some, c.qq, vf_of(1)), zero);
            vf gain = s * c.qx; /* what the fit takes off the sum of squares */
            vmask better = (s > zero) & (gain > best);
            best = vf_pick(better, gain, best);
            p->s = vf_pick(better, s, p->s);
        }
    }
}

/* The best whole sub-scales near s under the stored d. */
static inline void group_snap(const struct search *f, struct group *p, vf d)
{
    vf unit = d * vf_of(f->rule->unit), most = vf_of((float)f->rule->sc_max), zero = vf_of(0);
    vf near = vf_round((p->s * inverse_of(unit) - vf_of(1)) * vf_of(0.5f));
    p->err = vf_of(INFINITY);
    p->best = (struct choice){0};
    for (int t = -1; t <= 1; t++) {
        struct choice c;
        vf sc = vf_clamp(near + vf_of((float)t), zero, most), s = unit * (vf_of(2) * sc + vf_of(1));
        f->assign(f, p, &c, s);
        vf err = s * (s * c.qq - vf_of(2) * c.qx);
        vmask better = err < p->err;
        p->err = vf_pick(better, err, p->err);
        p->sc = vf_pick(better, sc, p->sc);
        p->best.qx = vf_pick(better, c.qx, p->best.qx);
        p->best.qq = vf_pick(better, c.qq, p->best.qq);
        for (int v = 0; v < f->n_vec; v++) {
            p->best.code[v] = (better & c.code[v]) | (~better & p->best.code[v]);
            p->best.minus[v] = (better & c.minus[v]) | (~better & p->best.minus[v]);
        }
    }
}

/* Numbers of the nodes that points are. */
static inline vmask nodes_of(const struct grid_points *g, vmask code)
{
    int bits = 16 / g->dim, mask = (1 << bits) - 1;
    vmask node = {0};
    for (int i = g->dim - 1; i >= 0; i--)
        node = node * g->n_levels + (code >> bits * i & mask);
    return node;
}

/* Super-block of the sub-blocks from number first on. */
static inline void keep(const struct search *f, struct grid_block *b, uint16_t d, const struct group *p, int first)
{
    int n_sub = GRID_SUPER / f->rule->len, per_8 = 8 / f->g->dim;
    b->d = d;
    for (int j = 0; j < n_sub; j++)
        b->sc[j] = (uint8_t)p[(first + j) / LANES].sc[(first + j) % LANES];
    for (int v = 0; v < f->n_vec; v++)
        for (int j = 0; j < n_sub; j += LANES) {
            const struct choice *c = &p[(first + j) / LANES].best;
            int32_t node[LANES], minus[LANES], n = n_sub < LANES ? n_sub : LANES;
            memcpy(node, (vmask[]){nodes_of(f->g, c->code[v])}, sizeof node);
            memcpy(minus, &c->minus[v], sizeof minus);
            for (int l = 0; l < n; l++) {
                int at = (j + l) * f->n_vec + v, from = first % LANES + l;
                b->index[at] = f->g->index[node[from]];
                b->minus[at / per_8] = minus[from] != 0;
            }
        }
}

struct super {
    float d, least; /* squared error of what is kept, less that of all zeros */
};

/* Keeps super-block b where its whole scales are better than what was kept, and fits d to them. */
static inline void super_round(const struct search *f, struct super *u, struct grid_block *b, const struct group *p,
                               int first)
{
    float err = 0, aa = 0, ax = 0;
    for (int j = first; j < first + GRID_SUPER / f->rule->len; j++) {
        const struct group *g = &p[j / LANES];
        float a = f->rule->unit * (2 * g->sc[j % LANES] + 1);
        err += g->err[j % LANES];
        aa += a * a * g->best.qq[j % LANES];
        ax += a * g->best.qx[j % LANES];
    }
    bool none = err >= 0 || aa == 0; /* weights too small for any step are zero */
    u->d = aa > 0 && ax > 0 ? ax / aa : 0;
    if (err < u->least)
        keep(f, b, none ? 0 : block_scale_f16(u->d), p, first);
    u->least = fminf(err, u->least);
}

/* Super-blocks that fill n_groups groups; of these, the first are b[]. */
static inline void supers_search(const struct search *f, struct grid_block *b, struct group *p, int n_groups)
{
    const struct grid_rule *r = f->rule;
    struct super u[MAX_SUPERS] = {{0, INFINITY}, {0, INFINITY}};
    int n_sub = GRID_SUPER / r->len;
    for (int i = 0; i < n_groups; i++)
        group_fit(f, &p[i]);
    for (int j = 0; j < n_groups * LANES; j++)
        u[j / n_sub].d = fmaxf(u[j / n_sub].d, p[j / LANES].s[j % LANES]);
    for (int i = 0; i < MAX_SUPERS; i++)
        u[i].d /= r->unit * (float)(2 * r->sc_max + 1);
    for (int round = 0; round < N_ROUNDS; round++) {
        for (int i = 0; i < n_groups; i++) {
            vf d;
            for (int l = 0; l < LANES; l++)
                d[l] = f16_to_f32(block_scale_f16(u[(i * LANES + l) / n_sub].d));
            group_snap(f, &p[i], d);
        }
        for (int j = 0; j < n_groups * LANES; j += n_sub)
            super_round(f, &u[j / n_sub], &b[j / n_sub], p, j);
    }
}

/* grid_take_signs. */
static inline uint8_t take_signs(const struct grid_rule *r, float *x, const float *w)
{
    if (r->signs == GRID_SIGNED_LEVELS)
        return 0;
    __m256 v = _mm256_loadu_ps(x), zero = _mm256_setzero_ps();
    unsigned signs = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, zero, _CMP_LT_OQ));
    v = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
    _mm256_storeu_ps(x, v);
    if (r->signs == GRID_EVEN_SIGNS && __builtin_popcount(signs) % 2) {
        __m256 loss = _mm256_mul_ps(_mm256_loadu_ps(w), v);
        __m256 least = _mm256_min_ps(loss, _mm256_permute2f128_ps(loss, loss, 1));
        least = _mm256_min_ps(least, _mm256_permute_ps(least, 0x4e));
        least = _mm256_min_ps(least, _mm256_permute_ps(least, 0xb1));
        int i = __builtin_ctz((unsigned)_mm256_movemask_ps(_mm256_cmp_ps(loss, least, _CMP_EQ_OQ)) | 1u << 7);
        signs ^= 1u << i;
        x[i] = -x[i];
    }
    return (uint8_t)signs;
}

/* grid_load, and then one super-block into the lanes of its sub-blocks. */
static inline void super_load(const struct search *f, struct grid_block *b, struct group *p, int first, const float *x,
                              const float *importance)
{
    float v[GRID_SUPER], w[GRID_SUPER];
    const __m256 limit = _mm256_set1_ps(0x1p30f);
    int len = f->rule->len;
    for (int i = 0; i < GRID_SUPER; i += 8) /* no numbers stay none */
        _mm256_storeu_ps(v + i, _mm256_max_ps(-limit, _mm256_min_ps(limit, _mm256_loadu_ps(x + i))));
    fit_weigh(w, v, importance, GRID_SUPER);
    for (int i = 0; i < GRID_SUPER; i += 8) {
        _mm256_storeu_ps(w + i, _mm256_sqrt_ps(_mm256_loadu_ps(w + i)));
        b->sign[i / 8] = take_signs(f->rule, v + i, w + i);
    }
    for (int j = first; j < first + GRID_SUPER / len; j++)
        for (int i = 0; i < len; i++) {
            p[j / LANES].x[i][j % LANES] = v[(j - first) * len + i];
            p[j / LANES].w[i][j % LANES] = w[(j - first) * len + i];
        }
}

static inline void encode_grid_row(const struct grid_rule *r, uint8_t *dst, const float *x, int64_t k,
                                   const float *importance)
{
    struct search f = search_of(r, importance != NULL);
    int n_sub = GRID_SUPER / r->len, n_groups = n_sub < LANES ? 1 : n_sub / LANES, n = n_groups * LANES / n_sub;
    struct group p[MAX_GROUPS];
    memset(p, 0, sizeof p);
    for (int64_t i = 0; i < k; i += n * GRID_SUPER) {
        struct grid_block b[MAX_SUPERS] = {0};
        int have = k - i < n * GRID_SUPER ? (int)(k - i) / GRID_SUPER : n; /* lanes past the end: what was there */
        for (int j = 0; j < have; j++)
            super_load(&f, &b[j], p, j * n_sub, x + i + j * GRID_SUPER,
                       importance ? importance + i + j * GRID_SUPER : NULL);
        supers_search(&f, b, p, n_groups);
        for (int j = 0; j < have; j++)
            r->pack(dst + (i / GRID_SUPER + j) * r->block_bytes, &b[j]);
    }
    grid_restore_gain(r, dst, x, k, importance);
}

#define ENCODE_GRID(id, machine) ROW_ENCODER(encode_##id##_##machine, encode_grid_row, &id##_rule)
#endif
