/* Several linear layers that read the same activations (Q, K and V; gate and up) in one parallel region. */
#ifndef KERNELS_LINEAR_H
#define KERNELS_LINEAR_H
#include "kernels/kernels.h"

enum { LINEAR_MOST_PARTS = 3 };
struct linear_part {             /* Y = X * W^T */
    const struct kernel *kernel; /* of OP_MATVEC or OP_MATMUL */
    const struct qmat *w;
    float *y;
    int64_t ldy; /* of OP_MATMUL */
};
/* The same bits as linear_matvec and linear_matmul one after the other: a row's sum is in one order wherever it is. All
 * parts take the same x; scratch has room for the kernel that asks for most. */
void linear_matvec_parts(struct pool *pool, const struct linear_part *part, int n, const void *x);
void linear_matmul_parts(struct pool *pool, const struct linear_part *part, int n, const void *x, size_t x_stride,
                         int64_t m, void *scratch);
/* The grid of an ACT_BATCH rule for all n values of a batch together. */
struct act_fixed linear_batch_grid(struct pool *pool, const struct act *a, const float *x, int64_t n);
#endif
