/* Inside the calibration only: what is open while it measures. */
#ifndef BENCH_RATES_STATE_H
#define BENCH_RATES_STATE_H
#include "bench/calibrate.h"
#include "bench/engine/engine.h"
#include "bench/rates.h"

enum { RATES_PAGE = 4096, RATES_MOST_ROUNDS = 24, RATES_SPARE = 8 << 20 /* bytes a thread */ };
struct rates_samples {
    int n;
    double x[RATES_MOST_ROUNDS];
};
struct rates_shape { /* a real shape with as few layers as go through the buffer once */
    struct model *model;
    struct weights *weights;
    struct engine *engine;
    double layer_weights;
};
struct rates_job {
    const struct rates_opts *o;
    struct machine_rates *out;
    struct bandwidth_probe memory;
    size_t at; /* where the next plane begins */
    struct rates_shape shape[RATE_SHAPES];
    float *x, *y, *ones;
    uint8_t *rows, *spare;
    struct rates_samples decode[RATE_MOST_CODECS][RATE_SHAPES], prefill[RATE_MOST_CODECS][RATE_SHAPES];
};
/* rates_shapes.c */
int rates_open_shapes(struct rates_job *j, struct err *e);
void rates_close_shapes(struct rates_job *j);
/* The codecs of the usual formats that have packed kernels under out->isa. */
int rates_list_codecs(struct machine_rates *out, const struct model *m, struct err *e);
double rates_layer_values(const struct model_desc *d); /* values that a layer writes for one token */
#endif
