/* Histograms of activations over a symmetric range that grows with the data, and the ranges that ONNX Runtime's
 * calibrators read off them. Order: histogram_add ... -> histogram_percentile, histogram_entropy. */
#ifndef BENCH_QUANT_HISTOGRAM_H
#define BENCH_QUANT_HISTOGRAM_H
#include "base/mem.h"
#include "kernels/formats/codec.h"

struct histogram {
    double *count; /* [n_bins] over -threshold .. threshold; of the arena given to histogram_add */
    int n_bins;
    double threshold;
    struct act_range seen;
};
/* The first batch sets the range in first_bins bins; later ones beyond it add bins of the same width at both ends.
 * ERR_NOMEM, ERR_LIMIT where that would be more than a million. */
int histogram_add(struct histogram *h, int first_bins, const float *x, int64_t n, struct arena *a);
/* What remains when (100 - percent) / 2 percent are cut off at either side. */
struct act_range histogram_percentile(const struct histogram *h, double percent);
/* The cut of least relative entropy between the distribution and its n_codes-bin version. */
struct act_range histogram_entropy(const struct histogram *h, int n_codes, struct arena *a);
#endif
