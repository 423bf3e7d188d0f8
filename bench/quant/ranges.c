/* The ways to find the grid of fixed activations (ranges.h): those of ONNX Runtime's quantize_static, and that of
 * NNCF's quantize for transformers. */
#include "bench/quant/ranges.h"
#include <math.h>
#include <string.h>
#include "bench/quant/pairwise.h"

enum { NNCF_SAMPLES = 300 };

/* Least and largest of a chunk, as the layer sees it. */
static void chunk_range(const struct calib_input *in, int chunk, const float *column, float *lo, float *hi)
{
    const float *least = in->lo + chunk * in->k, *most = in->hi + chunk * in->k;
    *lo = INFINITY;
    *hi = -INFINITY;
    for (int64_t j = 0; j < in->k; j++) {
        float by = column ? 1 / column[j] : 1;
        *lo = fminf(*lo, least[j] * by);
        *hi = fmaxf(*hi, most[j] * by);
    }
}

static int fit_minmax(struct act_fixed *out, const struct calib_input *in, const float *column, struct arena *a,
                      struct err *e)
{
    float lo = INFINITY, hi = -INFINITY, least, most;
    (void)a, (void)e;
    for (int i = 0; i < in->n_edges; i++) {
        chunk_range(in, i, column, &least, &most);
        lo = fminf(lo, least);
        hi = fmaxf(hi, most);
    }
    *out = act_fixed_grid(lo, hi);
    return 0;
}

static int check_histogram(const struct histogram *h, struct err *e)
{
    if (h->n && !h->ragged)
        return 0;
    return err_set(e, ERR_DATA,
                   "what flows into this matrix reaches so much further in some chunks of the calibration text than in "
                   "others that no histogram holds it: take minmax");
}

static int fit_percentile(struct act_fixed *out, const struct calib_input *in, const float *column, struct arena *a,
                          struct err *e)
{
    float lo, hi;
    (void)column, (void)a;
    int rc = check_histogram(&in->magnitudes, e);
    if (rc)
        return rc;
    histogram_percentile(&in->magnitudes, 99.999 / 100, &lo, &hi);
    *out = act_fixed_grid(lo, hi);
    return 0;
}

static int fit_entropy(struct act_fixed *out, const struct calib_input *in, const float *column, struct arena *a,
                       struct err *e)
{
    float lo, hi;
    (void)column;
    int rc = check_histogram(&in->values, e);
    if (rc)
        return rc;
    if (histogram_entropy(&in->values, a, &lo, &hi) < 0)
        return err_nomem(e, (unsigned long long)in->values.n * 24, "a histogram's candidates");
    *out = act_fixed_grid(lo, hi);
    return 0;
}

/* Means over chunks, then moved apart until zero is a code. */
static int fit_mean(struct act_fixed *out, const struct calib_input *in, const float *column, struct arena *a,
                    struct err *e)
{
    int n = in->n_edges < NNCF_SAMPLES ? in->n_edges : NNCF_SAMPLES;
    float least[NNCF_SAMPLES], most[NNCF_SAMPLES];
    (void)a, (void)e;
    for (int i = 0; i < n; i++)
        chunk_range(in, i, column, &least[i], &most[i]);
    float lo = sum_pairwise(least, n) / (float)n, hi = sum_pairwise(most, n) / (float)n;
    float apart = hi - lo > 8e-4f ? 0 : 8e-4f;
    lo = fminf(lo - apart, 0);
    hi = fmaxf(hi + apart, 0);
    float zero = rintf(-lo * (255 / (hi - lo)));
    float lower = zero < 255 ? zero / (zero - 255) * hi : lo, upper = zero > 0 ? (zero - 255) / zero * lo : hi;
    if (hi - lower > upper - lo)
        lo = lower;
    else
        hi = upper;
    *out = (struct act_fixed){.scale = (hi - lo) / 255, .zero = zero - 128};
    return 0;
}

static const struct range_rule rules[] = {
    {"minmax", CALIB_EDGES, fit_minmax},
    {"percentile", CALIB_HISTOGRAM, fit_percentile},
    {"entropy", CALIB_HISTOGRAM, fit_entropy},
    {"mean-minmax", CALIB_EDGES, fit_mean},
};

const struct range_rule *range_rule_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    return NULL;
}
