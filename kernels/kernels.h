/* Kernels and their dispatch. A kernel is a row of kernels.def: operation, codec or panel, activation rule, ISA needs.
 * Dispatch is a value: kernel_find returns the best row whose needs are in the mask; results name it.
 *
 * Shapes: W[n][k] weights, X[m][k] activations, Y[m][n] results, all row-major with explicit strides in elements. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "kernels/formats/codec.h"
#include "kernels/row_ops.h"

struct pool;

enum kernel_op {
    OP_GEMM_F32,   /* Y = X * W^T in f32, W given as f32 rows: the quality path */
    OP_MATVEC,     /* one encoded activation row times packed rows [r0, r1): decode speed */
    OP_MATMUL,     /* m encoded activation rows times packed rows [r0, r1): prefill speed */
    OP_DECODE,     /* packed rows to f32 rows */
    OP_ENCODE_ACT, /* f32 row to an encoded activation row */
    OP_ROWS,       /* rows of floats: norms, gates, softmax (row_ops.h) */
    N_KERNEL_OPS
};
const char *kernel_op_name(enum kernel_op op);

/* y[m][ldy] (+ column 0 = row r0 of W): m rows of x[m][ldx] against w[n_rows][ldw], each k long. */
typedef void kernel_gemm_f32(float *y, int64_t ldy, const float *x, int64_t ldx, const float *w, int64_t ldw, int64_t m,
                             int64_t n_rows, int64_t k);
/* y[i] for i in [r0, r1) at y[i - r0]; x is one row encoded by the row's act. */
typedef void kernel_matvec(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x);
/* Y[j][i - r0] at y[j*ldy + i - r0]; x: m encoded rows, x_stride bytes apart, or, by a rule for whole batches or a grid
 * fixed for all, one row of all m (x_stride 1 per column); scratch of kernel->scratch_bytes(k). */
typedef void kernel_matmul(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                           size_t x_stride, int64_t m, void *scratch);
typedef void kernel_decode(float *dst, const struct qmat *w, int64_t r0, int64_t r1);
typedef void kernel_encode_act(void *dst, const float *x, int64_t k);

struct kernel {
    const char *name; /* == symbol == file stem: "matvec_q4_k_avx2" */
    enum kernel_op op;
    const char *codec; /* NULL where the operation has none */
    const char *act;   /* NULL where the operation has none */
    uint64_t needs;    /* ISA() bits */
    union {
        kernel_gemm_f32 *gemm_f32;
        kernel_matvec *matvec;
        kernel_matmul *matmul;
        kernel_decode *decode;
        kernel_encode_act *encode_act;
        const struct row_ops *rows;
    };
    size_t (*scratch_bytes)(int64_t k); /* matmul only; NULL = none. 64-byte aligned, one per thread */
    /* Rows for parametric codecs: whether they take those weights with activations by that rule. codec is NULL there,
     * and act NULL or "f32": then x is the values that any rule of floats comes to, as f32. */
    bool (*takes)(const struct qmat *w, const struct act *a);
    double tolerance; /* largest error kernels_check lets pass, over the sum of magnitudes; 0 = same bits */
};
extern const struct kernel kernels[];
extern const int n_kernels;

/* Best row for the operation (rows of one operation and codec stand best first), or NULL. codec/act NULL = any. Rows
 * for parametric codecs are not found by name.
 * For OP_MATVEC and OP_MATMUL plain C rows exist for every codec ("matvec_any_c", decode and f64-free dot): they give
 * correct results everywhere and never an equivalent speed; kernel_is_packed tells them apart. */
const struct kernel *kernel_find(enum kernel_op op, const char *codec, const char *act, uint64_t isa);
bool kernel_is_packed(const struct kernel *k);
/* The same for weights as they are (planes may be NULL): rows for parametric codecs too. */
const struct kernel *kernel_find_for(enum kernel_op op, const struct qmat *w, const struct act *a, uint64_t isa);
/* Does the row read f32 values instead of rows encoded by the rule? */
bool kernel_reads_values(const struct kernel *k, const struct act *a);
/* The best encoder of an activation rule and the best decoder of a codec: a SIMD row or their own plain C. */
kernel_encode_act *kernel_encoder(const struct act *a, uint64_t isa);
kernel_decode *kernel_decoder(const struct codec *c, uint64_t isa);

/* Threaded drivers used by the engine. Rows are split over the pool by bytes. */
void linear_gemm_f32(struct pool *pool, const struct kernel *gemm, const struct kernel *decode, float *y, int64_t ldy,
                     const float *x, int64_t ldx, const struct qmat *w, int64_t m, float *scratch);
size_t linear_gemm_f32_scratch(int n_threads, int64_t k); /* floats needed by the above */
void linear_matvec(struct pool *pool, const struct kernel *k, float *y, const struct qmat *w, const void *x);
void linear_matmul(struct pool *pool, const struct kernel *k, float *y, int64_t ldy, const struct qmat *w,
                   const void *x, size_t x_stride, int64_t m, void *scratch);
size_t linear_matmul_scratch(int n_threads, const struct kernel *k, int64_t cols);

/* kerncheck: every row runnable under `isa` against the codec's plain C and an f64 sum. Reports through the callback,
 * one call per row; returns the number of failed rows or a negative error. bench also times it. */
struct kernel_report {
    const struct kernel *kernel;
    bool runnable, passed;
    double worst_error, tolerance;    /* normalised by the sum of magnitudes */
    char detail[160];                 /* the first failing case */
    double ns, gb_per_s, gflop_per_s; /* NaN unless benched */
};
int kernels_check(uint64_t isa, const char *name_filter, bool bench, uint64_t seed,
                  void (*report)(void *arg, const struct kernel_report *r), void *arg, struct err *e);

/* Read bandwidth in GB/s over `bytes` of memory with the pool's threads, one pass; used by bench/calibrate. */
double kernel_read_bandwidth(struct pool *pool, const void *p, size_t bytes, uint64_t isa);
#endif
