/* Half-quadratic quantization of groups, for the two packages that do it: codes are nearest(x * inverse + zero), the
 * zero point moves in steps towards less of an error that forgives outliers (shrinkage with the 0.7 norm). */
#ifndef KERNELS_FORMATS_HALF_QUADRATIC_H
#define KERNELS_FORMATS_HALF_QUADRATIC_H
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

enum { HALF_QUADRATIC_STEPS = 20 };
struct half_quadratic {
    float inverse, zero;
};
struct half_quadratic_job {
    const float *x; /* [n][len] */
    int64_t n, len;
    float top, tiny;
    struct half_quadratic *group; /* [n] where it starts; moved by the steps */
    double *error;                /* [n] scratch */
    struct pool *pool;
};

/* Moves every zero point once; returns the sum of the errors before, in the order of the groups. What stays of an error
 * e is |e| - (|e| + tiny)^-0.3 * inverse_beta, or nothing. */
double half_quadratic_step(const struct half_quadratic_job *j, float inverse_beta);

/* The codes of j->n groups into rows [r0, r0 + n_rows). */
int half_quadratic_store(const struct half_quadratic_job *j, const struct group_rule *rule, struct qmat *q, int64_t r0,
                         int64_t n_rows, struct arena *a);
#endif
