/* The encoders of IQ4_NL and IQ4_XS, LANES runs of 32 weights side by side, one per SIMD lane, so that sums need no
 * reduction across lanes. The file that includes this defines LANES (4, 8, 16) and is compiled for a machine with such
 * registers; the bytes are the same whatever LANES is. The search: a few starts, each improved by rounding and least
 * squares in turn; IQ4_XS then tries the whole scales around what was found and fits d to them. */
#ifndef KERNELS_FORMATS_IQ4_LANES_H
#define KERNELS_FORMATS_IQ4_LANES_H
#include <math.h>
#include "kernels/formats/blocks.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/iq4.h"
#include "kernels/formats/lanes.h"

enum { N_RUNS = 16, N_GROUPS = N_RUNS / LANES };

struct iq4_group { /* lane j of x[i] is weight i of run j */
    vf x[IQ4_LEN], w[IQ4_LEN];
    vf s;          /* real scale */
    vf sc, qx, qq; /* the whole scale and, over its values q, sums of w*q*x and w*q*q */
};
struct iq4_runs {
    float x[N_RUNS * IQ4_LEN], w[N_RUNS * IQ4_LEN]; /* row order */
    struct iq4_group group[N_GROUPS];
};

/* Lanes of at, floor(2v) + 256, to the code of the value nearest to v. */
static inline vmask codes_at(vmask at)
{
#if defined(__AVX512F__) && LANES == 16
    /* Sixteen numbers at a time: those that hold a midpoint of neighbours hold one, and carry into bit 9 there. */
#define ALL(code)        (512 * (code))
#define STEP(code, a, b) (512 * ((code) + 1) - (256 + (a) + (b)))
    static const int32_t base[32] = {ALL(0),
                                     STEP(0, -127, -104),
                                     ALL(1),
                                     ALL(1),
                                     STEP(1, -104, -83),
                                     ALL(2),
                                     STEP(2, -83, -65),
                                     ALL(3),
                                     STEP(3, -65, -49),
                                     ALL(4),
                                     STEP(4, -49, -35),
                                     ALL(5),
                                     STEP(5, -35, -22),
                                     ALL(6),
                                     STEP(6, -22, -10),
                                     STEP(7, -10, 1),
                                     STEP(8, 1, 13),
                                     ALL(9),
                                     STEP(9, 13, 25),
                                     STEP(10, 25, 38),
                                     ALL(11),
                                     STEP(11, 38, 53),
                                     ALL(12),
                                     STEP(12, 53, 69),
                                     ALL(13),
                                     STEP(13, 69, 89),
                                     ALL(14),
                                     ALL(14),
                                     STEP(14, 89, 113),
                                     ALL(15),
                                     ALL(15),
                                     ALL(15)};
#undef ALL
#undef STEP
    __m512i lo = _mm512_loadu_si512(base), hi = _mm512_loadu_si512(base + 16);
    return (at + (vmask)_mm512_permutex2var_epi32(lo, (__m512i)(at >> 4), hi)) >> 9;
#elif defined(__AVX2__) && LANES == 8
    return (vmask)_mm256_i32gather_epi32(iq4_nearest, (__m256i)at, 4);
#else
    vmask code;
    for (int j = 0; j < LANES; j++)
        code[j] = iq4_nearest[at[j]];
    return code;
#endif
}

static inline vf values_of(vmask code)
{
    static const float value[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
#if defined(__AVX512F__) && LANES == 16
    return (vf)_mm512_permutexvar_ps((__m512i)code, _mm512_loadu_ps(value));
#elif defined(__AVX2__) && LANES == 8
    __m256 lo = _mm256_permutevar8x32_ps(_mm256_loadu_ps(value), (__m256i)code),
           hi = _mm256_permutevar8x32_ps(_mm256_loadu_ps(value + 8), (__m256i)code);
    return vf_pick(code > 7, (vf)hi, (vf)lo);
#else
    vf q;
    for (int j = 0; j < LANES; j++)
        q[j] = value[code[j]];
    return q;
#endif
}

/* Codes of x for a scale, of which this is two inverses. */
static inline vmask codes_of(vf x, vf twice)
{
    vf at = vf_clamp(x * twice + vf_of(256), vf_of(0), vf_of(511));
    return codes_at(__builtin_convertvector(at, vmask));
}

static inline vf twice_inverse(vf scale)
{
    vmask usable = vf_max(scale, -scale) >= vf_of(0x1p-127f);
    return vf_of(2) * vf_pick(usable, vf_of(1) / vf_pick(usable, scale, vf_of(1)), vf_of(0));
}

static inline void value_sums(const struct iq4_group *g, vf scale, vf *qx, vf *qq)
{
    vf twice = twice_inverse(scale);
    *qx = *qq = vf_of(0);
    for (int i = 0; i < IQ4_LEN; i++) {
        vf q = values_of(codes_of(g->x[i], twice)), wq = g->w[i] * q;
        *qx += wq * g->x[i];
        *qq += wq * q;
    }
}

/* Lanes past the end repeat the last run. */
static inline void groups_load(struct iq4_runs *p, int n_runs)
{
    for (int j = 0; j < N_RUNS; j++) {
        struct iq4_group *g = &p->group[j / LANES];
        int at = (j < n_runs ? j : n_runs - 1) * IQ4_LEN;
        for (int i = 0; i < IQ4_LEN; i++) {
            g->x[i][j % LANES] = p->x[at + i];
            g->w[i][j % LANES] = p->w[at + i];
        }
    }
}

/* The real scale that loses least. */
static inline void group_fit(struct iq4_group *g)
{
    static const float start[] = {-127, -110, 113, 100, -90, 85}; /* value that the extreme weight is first mapped to */
    vf zero = vf_of(0), extreme = zero, best = vf_of(-1);
    for (int i = 0; i < IQ4_LEN; i++)
        extreme = vf_pick(vf_max(g->x[i], -g->x[i]) > vf_max(extreme, -extreme), g->x[i], extreme);
    g->s = zero;
    for (size_t t = 0; t < sizeof start / sizeof *start; t++) {
        vf s = extreme / vf_of(start[t]);
        for (int step = 0; step < 2; step++) {
            vf qx, qq;
            value_sums(g, s, &qx, &qq);
            vmask some = qq > zero;
            s = vf_pick(some, qx / vf_pick(some, qq, vf_of(1)), zero);
            vf gain = s * qx; /* what the fit takes off the sum of squares */
            vmask better = gain > best;
            g->s = vf_pick(better, s, g->s);
            best = vf_pick(better, gain, best);
        }
    }
}

/* Codes of one run; code i and i + 16 share a byte. */
static inline void run_pack(uint8_t dst[IQ4_LEN / 2], const float *x, float scale)
{
    typedef uint8_t bytes __attribute__((vector_size(LANES)));
    uint8_t code[IQ4_LEN];
    vf twice = vf_of(2 * block_inverse(scale));
    for (int i = 0; i < IQ4_LEN; i += LANES) {
        bytes b = __builtin_convertvector(codes_of(vf_load(x + i), twice), bytes);
        memcpy(code + i, &b, sizeof b);
    }
    for (int i = 0; i < IQ4_LEN / 2; i++)
        dst[i] = (uint8_t)(code[i] | code[i + IQ4_LEN / 2] << 4);
}

/* n_runs of a row, measured with what counts in blocks of n_weigh weights, each with its real scale. */
static inline void runs_fit(struct iq4_runs *p, const float *x, const float *importance, int n_runs, int n_weigh)
{
    block_limit(p->x, x, n_runs * IQ4_LEN);
    for (int i = 0; i < n_runs * IQ4_LEN; i += n_weigh)
        fit_weigh(p->w + i, p->x + i, importance ? importance + i : NULL, n_weigh);
    groups_load(p, n_runs);
    for (int i = 0; i < N_GROUPS; i++)
        group_fit(&p->group[i]);
}

static inline void iq4_nl_encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    enum { BYTES = 18, CODES = 2 };
    struct iq4_runs p;
    for (int64_t at = 0; at < k; at += N_RUNS * IQ4_LEN) {
        int n = k - at < N_RUNS * IQ4_LEN ? (int)(k - at) / IQ4_LEN : N_RUNS;
        runs_fit(&p, x + at, importance ? importance + at : NULL, n, IQ4_LEN);
        for (int j = 0; j < n; j++, dst += BYTES) {
            float s = p.group[j / LANES].s[j % LANES];
            uint16_t d = f32_to_f16(s < -65504 ? -65504 : s > 65504 ? 65504 : s);
            wr_u16le(dst, d);
            run_pack(dst + CODES, p.x + j * IQ4_LEN, f16_to_f32(d));
        }
    }
}

/* The best whole scales near s/d; returns the change of the squared errors against all zeros. */
static inline vf group_snap(struct iq4_group *g, vf d)
{
    vf lo = vf_of(IQ4_XS_SC_LO), hi = vf_of(IQ4_XS_SC_HI), best = vf_of(INFINITY);
    vf near = vf_round(g->s * (vf_of(0.5f) * twice_inverse(d)));
    for (int t = -1; t <= 1; t++) {
        vf sc = vf_clamp(near + vf_of((float)t), lo, hi), s = d * sc, qx, qq;
        value_sums(g, s, &qx, &qq);
        vf err = s * s * qq - vf_of(2) * s * qx;
        vmask better = err < best;
        best = vf_pick(better, err, best);
        g->sc = vf_pick(better, sc, g->sc);
        g->qx = vf_pick(better, qx, g->qx);
        g->qq = vf_pick(better, qq, g->qq);
    }
    return best;
}

/* d is what the codes are for, stored what is written. */
static inline void super_pack(uint8_t *dst, uint16_t d, uint16_t stored, const struct iq4_runs *p, int first)
{
    int high = 0;
    uint8_t low[IQ4_XS_RUNS / 2] = {0};
    for (int j = 0; j < IQ4_XS_RUNS; j++) {
        int sc = (int)p->group[(first + j) / LANES].sc[(first + j) % LANES];
        run_pack(dst + IQ4_XS_CODES + j * IQ4_LEN / 2, p->x + (first + j) * IQ4_LEN, f16_to_f32(d) * (float)sc);
        sc -= IQ4_XS_SC_LO;
        high |= sc >> 4 << 2 * j;
        low[j / 2] |= (uint8_t)((sc & 15) << j % 2 * 4);
    }
    wr_u16le(dst, stored);
    wr_u16le(dst + IQ4_XS_HIGH, (uint16_t)high);
    memcpy(dst + IQ4_XS_LOW, low, sizeof low);
}

struct iq4_super {
    float d, least; /* squared error of what is packed, against all zeros */
};

/* Packs super-block b where its whole scales are better than what was packed, and fits d to them. */
static inline void super_round(struct iq4_super *u, uint8_t *dst, const struct iq4_runs *p, const vf *err, int b)
{
    float sum = 0, aa = 0, ax = 0;
    uint16_t d = block_scale_f16(u->d);
    for (int j = b * IQ4_XS_RUNS; j < (b + 1) * IQ4_XS_RUNS; j++) {
        const struct iq4_group *g = &p->group[j / LANES];
        float sc = g->sc[j % LANES];
        sum += err[j / LANES][j % LANES];
        aa += sc * sc * g->qq[j % LANES];
        ax += sc * g->qx[j % LANES];
    }
    if (sum < u->least)
        super_pack(dst, d, sum > 0 ? 0 : d, p, b * IQ4_XS_RUNS); /* weights too small for any step are zero */
    u->least = fminf(sum, u->least);
    u->d = aa > 0 ? ax / aa : 0;
}

/* One or two super-blocks. */
static inline void supers_encode(uint8_t *dst, struct iq4_runs *p, int n_supers)
{
    struct iq4_super u[2] = {{0, INFINITY}, {0, INFINITY}};
    for (int j = 0; j < N_RUNS; j++) {
        float s = p->group[j / LANES].s[j % LANES], *d = &u[j / IQ4_XS_RUNS].d;
        *d = fabsf(s) > fabsf(*d) ? s : *d;
    }
    for (int b = 0; b < 2; b++)
        u[b].d /= IQ4_XS_SC_LO;
    for (int round = 0; round < 2; round++) {
        vf d[N_GROUPS], err[N_GROUPS];
        for (int j = 0; j < N_RUNS; j++)
            d[j / LANES][j % LANES] = f16_to_f32(block_scale_f16(u[j / IQ4_XS_RUNS].d));
        for (int i = 0; i < N_GROUPS; i++)
            err[i] = group_snap(&p->group[i], d[i]);
        for (int b = 0; b < n_supers; b++)
            super_round(&u[b], dst + b * IQ4_XS_BYTES, p, err, b);
    }
}

static inline void iq4_xs_encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    enum { N = IQ4_XS_RUNS * IQ4_LEN };
    struct iq4_runs p;
    for (int64_t at = 0; at < k; at += 2 * N, dst += 2 * IQ4_XS_BYTES) {
        int n = k - at < 2 * N ? 1 : 2;
        runs_fit(&p, x + at, importance ? importance + at : NULL, n * IQ4_XS_RUNS, N);
        supers_encode(dst, &p, n);
    }
}
#endif
