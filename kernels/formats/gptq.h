/* The grid of GPTQ, for its codec and for the solver. */
#ifndef KERNELS_FORMATS_GPTQ_H
#define KERNELS_FORMATS_GPTQ_H
#include "kernels/formats/fit.h"
#include "kernels/formats/grouped.h"

struct gptq_grid {
    float scale, zero, max;
};
/* n weights, stride apart. Zero is always on the grid; a group of zeros has the range -1 to 1. */
struct gptq_grid gptq_fit(const float *w, int64_t n, int64_t stride, int bits, bool sym);
/* Round, then add. */
static inline float gptq_code(const struct gptq_grid *g, float w)
{
    return clampf(fit_round(w / g->scale) + g->zero, 0, g->max);
}
void gptq_store(const struct qmat *q, int64_t r, int64_t g, const struct gptq_grid *grid);
#endif
