/* The Pareto front with intervals. Dimensions: quality, generation, first token, peak memory, energy. A row
 * is beaten only when some figure is worse beyond the intervals and none is better beyond them; a figure that
 * one of the two lacks decides nothing, and where one lacks it the other cannot claim to be as good. */
#include <math.h>
#include "matrix/judge.h"

enum { N_DIMENSIONS = 5, MEMORY = 3 };
/* Peak memory is an exact sum of parts that are not all exact: a few per cent more are no reason to drop a row. */
static const double memory_slack = 1.03;

static struct interval bytes_interval(int64_t n)
{
    return n < 0 ? INTERVAL_NONE : stats_exact((double)n);
}

/* All dimensions as costs: less is better. A rate enters as its negative, ends swapped. KLD is relative to each model's
 * own reference: between models it is the task score that counts. */
static void row_costs(const struct row *r, bool same_model, struct interval c[N_DIMENSIONS])
{
    c[0] = same_model ? (struct interval){r->kld, r->kld_lo, r->kld_hi}
                      : (struct interval){-r->task_score, -r->task_score_hi, -r->task_score_lo};
    c[1] = (struct interval){-r->decode_tok_s, -r->decode_tok_s_hi, -r->decode_tok_s_lo};
    if (r->cache_resident)
        c[1] = INTERVAL_NONE;
    c[2] = (struct interval){r->ttft_ms, r->ttft_ms_lo, r->ttft_ms_hi};
    if (r->cache_resident)
        c[2] = INTERVAL_NONE;
    c[MEMORY] = bytes_interval(r->peak_bytes);
    c[4] = (struct interval){r->energy_j_per_tok, r->energy_lo, r->energy_hi};
    for (int i = 0; i < N_DIMENSIONS; i++)
        if (isfinite(c[i].v) && !isfinite(c[i].lo + c[i].hi))
            c[i] = stats_exact(c[i].v);
}

bool row_beaten(const struct row *a, const struct row *b)
{
    struct interval ca[N_DIMENSIONS], cb[N_DIMENSIONS];
    row_costs(a, a->group == b->group, ca);
    row_costs(b, a->group == b->group, cb);
    bool worse = false;
    for (int i = 0; i < N_DIMENSIONS; i++) {
        bool known_a = isfinite(ca[i].v), known_b = isfinite(cb[i].v);
        if (!known_a && !known_b)
            continue;
        if (known_a != known_b || ca[i].hi < cb[i].lo)
            return false;
        worse = worse || ca[i].lo > cb[i].hi * (i == MEMORY ? memory_slack : 1);
    }
    return worse;
}

/* Ties are not transitive, so three rows may beat each other in a ring: only a row that nobody beats may push
 * another off the front. */
void front_mark(struct judge *j, uint64_t ignored, double kld_limit)
{
    const struct decision *d = j->d;
    for (int pass = 0; pass < 2; pass++) {
        bool *to = pass ? j->stands : j->unbeaten;
        for (int i = 0; i < d->n_rows; i++) {
            const struct row *a = &d->row[i];
            to[i] = row_within(a, ignored, kld_limit);
            for (int k = 0; k < d->n_rows && to[i]; k++) {
                const struct row *b = &d->row[k];
                bool aside = j->usual_kv && b->kv_variant && !a->kv_variant;
                bool counts = k != i && !aside && b->group == a->group && row_within(b, ignored, kld_limit) &&
                              (pass == 0 || j->unbeaten[k]);
                to[i] = !(counts && row_beaten(a, b));
            }
        }
    }
}
