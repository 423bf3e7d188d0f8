/* The choice of widths for EXL2, matrix by matrix (exl2_plan.c). */
#ifndef BENCH_QUANT_EXL2_PLAN_H
#define BENCH_QUANT_EXL2_PLAN_H
#include "bench/quant/algorithm.h"

extern const struct codec codec_exl2;
/* Sets par of the tensors that have a number of bits to meet. ERR_UNSUPPORTED when even the smallest is too large. */
int exl2_plan(const struct algo_plan *p, struct err *e);
#endif
