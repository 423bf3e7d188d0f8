/* How fast a real framework is where the own engine was measured: rows of datasets/frameworks.csv. A row is
 * either a ratio of both speeds, or the share of the machine's read bandwidth that the framework's decoding
 * reaches, which is then compared with the share that the own engine reached in that very run. Ratios win
 * over shares, a codec's own rows over "*", later rows over earlier ones: a figure measured later is added at
 * the end. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "datasets/catalogue.h"
#include "matrix/matrix.h"

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
