/* Histograms as numpy makes them, merged and read as onnxruntime.quantization.calibrate does (histogram.h). */
#include "bench/quant/histogram.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/err.h"
#include "bench/quant/pairwise.h"

enum { VALUE_BINS = 128, MAGNITUDE_BINS = 2048, LEVELS = 128, MOST_BINS = 1 << 16 };

/* count[n] from edge[n + 1], about evenly spaced; what lies outside is left out. */
static void count_values(int64_t *count, const float *edge, int64_t n, const float *x, int64_t n_values, bool magnitude)
{
    float per_bin = (float)n / (edge[n] - edge[0]);
    for (int64_t i = 0; i < n_values; i++) {
        float v = magnitude ? fabsf(x[i]) : x[i];
        if (!(v >= edge[0] && v <= edge[n]))
            continue;
        int64_t at = (int64_t)((v - edge[0]) * per_bin);
        at = at < n - 1 ? at : n - 1;
        while (v < edge[at])
            at--;
        while (at < n - 1 && v >= edge[at + 1])
            at++;
        count[at]++;
    }
}

static void space_evenly(float *edge, int64_t n, float first, float last)
{
    if (first == last) {
        first -= 0.5f;
        last += 0.5f;
    }
    float step = (last - first) / (float)n;
    for (int64_t i = 0; i < n; i++)
        edge[i] = (float)i * step + first;
    edge[n] = last;
}

/* Room for n bins with all counts zero. */
static int take_bins(struct histogram *h, int64_t n, struct arena *a)
{
    h->count = arena_alloc_n(a, (size_t)n, sizeof *h->count);
    h->edge = arena_alloc_n(a, (size_t)n + 1, sizeof *h->edge);
    if (!h->count || !h->edge)
        return ERR_NOMEM;
    memset(h->count, 0, (size_t)n * sizeof *h->count);
    h->n = n;
    return 0;
}

static void see_range(struct histogram *h, const float *x, int64_t n, float *least, float *most)
{
    float lo = x[0], hi = x[0], near = fabsf(x[0]);
    for (int64_t i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
        near = fabsf(x[i]) < near ? fabsf(x[i]) : near;
    }
    *least = near;
    *most = fmaxf(fabsf(lo), fabsf(hi));
    h->lo = h->n && h->lo < lo ? h->lo : lo;
    h->hi = h->n && h->hi > hi ? h->hi : hi;
}

/* How often b goes into a, as numpy's floor_divide rounds it. */
static float whole_times(float a, float b)
{
    float div = (a - fmodf(a, b)) / b, whole = floorf(div);
    return div - whole > 0.5f ? whole + 1 : whole;
}

/* Bins are added on both sides until the threshold lies inside. */
static int widen(struct histogram *h, float threshold, struct arena *a)
{
    struct histogram old = *h;
    float reach = old.edge[old.n];
    if (reach == 0.5f && old.edge[0] == -0.5f && old.lo == 0 && old.hi == 0)
        reach = 0; /* only zeros so far */
    float stride = 2 * reach / (float)old.n, more = reach > 0 ? whole_times(threshold - reach, stride) + 1 : 0;
    if (!(more < MOST_BINS)) {
        h->ragged = true;
        return 0;
    }
    int64_t side = (int64_t)more;
    int rc = take_bins(h, old.n + 2 * side, a);
    if (rc)
        return rc;
    float end = reach > 0 ? more * stride + reach : threshold;
    space_evenly(h->edge, h->n, -end, end);
    memcpy(h->count + side, old.count, (size_t)old.n * sizeof *old.count);
    return 0;
}

int histogram_add_values(struct histogram *h, const float *x, int64_t n, struct arena *a)
{
    float near, threshold;
    int rc = 0;
    struct histogram before = *h;
    if (n < 1 || h->ragged)
        return 0;
    see_range(h, x, n, &near, &threshold);
    if (!isfinite(threshold)) {
        h->ragged = true;
        return 0;
    }
    if (!before.n) {
        rc = take_bins(h, VALUE_BINS, a);
        if (rc == 0)
            space_evenly(h->edge, h->n, -threshold, threshold);
    } else {
        bool zeros = before.lo == 0 && before.hi == 0;
        struct histogram seen = *h;
        if (threshold > (zeros ? 0 : h->edge[h->n])) {
            h->lo = before.lo; /* widen asks what was there before */
            h->hi = before.hi;
            rc = widen(h, threshold, a);
            h->lo = seen.lo;
            h->hi = seen.hi;
        }
    }
    if (rc == 0 && !h->ragged)
        count_values(h->count, h->edge, h->n, x, n, false);
    return rc;
}

/* Bins of the same width are added behind the last, as numpy.arange spaces them. */
static int lengthen(struct histogram *h, float most, struct arena *a)
{
    struct histogram old = *h;
    float width = old.edge[1] - old.edge[0], start = old.edge[old.n] + width, stop = most + width;
    double more = ceil((double)((stop - start) / width));
    if (!(more < 16 * MOST_BINS)) {
        h->ragged = true;
        return 0;
    }
    int64_t n_more = more > 0 ? (int64_t)more : 0;
    int rc = take_bins(h, old.n + n_more, a);
    if (rc)
        return rc;
    memcpy(h->count, old.count, (size_t)old.n * sizeof *old.count);
    memcpy(h->edge, old.edge, ((size_t)old.n + 1) * sizeof *old.edge);
    float second = start + width, delta = second - start;
    for (int64_t i = 0; i < n_more; i++)
        h->edge[old.n + 1 + i] = i == 0 ? start : i == 1 ? second : start + (float)i * delta;
    return 0;
}

int histogram_add_magnitudes(struct histogram *h, const float *x, int64_t n, struct arena *a)
{
    float near, most;
    int rc = 0;
    if (n < 1 || h->ragged)
        return 0;
    see_range(h, x, n, &near, &most);
    if (!isfinite(most)) {
        h->ragged = true;
        return 0;
    }
    if (!h->n) {
        rc = take_bins(h, MAGNITUDE_BINS, a);
        if (rc == 0)
            space_evenly(h->edge, h->n, near, most);
    } else if (most > h->edge[h->n]) {
        rc = lengthen(h, most, a);
    }
    if (rc == 0 && !h->ragged)
        count_values(h->count, h->edge, h->n, x, n, true);
    return rc;
}

static void within_seen(const struct histogram *h, float *lo, float *hi)
{
    *lo = *lo < h->lo ? h->lo : *lo;
    *hi = *hi > h->hi ? h->hi : *hi;
}

void histogram_percentile(const struct histogram *h, double share, float *lo, float *hi)
{
    double total = 0, sum = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < h->n; i++)
        total += (double)h->count[i];
    for (; at < h->n; at++) {
        sum += (double)h->count[at] / total;
        if (sum >= share)
            break;
    }
    *hi = h->edge[at];
    *lo = -*hi;
    within_seen(h, lo, hi);
}

/* ---- entropy ---- */

/* Counts as a distribution: a little is taken from what is there for what is not. False where nothing is. */
static bool smooth(float *p, const int64_t *count, int64_t n)
{
    int64_t zeros = 0;
    for (int64_t i = 0; i < n; i++)
        zeros += count[i] == 0;
    if (zeros == n)
        return false;
    float give = 0.0001f, take = (float)(0.0001 * (double)zeros / (double)(n - zeros));
    for (int64_t i = 0; i < n; i++)
        p[i] = count[i] ? (float)count[i] - take : give;
    float sum = sum_pairwise(p, n);
    for (int64_t i = 0; i < n; i++)
        p[i] /= sum;
    return true;
}

struct candidate {
    const struct histogram *h;
    int64_t *p, *q; /* [h->n] counts: what lies beyond is added at the ends; merged into LEVELS and spread again */
    float *fp, *fq; /* [h->n] */
};

/* The divergence of bins [b0, b1) from what is left of them in LEVELS levels. */
static float divergence(const struct candidate *c, int64_t b0, int64_t b1)
{
    const int64_t *count = c->h->count + b0;
    int64_t n = b1 - b0, len = n / LEVELS, below = 0, above = 0;
    memcpy(c->p, count, (size_t)n * sizeof *c->p);
    memset(c->q, 0, (size_t)n * sizeof *c->q);
    for (int64_t i = 0; i < b0; i++)
        below += c->h->count[i];
    for (int64_t i = b1; i < c->h->n; i++)
        above += c->h->count[i];
    c->p[0] += below;
    c->p[n - 1] += above;
    for (int64_t level = 0; level < LEVELS; level++) {
        int64_t sum = 0, filled = 0, end = level == LEVELS - 1 ? n : (level + 1) * len;
        for (int64_t i = level * len; i < end; i++)
            sum += count[i];
        for (int64_t i = level * len; i < (level + 1) * len; i++)
            filled += c->p[i] != 0;
        for (int64_t i = level * len; filled && i < (level + 1) * len; i++)
            c->q[i] = sum / filled; /* whole numbers, as the array that ONNX Runtime keeps them in */
    }
    if (!smooth(c->fp, c->p, n) || !smooth(c->fq, c->q, n))
        return INFINITY;
    for (int64_t i = 0; i < n; i++)
        c->fp[i] = c->fp[i] > 0 ? c->fp[i] * logf(c->fp[i] / c->fq[i]) : 0;
    return sum_pairwise(c->fp, n);
}

int histogram_entropy(const struct histogram *h, struct arena *a, float *lo, float *hi)
{
    struct candidate c = {.h = h};
    int64_t middle = h->n / 2, best = LEVELS / 2;
    float least = INFINITY;
    size_t mark = arena_mark(a), n = (size_t)h->n;
    c.p = arena_alloc_n(a, n, sizeof *c.p);
    c.q = arena_alloc_n(a, n, sizeof *c.q);
    c.fp = arena_alloc_n(a, n, sizeof *c.fp);
    c.fq = arena_alloc_n(a, n, sizeof *c.fq);
    if (!c.p || !c.q || !c.fp || !c.fq)
        return ERR_NOMEM;
    for (int64_t i = LEVELS / 2; i <= middle; i++) {
        float found = divergence(&c, middle - i, middle + i + 1 < h->n ? middle + i + 1 : h->n);
        if (found < least) {
            least = found;
            best = i;
        }
    }
    *lo = h->edge[middle - best];
    *hi = h->edge[middle + best + 1 < h->n ? middle + best + 1 : h->n];
    within_seen(h, lo, hi);
    arena_reset(a, mark);
    return 0;
}
