/* kerncheck's part for OP_ROWS. */
#ifndef KERNELS_CHECK_ROWS_H
#define KERNELS_CHECK_ROWS_H
#include "kernels/kernels.h"

int check_rows(struct kernel_report *r, uint64_t seed);
/* Both return 0. bench_rows: nanoseconds for a gate of 2^16 values, the most frequent use. */
int bench_rows(struct kernel_report *r, uint64_t seed);
#endif
