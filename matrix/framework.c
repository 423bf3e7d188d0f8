/* How fast a real framework is where the own engine was measured. Best known from formats of the same model on which
 * both ran side by side on this machine; then from what the store holds of earlier runs, on this machine or on one of
 * its class; else from rows of datasets/frameworks.csv. A row is either a ratio of both
 * speeds, or the share of the machine's read bandwidth that the framework's decoding reaches, which is then compared
 * with the share that the own engine reached in that very run. Ratios win over shares, a codec's own rows over "*",
 * later rows over earlier ones: a figure measured later is added at the end. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/quant/recipe.h"
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
    char unused[256];
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
    return isfinite(best.v) ? best
                            : stats_product(usual_share, framework_factor(framework, codec, false, isa, NAN, unused));
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

/* Both records of one interleaved run: same run, format and workload; of several the nearest, which stood in its set.
 */
static const struct record *own_beside(const struct judge *j, const struct record *r)
{
    const struct record *best = NULL;
    for (int i = 0; i < j->n_recs; i++) {
        const struct record *o = &j->recs[i];
        if ((!best || labs(o - r) < labs(best - r)) && record_is_own(o) && o->status == STATUS_OK &&
            record_same_model(o, r) && !strcmp(o->run_id, r->run_id) && !strcmp(o->format.name, r->format.name) &&
            o->workload.n_prompt == r->workload.n_prompt && o->workload.n_gen == r->workload.n_gen &&
            isfinite(o->speed.decode_tok_s.v))
            best = o;
    }
    return best;
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
        if (strcmp(r->framework.name, framework) || r->status != STATUS_OK || !record_on_cpu(r) ||
            !record_same_model(r, own) || !(o = own_beside(j, r)))
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

/* ---- of earlier runs ---- */

/* How near a stored factor is to what is asked, and how much wider its interval then becomes. */
enum { ANY_FORMAT = 1, SAME_CODEC, SAME_FORMAT, N_LIKE, THIS_MACHINE = N_LIKE };
static const double wider[] = {[ANY_FORMAT] = 1.5, [SAME_CODEC] = 1.25, [SAME_FORMAT] = 1.1};
static const double other_machine = 1.25;

static bool same_codec(const char *a, const char *b)
{
    const struct recipe *p = recipe_find(a), *q = recipe_find(b);
    return p && q && !strcmp(p->codec, q->codec) && p->par.bits == q->par.bits;
}

static int nearness(const struct judge *j, const struct factor *f, const char *format, const char *framework)
{
    if (strcmp(f->framework, framework) != 0 || f->gpu_layers || (*f->backend && strcmp(f->backend, "cpu") != 0))
        return 0;
    bool here = j->device && !strcmp(f->hw_sha256, j->device->hw_sha256);
    int like = !strcmp(f->format, format) ? SAME_FORMAT : same_codec(f->format, format) ? SAME_CODEC : ANY_FORMAT;
    return like + (here ? THIS_MACHINE : 0);
}

struct interval framework_stored(const struct judge *j, const char *format, const char *framework, bool prefill,
                                 char source[256])
{
    enum { MOST = 32 };
    double v[MOST], lo = INFINITY, hi = 0;
    int n = 0, nearest = 0;
    for (int i = 0; j->known && i < j->known->n; i++) {
        const struct factor *f = &j->known->at[i];
        const struct interval r = prefill ? f->prefill : f->decode;
        int near = isfinite(r.v) ? nearness(j, f, format, framework) : 0;
        if (near > nearest) {
            nearest = near;
            n = 0;
            lo = INFINITY;
            hi = 0;
        }
        if (!near || near < nearest || n == MOST)
            continue;
        v[n++] = r.v;
        lo = fmin(lo, isfinite(r.lo) ? r.lo : r.v);
        hi = fmax(hi, isfinite(r.hi) ? r.hi : r.v);
    }
    if (n == 0)
        return INTERVAL_NONE;
    const bool here = nearest > THIS_MACHINE;
    const int like = here ? nearest - THIS_MACHINE : nearest;
    const double w = wider[like] * (here ? 1 : other_machine);
    static const char *const on[] = {
        [ANY_FORMAT] = "other formats", [SAME_CODEC] = "formats of its codec", [SAME_FORMAT] = "this format"};
    snprintf(source, 256, "found on %s on %s in earlier runs (%d)", here ? "this machine" : "a machine of its class",
             on[like], n);
    return (struct interval){stats_median(v, n), lo / w, hi * w};
}
