/* How the grid of a linear layer's activations is found where it is fixed before the run: by what flowed into the layer
 * over a calibration text. One row of the table per way; a recipe names one. */
#ifndef BENCH_QUANT_RANGES_H
#define BENCH_QUANT_RANGES_H
#include "bench/quant/calib.h"

struct range_rule {
    const char *name;
    unsigned needs; /* bits of enum calib_stat */
    /* column[k]: what the inputs are divided by; NULL: nothing. ERR_DATA where what flowed in has no grid. */
    int (*fit)(struct act_fixed *out, const struct calib_input *in, const float *column, struct arena *a,
               struct err *e);
};
const struct range_rule *range_rule_find(const char *name); /* NULL: no such rule */
#endif
