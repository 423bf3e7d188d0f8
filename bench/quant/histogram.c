/* Growing histograms and their calibrated ranges (histogram.h). */
#include "bench/quant/histogram.h"
#include <math.h>
#include <string.h>
#include "base/err.h"

enum { MOST_BINS = 1 << 20 };

static double edge(const struct histogram *h, int i)
{
    return -h->threshold + 2 * h->threshold * i / h->n_bins;
}

static void count_all(struct histogram *h, const float *x, int64_t n)
{
    double per_bin = h->threshold > 0 ? h->n_bins / (2 * h->threshold) : 0;
    for (int64_t i = 0; i < n; i++) {
        int b = h->threshold > 0 ? (int)(((double)x[i] + h->threshold) * per_bin) : h->n_bins / 2;
        h->count[b < 0 ? 0 : b < h->n_bins ? b : h->n_bins - 1]++;
    }
}

/* n_more bins at both ends, what was counted in the middle. */
static int widen(struct histogram *h, int n_more, double threshold, struct arena *a)
{
    int n = h->n_bins + 2 * n_more;
    double *count = arena_alloc_n(a, (size_t)n, sizeof *count);
    if (!count)
        return ERR_NOMEM;
    memset(count, 0, (size_t)n * sizeof *count);
    if (h->count)
        memcpy(count + n_more, h->count, (size_t)h->n_bins * sizeof *count);
    h->count = count;
    h->n_bins = n;
    h->threshold = threshold;
    return 0;
}

static int make_room(struct histogram *h, int first_bins, double threshold, struct arena *a)
{
    if (!h->count) {
        h->n_bins = first_bins;
        return widen(h, 0, threshold, a);
    }
    if (threshold <= h->threshold)
        return 0;
    if (h->threshold <= 0) {
        h->threshold = threshold;
        return 0;
    }
    double width = 2 * h->threshold / h->n_bins, n_more = floor((threshold - h->threshold) / width) + 1;
    if (n_more > MOST_BINS)
        return ERR_LIMIT;
    return widen(h, (int)n_more, n_more * width + h->threshold, a);
}

int histogram_add(struct histogram *h, int first_bins, const float *x, int64_t n, struct arena *a)
{
    struct act_range r = {n > 0 ? x[0] : 0, n > 0 ? x[0] : 0};
    for (int64_t i = 1; i < n; i++) {
        r.lo = x[i] < r.lo ? x[i] : r.lo;
        r.hi = x[i] > r.hi ? x[i] : r.hi;
    }
    h->seen.lo = h->count ? fminf(h->seen.lo, r.lo) : r.lo;
    h->seen.hi = h->count ? fmaxf(h->seen.hi, r.hi) : r.hi;
    int rc = make_room(h, first_bins, (double)fmaxf(fabsf(r.lo), fabsf(r.hi)), a);
    if (rc == 0)
        count_all(h, x, n);
    return rc;
}

static struct act_range within_seen(const struct histogram *h, double lo, double hi)
{
    return (struct act_range){fmaxf((float)lo, h->seen.lo), fminf((float)hi, h->seen.hi)};
}

struct act_range histogram_percentile(const struct histogram *h, double percent)
{
    double cut = (100 - percent) / 200, total = 0, below = 0;
    int left = -1, right = -1;
    for (int i = 0; i < h->n_bins; i++)
        total += h->count[i];
    for (int i = 0; i < h->n_bins && right < 0; i++) {
        below += h->count[i] / total;
        left = left < 0 && below >= cut ? i : left;
        right = below >= 1 - cut ? i : right;
    }
    return within_seen(h, edge(h, left < 0 ? h->n_bins : left), edge(h, right < 0 ? h->n_bins : right));
}

/* Relative entropy of p against q, both whole counts, after a little of the filled bins is given to the empty ones;
 * infinite where one has no filled bin. */
static double relative_entropy(const double *p, const double *q, int n)
{
    static const double little = 1e-4;
    const double *both[2] = {p, q};
    double take[2], sum[2] = {0, 0}, d = 0;
    for (int k = 0; k < 2; k++) {
        int n_zero = 0;
        for (int i = 0; i < n; i++)
            n_zero += both[k][i] == 0;
        if (n_zero == n)
            return INFINITY;
        take[k] = little * n_zero / (n - n_zero);
        for (int i = 0; i < n; i++)
            sum[k] += both[k][i] == 0 ? little : both[k][i] - take[k];
    }
    for (int i = 0; i < n; i++) {
        double a = (p[i] == 0 ? little : p[i] - take[0]) / sum[0], b = (q[i] == 0 ? little : q[i] - take[1]) / sum[1];
        d += a * log(a / b);
    }
    return d;
}

/* q: the bins of p merged into n_codes and spread again over as many as were filled. */
static void merge(const double *slice, const double *p, double *q, int n, int n_codes)
{
    int per_code = n / n_codes;
    memset(q, 0, (size_t)n * sizeof *q);
    for (int c = 0; c < n_codes; c++) {
        double sum = 0, filled = 0;
        for (int i = c * per_code; i < (c + 1) * per_code; i++) {
            sum += slice[i];
            filled += p[i] != 0;
        }
        for (int i = (c + 1) * per_code; c + 1 == n_codes && i < n; i++)
            sum += slice[i];
        for (int i = c * per_code; filled > 0 && i < (c + 1) * per_code; i++)
            q[i] = trunc(sum / filled);
    }
}

struct act_range histogram_entropy(const struct histogram *h, int n_codes, struct arena *a)
{
    int zero = h->n_bins / 2, best_start = 0, best_end = h->n_bins;
    size_t mark = arena_mark(a);
    double *p = arena_alloc_n(a, (size_t)h->n_bins, sizeof *p), *q = arena_alloc_n(a, (size_t)h->n_bins, sizeof *q);
    double best = INFINITY;
    for (int half = n_codes / 2; p && q && half <= zero; half++) {
        int start = zero - half, end = zero + half + 1 < h->n_bins ? zero + half + 1 : h->n_bins, n = end - start;
        memcpy(p, h->count + start, (size_t)n * sizeof *p);
        for (int i = 0; i < start; i++)
            p[0] += h->count[i];
        for (int i = end; i < h->n_bins; i++)
            p[n - 1] += h->count[i];
        merge(h->count + start, p, q, n, n_codes);
        double d = relative_entropy(p, q, n);
        if (d < best || half == n_codes / 2) {
            best = d;
            best_start = start;
            best_end = end;
        }
    }
    arena_reset(a, mark);
    return within_seen(h, edge(h, best_start), edge(h, best_end));
}
