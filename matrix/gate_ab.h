/* Two commands against each other: the same report as of a store, from figures measured in turn. */
#ifndef MATRIX_GATE_AB_H
#define MATRIX_GATE_AB_H
#include "bench/ab.h"
#include "matrix/gate.h"

/* B against A. gate_free. */
int gate_ab(struct gate_report *out, const struct ab_result *runs, const struct ab_options *o,
            const struct gate_policy *p, struct err *e);
#endif
