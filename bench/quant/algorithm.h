/* Encoders that take a matrix as a whole and know what flows into it. A recipe row names one; without one, or for
 * tensors outside it, rows are encoded by the codec alone.
 *
 * Matrices that read the same input are encoded together, as a group: they share its statistics, and what is folded
 * into the layer before must be the same for all of them. One file and one row of algorithms.def each. */
#ifndef BENCH_QUANT_ALGORITHM_H
#define BENCH_QUANT_ALGORITHM_H
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "bench/engine/model.h"
#include "kernels/formats/codec.h"

struct kernel;
struct use_assign;
struct calibration;
struct algo_target {
    struct qmat *q; /* laid out and allocated */
    const float *w; /* [n][k] */
    const struct model_tensor *t;
};
struct algo_group {
    const struct model_desc *d;
    const struct calib *cal;         /* has all that the algorithm needs; NULL where it needs nothing */
    const struct calibration *all;   /* of all matrices; may be NULL likewise */
    const struct use_assign *assign; /* [d->n_tensors] */
    int64_t k;
    int n;
    struct algo_target *target;
    struct pool *pool;
    const struct kernel *gemm; /* Y = X W^T */
    struct arena *arena;
};
struct use_assign;
struct calibration;
struct algorithm;
struct algo_plan {
    const struct model *m;
    const struct algorithm *algorithm; /* the tensors that are meant: those of a that name it */
    struct use_assign *a;              /* one per tensor, to be changed */
    const struct calibration *cal;     /* has all that the algorithm needs */
    struct pool *pool;
};
struct algorithm {
    const char *name, *doc;
    const char *codec; /* what it writes */
    unsigned needs;    /* bits of enum calib_stat */
    /* Planes beyond the codec's own, between layout and allocation; NULL: none. */
    int (*layout)(struct qmat *q, struct err *e);
    int (*encode)(const struct algo_group *g, struct err *e);
    /* Parameters of all its tensors at once, before any is encoded; NULL: they stay as the recipe has them. */
    int (*plan)(const struct algo_plan *p, struct err *e);
};
extern const struct algorithm *const algorithms[]; /* NULL-terminated */
const struct algorithm *algorithm_find(const char *name);

/* What the algorithms share: D[n][k] with a statistic H[k][k] into the sum over rows of d H d^T. */
int algo_quadratic(const struct algo_group *g, const float *d, int64_t n, const float *h, double *sum, struct err *e);
/* The same of n rows by one thread; y[n][QUADRATIC_BLOCK] is scratch. */
enum { QUADRATIC_BLOCK = 128 };
double algo_quadratic_rows(const struct kernel *gemm, const float *d, int64_t n, const float *h, int64_t k, float *y);
/* w[n][k] by the target's codec, which takes rows apart. */
int algo_encode_rows(const struct algo_target *t, const float *w, const struct wstat *stat, struct pool *pool,
                     struct err *e);
#endif
