/* What is found out of a calibration's gram matrices at length and needed again by the next format of a sweep: kept
 * with the calibration, in its memory. */
#ifndef BENCH_QUANT_FACTORS_H
#define BENCH_QUANT_FACTORS_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct algo_group;
struct kept {
    struct { /* the factors of one kind; another kind takes their place */
        double damp;
        bool by_activation;
        float **upper; /* [n_inputs] rows from the diagonal on: k (k + 1) / 2 floats; an entry NULL: not made */
        bool *made;    /* [n_inputs] of this kind */
    } factor;
    double *width_error; /* [n_tensors][presets] of exl2_plan.c; NaN: not measured */
};
/* The factor for the inputs of g where it is kept, else NULL. The first call of a kind makes those of all inputs that
 * the algorithm's matrices read, side by side on the pool. */
const float *factors_find(const struct algo_group *g, double damp, bool by_activation);
#endif
