/* The operations of a forward pass as a table, so that another backend replaces the table and nothing else.
 * All activations are f32, row-major, rows contiguous: x[n][d]. */
#ifndef BENCH_ENGINE_OPS_H
#define BENCH_ENGINE_OPS_H
#include <stdbool.h>
#include <stdint.h>
#include "base/pool.h"
#include "bench/engine/model.h"
#include "kernels/kernels.h"

/* One layer's KV cache: K as k[head][pos][head_dim], V transposed, v[head][head_dim][v_stride], f16 or f32.
 */
struct kv_layer {
    void *k, *v;
    bool f32;
    int n_head_kv, head_dim;
    int64_t n_ctx, v_stride;
};

struct attention {
    const struct kv_layer *kv;
    const float *q;      /* [n][n_head * head_dim], rotated */
    float *out;          /* the same shape */
    int n_head, pos0, n; /* n queries at positions pos0... */
    int window;          /* positions that a query sees, itself included; 0 = all before */
    float scale;
    bool f16_sums;       /* few queries over an f16 cache: round as llama.cpp does */
    const struct kernel *gemm;
    kernel_decode *decode_f16;
    const struct codec *f16;
    float *scratch; /* attention_scratch_floats per thread */
};
size_t attention_scratch_floats(int n_head, int n_head_kv, int head_dim);

struct rope {
    const float *cos, *sin; /* [n][rope_dim / 2] */
    int n_head, head_dim, rope_dim;
    bool neox; /* pairs (i, i + rope_dim/2); else (2i, 2i + 1) */
};

struct ops {
    const char *name;
    /* y = x / rms(x) * w by row; y may be x. */
    void (*norm)(struct pool *p, float *y, const float *x, const float *w, int64_t n, int64_t d, float eps);
    void (*add)(struct pool *p, float *x, const float *y, int64_t n, int64_t d);
    void (*add_row)(struct pool *p, float *x, const float *row, int64_t n, int64_t d);
    void (*rope)(struct pool *p, float *x, int64_t n, const struct rope *r);
    /* gate = act(gate) * up; kind of enum gate */
    void (*gate)(struct pool *p, float *gate, const float *up, int64_t n, int64_t d, enum gate kind);
    /* k, v[n][n_head_kv * head_dim] go to positions pos0... */
    void (*store_kv)(struct pool *p, const struct kv_layer *kv, const float *k, const float *v, int pos0,
                     int n);
    void (*attention)(struct pool *p, const struct attention *a);
};
extern const struct ops ops_cpu;

/* attention.c */
void attention_run(struct pool *p, const struct attention *a);
void attention_store(struct pool *p, const struct kv_layer *kv, const float *k, const float *v, int pos0,
                     int n);
#endif
