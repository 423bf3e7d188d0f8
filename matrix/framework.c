/* How fast a real framework is where the own engine was measured. Best known from formats of the same model on which
 * both ran side by side on this machine; else from rows of datasets/frameworks.csv. A row is either a ratio of both
 * speeds, or the share of the machine's read bandwidth that the framework's decoding reaches, which is then compared
 * with the share that the own engine reached in that very run. Ratios win over shares, a codec's own rows over "*",
 * later rows over earlier ones: a figure measured later is added at the end. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "datasets/catalogue.h"
#include "matrix/judge.h"

/* The own engine's share where a record does not say: the aim of its kernels. */
static const struct interval usual_share = {0.90, 0.85, 0.95};

static bool is(const struct csv *c, const char *column, const char *text)
{
    return strcmp(csv_text(c, column), text) == 0;
}

static struct interval value_of(const struct csv *c)
{
    return (struct interval){csv_number(c, "value"), csv_number(c, "lo"), csv_number(c, "hi")};
}

/* Does the row speak of this framework, codec and phase, on a machine with these instructions? */
static bool applies(const struct csv *c, const char *framework, const char *codec, bool prefill, uint64_t isa)
{
    int bit = isa_find(csv_text(c, "isa"));
    return is(c, "framework", framework) && is(c, "phase", prefill ? "prefill" : "decode") &&
           (is(c, "codec", codec) || is(c, "codec", "*")) && (*csv_text(c, "isa") == 0 || (bit >= 0 && isa >> bit & 1));
}

struct interval framework_factor(const char *framework, const char *codec, bool prefill, uint64_t isa, double own_share,
                                 char source[256])
{
    struct interval best = INTERVAL_NONE;
    int best_rank = 0;
    bool best_is_share = false;
    struct csv c;
    snprintf(source, 256, "no published ratio");
    for (bool more = csv_open(&c, dataset_frameworks) && csv_next(&c); more; more = csv_next(&c)) {
        bool share = is(&c, "basis", "bandwidth-share");
        int rank = 1 + 2 * is(&c, "codec", codec) + !share;
        if (rank < best_rank || !applies(&c, framework, codec, prefill, isa))
            continue;
        best = value_of(&c);
        best_rank = rank;
        best_is_share = share;
        snprintf(source, 256, "%s", csv_text(&c, "source"));
    }
    if (!best_is_share)
        return best;
    return stats_ratio(best, isfinite(own_share) && own_share > 0 ? stats_exact(own_share) : usual_share);
}

struct interval framework_share(const char *framework, const char *codec, uint64_t isa)
{
    struct interval best = INTERVAL_NONE;
    bool have_exact = false;
    struct csv c;
    for (bool more = csv_open(&c, dataset_frameworks) && csv_next(&c); more; more = csv_next(&c)) {
        bool exact = is(&c, "codec", codec);
        if (!is(&c, "basis", "bandwidth-share") || (have_exact && !exact) || !applies(&c, framework, codec, false, isa))
            continue;
        best = value_of(&c);
        have_exact = exact;
    }
    return best;
}

bool record_is_own(const struct record *r)
{
    return strcmp(r->framework.name, "own") == 0;
}

bool record_same_model(const struct record *a, const struct record *b)
{
    if (a->model.synthesized != b->model.synthesized)
        return false;
    if (*a->model.sha256 && *b->model.sha256)
        return strcmp(a->model.sha256, b->model.sha256) == 0;
    return strcmp(a->model.name, b->model.name) == 0;
}

static const struct interval *rate_of(const struct record *r, bool prefill)
{
    return prefill ? &r->speed.prefill_tok_s : &r->speed.decode_tok_s;
}

/* Both records of one interleaved run: same run, format and workload. */
static const struct record *own_beside(const struct judge *j, const struct record *r)
{
    for (int i = 0; i < j->n_recs; i++) {
        const struct record *o = &j->recs[i];
        if (record_is_own(o) && o->status == STATUS_OK && record_same_model(o, r) && !strcmp(o->run_id, r->run_id) &&
            !strcmp(o->format.name, r->format.name) && o->workload.n_prompt == r->workload.n_prompt &&
            o->workload.n_gen == r->workload.n_gen && isfinite(o->speed.decode_tok_s.v))
            return o;
    }
    return NULL;
}

struct interval framework_here(const struct judge *j, const struct record *own, const char *framework, bool prefill,
                               char source[256])
{
    enum { MOST = 32 };
    static const double other_formats = 1.25;
    double v[MOST], lo = INFINITY, hi = 0;
    int n = 0;
    for (int i = 0; i < j->n_recs && n < MOST; i++) {
        const struct record *r = &j->recs[i], *o;
        if (strcmp(r->framework.name, framework) || r->status != STATUS_OK || !record_same_model(r, own) ||
            !(o = own_beside(j, r)))
            continue;
        struct interval ratio = stats_ratio(*rate_of(r, prefill), *rate_of(o, prefill));
        if (!isfinite(ratio.v + ratio.lo + ratio.hi))
            continue;
        v[n++] = ratio.v;
        lo = fmin(lo, ratio.lo);
        hi = fmax(hi, ratio.hi);
    }
    if (n == 0)
        return INTERVAL_NONE;
    snprintf(source, 256, "measured here on %d other format%s", n, n > 1 ? "s" : "");
    return (struct interval){stats_median(v, n), lo / other_formats, hi * other_formats};
}
