/* The engine's own state, shared by engine.c (life, forward) and engine_linear.c (linear layers). */
#ifndef BENCH_ENGINE_ENGINE_STATE_H
#define BENCH_ENGINE_ENGINE_STATE_H
#include "bench/engine/engine.h"
#include "bench/engine/ops.h"
#include "kernels/linear.h"

/* Every allocation of an engine; sizes come from engine_plan. */
enum engine_buffer {
    BUF_K,
    BUF_V, /* KV cache, all layers */
    BUF_X, /* [n_batch][d_model] the residual stream */
    BUF_H, /* [n_batch][d_model] a normed input, or the output of a block */
    BUF_Q,
    BUF_ATT, /* [n_batch][n_head * head_dim] */
    BUF_NEW_K,
    BUF_NEW_V, /* [n_batch][n_head_kv * head_dim] */
    BUF_GATE,
    BUF_UP,    /* [n_batch][d_ff] */
    BUF_INPUT, /* the input of a linear layer as its activation rule leaves it */
    BUF_ROPE,  /* [global, local][cos, sin][n_batch][rope_dim / 2] */
    BUF_LINEAR_SCRATCH,
    BUF_ATT_SCRATCH,
    BUF_SCALES,  /* [n_layer][K, V][n_head_kv * head_dim] settled scales of the cache */
    BUF_VECTORS, /* norms and biases as f32 */
    BUF_TABLE,   /* struct linear [n_tensors] */
    N_ENGINE_BUFFERS
};
enum { BUF_FIRST_SCRATCH = BUF_X };

/* What one weight matrix runs on. */
struct linear {
    const struct qmat *w;
    const struct act *act; /* NULL: f32 */
    const struct act_fixed *fixed;
    const struct kernel *matvec, *matmul; /* packed; NULL: the reference way */
    const struct kernel *decode;
    kernel_encode_act *encode;
    float *vector; /* for vectors: the values; nothing else is set */
    float scale;   /* of the output; 0: none */
};

struct engine {
    const struct weights *weights;
    const struct model *model;
    const struct model_desc *d;
    struct engine_opts o;
    const struct ops *ops;
    struct backend backend;
    const struct kernel *gemm;
    struct kv_side k, v;
    struct arena *arena;
    void *buf[N_ENGINE_BUFFERS];
    struct linear *linear;       /* [n_tensors + 1]: the last one is the head of weights that have it apart */
    int n_past, n_last;          /* cached positions; tokens of the last forward */
    int rope_pos0[2], rope_n[2]; /* what BUF_ROPE holds */
    struct {                     /* the input that the next linear layers read */
        const float *x;
        int64_t k;
        int n;
        const struct act *in_buffer; /* the rule under which BUF_INPUT holds it; NULL: it does not */
        bool encoded;                /* as encoded rows, for packed kernels; else as the values that they stand for */
        struct act_fixed in_grid;    /* and its grid, for ACT_FIXED */
    } input;
    char kernels[1024];
};

static inline float *engine_f32(const struct engine *g, enum engine_buffer b)
{
    return g->buf[b];
}

/* engine_linear.c */
int linear_setup(struct engine *g, struct err *e);
void linear_input(struct engine *g, const float *x, int64_t k, int n);
struct linear_out { /* y[n][ldy] = input * W^T */
    const struct linear *l;
    float *y;
    int64_t ldy;
};
/* Matrices that read this input; packed ones that encode it alike run in one parallel region. */
void linear_run(struct engine *g, const struct linear_out *out, int n_out);
size_t linear_input_bytes(int64_t k, const struct engine_opts *o);
size_t linear_scratch_bytes(const struct model_desc *d, const struct engine_opts *o);
#endif
