/* The parts of NNCF's integer codec, for encoders that search its scales (bench/quant/nncf.c). */
#ifndef KERNELS_FORMATS_OPENVINO_INT_H
#define KERNELS_FORMATS_OPENVINO_INT_H
#include "kernels/formats/group.h"

/* Scale and zero point of x[n] as the codec chooses them; the scale is not rounded. */
struct grid openvino_int_grid(const struct qpar *par, const float *x, int64_t n);
/* What x[n] becomes, in steps of the scale. */
void openvino_int_levels(const struct qpar *par, struct grid g, const float *x, int64_t n, float *level);
/* Likewise, as it is stored. */
void openvino_int_codes(const struct qpar *par, struct grid g, const float *x, int64_t n, uint8_t *code);
/* A row of k codes and one grid per group; code[k + 8] is overwritten. */
void openvino_int_store(struct qmat *q, int64_t row, uint8_t *code, const struct grid *g);
#endif
