/* Between encode.c and the algorithms: the matrices that share an input, decoded, laid out and handed over. */
#ifndef BENCH_QUANT_ENCODE_GROUP_H
#define BENCH_QUANT_ENCODE_GROUP_H
#include "bench/quant/recipe.h"

/* Encodes tensor i and every later one that reads the same input with the same algorithm; done[] marks them. */
/* The algorithms that choose parameters do so. */
int plan_algorithms(const struct model *m, struct use_assign *a, const struct calibration *cal, struct pool *pool,
                    struct err *e);
int encode_group(struct weights *w, int i, const struct use_assign *a, const struct calibration *cal, bool done[],
                 struct pool *pool, struct err *e);
void decode_matrix(float *w, const struct qmat *src, struct pool *pool); /* w[n][k] */
#endif
