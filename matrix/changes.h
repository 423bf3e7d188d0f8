/* The changes of a series of the store: what the detector finds is stored once, under a name that it keeps, with the
 * state that people give it. A change found again a run or two further on, as more runs come in, is the same one. */
#ifndef MATRIX_CHANGES_H
#define MATRIX_CHANGES_H
#include "bench/series.h"
#include "matrix/changepoint.h"

struct series_change {
    const struct series *series;
    const struct change *known;      /* as it stands in the store now */
    const struct changepoint *found; /* NULL: the detector does not find that one now (the gate did) */
    int index;                       /* point of the series: first of the new level; -1: pruned */
    bool is_new;                     /* stored by this call */
    bool same_build;                 /* the runs beside it had one artifact, engine and configuration, all known */
};
/* Detects, stores what is new (unless dry), then calls fn for each change of the series in order of time, until fn
 * returns non-zero (and that is returned). outlier[x->n] is filled before, as changepoint_find does; it may be NULL. */
int changes_each(struct store *s, const struct series *x, const struct changepoint_options *o, bool dry, bool *outlier,
                 int (*fn)(void *arg, const struct series_change *c), void *arg, struct err *e);
#endif
