/* Where the level of a series changed: energy statistic with a seeded permutation test, recursion and merge
 * (docs/CHANGE_POINTS.md has the method, its sources and the comparison with other detectors). Deterministic: the seed
 * comes from the series' name. */
#ifndef MATRIX_CHANGEPOINT_H
#define MATRIX_CHANGEPOINT_H
#include <stdbool.h>
#include "base/err.h"

struct changepoint {
    int index;                 /* first value of the new level */
    double before, after;      /* medians of the levels beside it */
    double effect;             /* (after - before) / |before|; NaN where before is 0 */
    double p;                  /* of the permutation test, or of the merge's Mann-Whitney test, the larger */
    double mean_before, mean_after, sd_before, sd_after, t, p_t;   /* Student's, as other tools print it: --explain */
};
struct changepoint_options {
    double min_effect;         /* 0.02: smallest relative change of the level */
    double p_split, p_merge;   /* 0.01, 0.005 */
    int window, step, min_side, n_permutations; /* 60, 30, 3, 199 */
};
extern const struct changepoint_options changepoint_defaults;
/* value[n] in order of time. Not finite: a gap, which is left out and keeps its index. All positive: changes are
 * ratios; else (a difference, a logarithm) the values are taken as they are, and min_effect counts against the level
 * before. *out[*n_out], mem_free; outlier[n] may be NULL: isolated spikes, which do not make a change. o NULL: the
 * defaults. ERR_USAGE for options that make no sense. */
int changepoint_find(struct changepoint **out, int *n_out, bool *outlier, const double *value, int n, const char *name,
                     const struct changepoint_options *o, struct err *e);
#endif
