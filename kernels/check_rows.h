/* kerncheck's part for OP_ROWS. */
#ifndef KERNELS_CHECK_ROWS_H
#define KERNELS_CHECK_ROWS_H
#include "kernels/kernels.h"

void check_rows(struct kernel_report *r, uint64_t seed);
/* Nanoseconds for a gate of 2^16 values, the most frequent use. */
void bench_rows(struct kernel_report *r, uint64_t seed);
#endif
