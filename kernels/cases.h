/* Parametric codecs as the formats of this program use them, and as other files may: what the rows of kernels.def that
 * take them are checked and timed with. */
#ifndef KERNELS_CASES_H
#define KERNELS_CASES_H
#include "kernels/kernels.h"

struct kernel_case {
    const char *codec, *act;
    struct qpar par;
    enum plane extra; /* PLANE_PERM or PLANE_COLUMN, which an algorithm may add; 0: none */
    const char *name; /* "onnx_nbits 4 g32 sym" */
};
extern const struct kernel_case kernel_cases[];
extern const int n_kernel_cases;
/* Shape and planes of n rows of k weights. */
int kernel_case_layout(const struct kernel_case *c, struct qmat *q, int64_t n, int64_t k, struct err *e);
/* Weights w[n][k] of a whole matrix into it; planes that are no codes are filled from the seed. */
int kernel_case_encode(const struct kernel_case *c, struct qmat *q, const float *w, uint64_t seed, struct err *e);
/* A matrix of about that many bytes, a few encoded rows over and over: content does not change the speed, encoding it
 * all would. qmat_free when done. c NULL: of that codec, which is not parametric. */
int kernel_bench_weights(struct qmat *q, const struct codec *codec, const struct kernel_case *c, size_t bytes,
                         int64_t k, struct err *e);
bool kernel_case_taken(const struct kernel_case *c, const struct kernel *k);
#endif
