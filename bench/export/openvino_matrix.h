/* A weight matrix as NNCF leaves it in a graph: constants of codes, zero points and scales, and what decompresses them
 * to f32 W[n][k], which the runtime folds into the products. */
#ifndef BENCH_EXPORT_OPENVINO_MATRIX_H
#define BENCH_EXPORT_OPENVINO_MATRIX_H
#include "bench/artifact/openvino_write.h"
#include "kernels/formats/codec.h"

/* pairs: length of the heads whose rows are stored in pairs and wanted in halves; 0: rows as they are. */
int ov_matrix(struct ir_value *out, struct ir *g, const char *name, const struct qmat *q, int pairs, struct err *e);
/* Row of the source that stands for row r. */
static inline int64_t ov_source_row(int64_t r, int pairs)
{
    return pairs ? r / pairs * pairs + r % pairs % (pairs / 2) * 2 + r % pairs / (pairs / 2) : r;
}
#endif
