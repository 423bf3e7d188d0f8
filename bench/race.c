/* Racing (race.h). */
#include "bench/race.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Student's quantile for 99 %, two-sided: exact for few degrees of freedom, by Cornish and Fisher's series within 0.1 %
 * from 9 on. */
static double quantile(int n)
{
    static const double few[] = {63.657, 9.9248, 5.8409, 4.6041, 4.0321, 3.7074, 3.4995, 3.3554};
    if (n - 2 < (int)(sizeof few / sizeof *few))
        return few[n - 2];
    const double z = 2.5758293, v = n - 1, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
    return z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v * v * v);
}

/* Mean of a - b (b NULL: of a) over the chunks that both have. */
static struct interval difference(const struct racer *a, const struct racer *b)
{
    int n = b && b->n_chunks < a->n_chunks ? b->n_chunks : a->n_chunks;
    double sum = 0, squares = 0;
    if (n < RACE_LEAST_CHUNKS)
        return INTERVAL_NONE;
    for (int i = 0; i < n; i++)
        sum += a->kld[i] - (b ? b->kld[i] : 0);
    double mean = sum / n;
    for (int i = 0; i < n; i++) {
        double d = a->kld[i] - (b ? b->kld[i] : 0) - mean;
        squares += d * d;
    }
    double half = quantile(n) * sqrt(squares / (n - 1) / n);
    return (struct interval){mean, mean - half, mean + half};
}

static bool at_least_as_fast(struct interval a, struct interval b)
{
    return (isnan(a.v) && isnan(b.v)) || a.v >= b.v;
}

static bool beats(const struct racer *a, const struct racer *b)
{
    return strcmp(a->framework, b->framework) == 0 && a->bytes <= b->bytes && at_least_as_fast(a->decode, b->decode) &&
           at_least_as_fast(a->prefill, b->prefill) && difference(b, a).lo > 0;
}

int race_look(struct racer *r, int n, double kld_limit)
{
    int n_left = 0;
    bool one_keeps_it = false;
    for (int i = 0; i < n; i++)
        one_keeps_it |= difference(&r[i], NULL).hi <= kld_limit;
    for (int i = 0; i < n; i++) {
        if (r[i].out)
            continue;
        if (one_keeps_it && difference(&r[i], NULL).lo > kld_limit) {
            r[i].out = true;
            snprintf(r[i].why, sizeof r[i].why, "surely above the KLD limit after %d chunks", r[i].n_chunks);
        }
        for (int j = 0; j < n && !r[i].out; j++) {
            if (j == i || !beats(&r[j], &r[i]))
                continue;
            r[i].out = true;
            snprintf(r[i].why, sizeof r[i].why, "after %d chunks %s is surely closer, not larger and not slower",
                     r[i].n_chunks, r[j].name);
        }
        n_left += !r[i].out;
    }
    return n_left;
}

bool race_is_over(const struct racer *r, int n, double kld_limit)
{
    for (int i = 0; i < n; i++) {
        struct interval of = difference(&r[i], NULL);
        if (r[i].out)
            continue;
        if (isnan(of.v) || (of.lo <= kld_limit && of.hi > kld_limit))
            return false;
        for (int j = 0; j < i; j++) {
            struct interval d = difference(&r[i], &r[j]);
            if (!r[j].out && strcmp(r[i].framework, r[j].framework) == 0 && d.lo <= 0 && d.hi >= 0)
                return false;
        }
    }
    return true;
}
