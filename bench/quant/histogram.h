/* Histograms of activations as ONNX Runtime's calibrators keep them over the chunks of a text (CalibStridedMinMax = 1),
 * and the ranges that they read from them. All in f32 as numpy computes it, since a bin's edge becomes a scale. */
#ifndef BENCH_QUANT_HISTOGRAM_H
#define BENCH_QUANT_HISTOGRAM_H
#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

struct histogram {
    int64_t *count; /* [n] */
    float *edge;    /* [n + 1] */
    int64_t n;      /* bins; 0: nothing seen */
    float lo, hi;   /* least and largest value */
    bool ragged;    /* a chunk reached so far beyond the others that no histogram of equal bins holds both */
};
/* A chunk of values x[n] from -threshold to threshold, in 128 bins at first. ERR_NOMEM or 0. */
int histogram_add_values(struct histogram *h, const float *x, int64_t n, struct arena *a);
/* Likewise of their magnitudes, in 2048 bins. */
int histogram_add_magnitudes(struct histogram *h, const float *x, int64_t n, struct arena *a);
/* The range that cuts off what lies beyond a share of the magnitudes, and never beyond what was seen. */
void histogram_percentile(const struct histogram *magnitude, double share, float *lo, float *hi);
/* The symmetric range whose 128 levels tell most of the distribution, likewise. ERR_NOMEM or 0. */
int histogram_entropy(const struct histogram *value, struct arena *a, float *lo, float *hi);
#endif
