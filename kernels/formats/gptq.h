/* The grid of GPTQ, for its codec and for the solver. */
#ifndef KERNELS_FORMATS_GPTQ_H
#define KERNELS_FORMATS_GPTQ_H
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

/* Zero is always on the grid; a group of zeros has the range -1 to 1. The scale is not rounded yet. */
struct grid gptq_grid(const float *w, int64_t n, int bits, bool sym);
/* Round, then add. */
static inline float gptq_code(struct grid g, int bits, float w)
{
    return clampf(fit_round(w / g.scale) + g.zero, 0, (float)((1 << bits) - 1));
}
void gptq_store(const struct qmat *q, int64_t r, int64_t g, struct grid grid);
#endif
