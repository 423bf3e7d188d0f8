/* Inside the detector: the search for splits in a window (changepoint_split.c), used by changepoint.c. */
#ifndef MATRIX_CHANGEPOINT_INT_H
#define MATRIX_CHANGEPOINT_INT_H
#include "matrix/changepoint.h"

/* p[i] = p of the permutation test for a new level from y[i] on, where one was found in some window; else NaN. */
int changepoint_split(double *p, const double *y, int n, const char *name, const struct changepoint_options *o,
                      struct err *e);
#endif
