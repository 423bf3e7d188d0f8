/* Search for the scales, offsets and codes that lose least, for formats whose bytes no standard fixes.
 *
 * A format is a grid: x ~ d*sc*q - dmin*m, with codes q and, in k-types, sub-scales sc and sub-offsets m.
 * The search minimises the sum of w * (x - decoded)^2, w as fit_weigh makes them.
 * Own design: a few starts per sub-block, each improved by alternating rounding and least squares (Lloyd,
 * "Least squares quantization in PCM", 1982), then integer neighbours of (sc, m) with the rounded d and dmin,
 * then d and dmin again by least squares. Sums never change their order, so every machine finds the same
 * bytes. */
#ifndef KERNELS_FORMATS_FIT_H
#define KERNELS_FORMATS_FIT_H
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "base/half.h"

enum { FIT_SUPER = 256, FIT_MAX_SUB = 16, FIT_MAX_STARTS = 8 };
enum fit_offset { FIT_NO_OFFSET, FIT_OFFSET_BELOW_ZERO, FIT_OFFSET };

struct fit_grid {
    int n_sub, len; /* sub-blocks of a super-block and their weights; plain blocks: 4 at a time */
    enum fit_offset offset;
    int q_lo, q_hi;         /* codes */
    int sc_lo, sc_hi, m_hi; /* sub-scales and sub-offsets (k-types) */
    int n_rounds, reach;    /* times that d and dmin are fitted; neighbours tried on each side of sc */
    int n_starts;
    float start[FIT_MAX_STARTS]; /* code that the extreme weight (or, with an offset, the range) is first
                                    mapped to */
};

struct fit_super {    /* one super-block in row order */
    uint16_t d, dmin; /* f16 */
    int8_t sc[FIT_MAX_SUB];
    uint8_t m[FIT_MAX_SUB];
    int8_t q[FIT_SUPER];
};
/* decoded: what x is then, or NULL where nobody asks. */
void fit_super(struct fit_super *f, float *decoded, const struct fit_grid *g, const float *x, const float *importance);

/* Up to four plain blocks of g->len weights: f16 scales and offsets (offset[] 0 without one); the caller
 * makes codes. */
void fit_blocks(uint16_t scale[4], uint16_t offset[4], const struct fit_grid *g, int n_blocks, const float *x,
                const float *importance);

/* What the error of each of n weights counts in a search: importance * sqrt(2 * mean x^2 + x^2), brought near 1; all
 * alike without importances or where they are all zero. The large weights of a column count more than its importance
 * alone says: without that, matrices lose less by the measure and models more (docs/METHOD.md). */
void fit_weigh(float *w, const float *x, const float *importance, int n);

/* What a row of weights and the decoded one make of typical inputs. Least squares decodes to less than the row made: 1
 * to 20 % at 3 bits and below, the same way in every layer, where errors of both signs average out. So encoders of such
 * types multiply the scales of a row by fit_gain, which costs squared error and keeps more of the model
 * (docs/METHOD.md). Columns count by the root of their importance: one column of huge inputs must not set the row. */
struct fit_sums {
    double xx, xy;
};
/* Four sums each, so that they need not wait for each other; n is a multiple of four. */
static inline void fit_sums_add(struct fit_sums *s, const float *x, const float *decoded, const float *importance,
                                int n)
{
    typedef float four __attribute__((vector_size(16)));
    typedef double wide __attribute__((vector_size(32)));
    wide xx = {0}, xy = {0};
    for (int i = 0; i < n; i += 4) {
        four xf, yf;
        memcpy(&xf, x + i, sizeof xf);
        memcpy(&yf, decoded + i, sizeof yf);
        wide v = __builtin_convertvector(xf, wide), wv = v;
        if (importance)
            wv *= (wide){sqrt((double)importance[i]), sqrt((double)importance[i + 1]), sqrt((double)importance[i + 2]),
                         sqrt((double)importance[i + 3])};
        xx += wv * v;
        xy += wv * __builtin_convertvector(yf, wide);
    }
    s->xx += (xx[0] + xx[1]) + (xx[2] + xx[3]);
    s->xy += (xy[0] + xy[1]) + (xy[2] + xy[3]);
}
float fit_gain(const struct fit_sums *s); /* 1 to 1.5; 1 for rows of zeros */

/* Nearest even for |v| < 2^22; larger values stay large, which is all that a clamp after it needs. */
static inline float fit_round(float v)
{
    return (v + 0x1.8p23f) - 0x1.8p23f;
}
/* The same as a byte, for |v| < 128; some byte for NaN, which overflowing activations may be. */
static inline uint8_t fit_code(float v)
{
    return (uint8_t)f32_bits(v + 0x1.8p23f);
}
#endif
