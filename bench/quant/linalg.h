/* Dense linear algebra for encoders that solve, all of it behind this file: LAPACKE where the
 * machine has it, loaded at the first call. */
#ifndef BENCH_QUANT_LINALG_H
#define BENCH_QUANT_LINALG_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

bool linalg_present(void);
/* a[n][n], symmetric: becomes the upper triangular U with U^T U = inverse of a; below the diagonal zeros.
 * ERR_DATA where a is not positive definite (a is lost then), ERR_UNSUPPORTED without LAPACKE. */
int linalg_inverse_factor(double *a, int64_t n, struct err *e);
#endif
