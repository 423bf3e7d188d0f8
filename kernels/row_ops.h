/* Operations on rows of floats beside the matrix products: norms, rotations, gates, softmax, log-softmax. The loops
 * stand once, in row_loops.h, and are compiled for every instruction set; without contraction and with sums in a fixed
 * order they give the same bits on all of them. Choice of a set: kernel_find(OP_ROWS, NULL, NULL, isa)->rows. */
#ifndef KERNELS_ROW_OPS_H
#define KERNELS_ROW_OPS_H
#include <stdint.h>

struct row_norm { /* of a row of logits: log-softmax is x - max - log_sum */
    float max;
    double log_sum; /* ln of the sum of e^(x - max) */
    int32_t top;    /* the first index of the maximum */
};
struct row_ops {
    void (*norm)(float *y, const float *x, const float *w, int64_t d, float eps); /* x / rms(x) * w; y may be x */
    void (*add)(float *x, const float *y, int64_t n);
    /* Pairs turned by the angle of their frequency: (i, i + half), or (2i, 2i + 1). */
    void (*rope_neox)(float *x, const float *cs, const float *sn, int64_t half);
    void (*rope_adjacent)(float *x, const float *cs, const float *sn, int64_t half);
    /* gate = act(gate) * up */
    void (*silu)(float *gate, const float *up, int64_t n);
    void (*gelu)(float *gate, const float *up, int64_t n);
    void (*relu2)(float *gate, const float *up, int64_t n);
    float (*max)(const float *x, int64_t n);
    float (*exp_scaled)(float *s, int64_t n, float scale, float max); /* s = e^(s * scale - max); their sum */
    /* One pass over the row. */
    struct row_norm (*normalize)(const float *x, int32_t n);
    /* One pass over both: normalizes cand, and returns the KL divergence of it from ref, whose norm is known. */
    double (*compare)(const float *ref, const struct row_norm *rn, const float *cand, struct row_norm *cn, int32_t n);
};
#endif
