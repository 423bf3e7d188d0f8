/* What every search of vector-codebook super-blocks (grid.h) begins and ends with; the file that includes this is
 * compiled for some machine, the results are the same on all. */
#ifndef KERNELS_FORMATS_GRID_SUPER_H
#define KERNELS_FORMATS_GRID_SUPER_H
#include <math.h>
#include <stddef.h>
#include "kernels/formats/blocks.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/grid.h"

/* Signs of 8 weights; where their number must be even, the weight that loses least by it changes sides. */
static inline uint8_t grid_take_signs(const struct grid_rule *r, float *x, const float *w)
{
    int signs = 0, least = 0;
    if (r->signs == GRID_SIGNED_LEVELS)
        return 0;
    for (int i = 0; i < 8; i++) {
        signs |= (x[i] < 0) << i;
        x[i] = fabsf(x[i]);
        least = w[i] * x[i] < w[least] * x[least] ? i : least;
    }
    if (r->signs == GRID_EVEN_SIGNS && __builtin_popcount((unsigned)signs) % 2) {
        signs ^= 1 << least;
        x[least] = -x[least];
    }
    return (uint8_t)signs;
}

/* Magnitudes (or weights, where levels are signed) and what their errors count; signs go into b. */
static inline void grid_load(const struct grid_rule *r, struct grid_block *b, float *v, float *w, const float *x,
                             const float *importance)
{
    block_limit(v, x, GRID_SUPER);
    fit_weigh(w, v, importance, GRID_SUPER);
    for (int i = 0; i < GRID_SUPER; i++)
        w[i] = sqrtf(w[i]);
    for (int i = 0; i < GRID_SUPER / 8; i++)
        b->sign[i] = grid_take_signs(r, v + 8 * i, w + 8 * i);
}

/* The scales of a row, multiplied by its gain. */
static inline void grid_restore_gain(const struct grid_rule *r, uint8_t *dst, const float *x, int64_t k,
                                     const float *importance)
{
    struct fit_sums sums = {0};
    struct grid_block b = {0};
    float y[GRID_SUPER];
    for (int64_t i = 0; i < k; i += GRID_SUPER) {
        grid_decode_row(r, y, dst + i / GRID_SUPER * r->block_bytes, GRID_SUPER);
        fit_sums_add(&sums, x + i, y, importance ? importance + i : NULL, GRID_SUPER);
    }
    float gain = fit_gain(&sums);
    for (int64_t i = 0; i < k; i += GRID_SUPER, dst += r->block_bytes) {
        r->unpack(&b, dst);
        b.d = block_scale_f16(f16_to_f32(b.d) * gain);
        r->pack(dst, &b);
    }
}
#endif
