/* Half-quadratic quantization of a group, for the two packages that do it: codes are nearest(x * inverse + zero), the
 * zero point moves in steps towards less of an error that forgives outliers (shrinkage with the 0.7 norm). */
#ifndef KERNELS_FORMATS_HALF_QUADRATIC_H
#define KERNELS_FORMATS_HALF_QUADRATIC_H
#include "kernels/formats/fit.h"
#include "kernels/formats/range.h"

enum { HALF_QUADRATIC_STEPS = 20 };
struct half_quadratic {
    float inverse, zero;
};

static inline float half_quadratic_code(const struct half_quadratic *g, float x, float top)
{
    return clampf(fit_round(x * g->inverse + g->zero), 0, top);
}

static inline void half_quadratic_codes(const struct half_quadratic *g, const float *x, int64_t n, float top,
                                        uint8_t *code)
{
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)half_quadratic_code(g, x[i], top);
}

/* Moves the zero point; returns the sum of the errors before. What stays of an error e is |e| - (|e| + tiny)^-0.3 /
 * beta. */
static inline double half_quadratic_step(struct half_quadratic *g, const float *x, int64_t n, float top,
                                         float inverse_beta, float tiny)
{
    float moved = 0;
    double error = 0;
    for (int64_t i = 0; i < n; i++) {
        float q = half_quadratic_code(g, x[i], top), e = x[i] - (q - g->zero) / g->inverse, size = fabsf(e);
        float kept = size - inverse_beta * powf(size + tiny, -0.3f);
        kept = kept > 0 ? copysignf(kept, e) : 0;
        moved += q - (x[i] - kept) * g->inverse;
        error += (double)size;
    }
    g->zero = moved / (float)n;
    return error;
}
#endif
