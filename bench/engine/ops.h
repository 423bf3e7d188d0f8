/* The operations of a forward pass as a table, so that another backend replaces the table and nothing else.
 * All activations are f32, row-major, rows contiguous: x[n][d]. */
#ifndef BENCH_ENGINE_OPS_H
#define BENCH_ENGINE_OPS_H
#include <stdbool.h>
#include <stdint.h>
#include "base/pool.h"
#include "bench/engine/kv.h"
#include "bench/engine/model.h"
#include "kernels/kernels.h"

/* How K or V of a layer is stored and read: rows of a head's values, [head][position]; V of plain floats transposed,
 * [head][value][position], so that both products read rows; of formats by channel [head][group][channel], rows of a
 * group's positions. */
struct kv_side {
    const struct kv_format *format;
    struct qmat layer; /* the shape of one layer; no data */
    kernel_decode *decode;
    kernel_encode_act *encode;   /* NULL: the codec's own */
    kernel_encode_act *encode_q; /* NULL: Q stays as it is */
    const struct act *q;
    int rotation; /* size of the Hadamard matrices that values go through; 0: none */
    bool transposed;
    int64_t n_groups;    /* of positions in a head, by channel */
    size_t recent_bytes; /* of struct kv_recent in a layer */
};
/* The newest positions of a format that keeps them exact: those since the last multiple of kv_format.exact. */
struct kv_recent {
    int64_t window; /* positions [window * exact, ...) are here; earlier ones are encoded */
    float x[];      /* [head][exact][head_dim] */
};
struct kv_part { /* K or V of one layer */
    const struct kv_side *side;
    struct qmat data;
    struct kv_recent *recent; /* NULL: none */
    const float *scale;       /* [n_head_kv * head_dim] settled scales; NULL: none */
};
struct kv_layer {
    struct kv_part k, v;
    int n_head_kv, head_dim;
    int64_t n_ctx;
    struct arena *arena; /* for encoders, given back at once */
};

struct attention {
    const struct kv_layer *kv;
    float *q;            /* [n][n_head * head_dim], after rope; rotated and rounded here as the cache's runtime does */
    float *out;          /* the same shape */
    int n_head, pos0, n; /* n queries at positions pos0... */
    int window;          /* positions that a query sees, itself included; 0 = all before */
    float scale;
    bool as_runtime; /* floats: round Q and the sum over V where llama.cpp does */
    const struct kernel *gemm;
    const struct row_ops *rows;
    float *scratch; /* attention_scratch_floats per thread */
};
size_t attention_scratch_floats(int n_head, int n_head_kv, int head_dim);

struct rope {
    const float *cos, *sin; /* [n][rope_dim / 2] */
    int n_head, head_dim, rope_dim;
    bool neox; /* pairs (i, i + rope_dim/2); else (2i, 2i + 1) */
};

struct backend { /* what the operations run on */
    struct pool *pool;
    const struct row_ops *rows;
};
struct ops {
    const char *name;
    /* y = x / rms(x) * w by row; y may be x. */
    void (*norm)(const struct backend *b, float *y, const float *x, const float *w, int64_t n, int64_t d, float eps);
    void (*add)(const struct backend *b, float *x, const float *y, int64_t n, int64_t d);
    void (*add_row)(const struct backend *b, float *x, const float *row, int64_t n, int64_t d);
    void (*rope)(const struct backend *b, float *x, int64_t n, const struct rope *r);
    /* gate = act(gate) * up; kind of enum gate */
    void (*gate)(const struct backend *b, float *gate, const float *up, int64_t n, int64_t d, enum gate kind);
    /* k, v[n][n_head_kv * head_dim] go to positions pos0...; they may be changed on the way */
    void (*store_kv)(struct pool *p, struct kv_layer *kv, float *k, float *v, int pos0, int n);
    void (*attention)(struct pool *p, const struct attention *a);
};
extern const struct ops ops_cpu;

/* attention.c */
void attention_run(struct pool *p, const struct attention *a);

/* kv_cache.c */
int kv_side_init(struct kv_side *out, const struct kv_format *f, bool is_v, const struct model_desc *d, int n_ctx,
                 uint64_t isa, struct err *e);
size_t kv_side_bytes(const struct kv_side *side); /* of one layer */
/* The part of a layer whose memory begins at `at`. */
void kv_part_init(struct kv_part *out, const struct kv_side *side, void *at, const float *scale);
void kv_store(struct pool *p, struct kv_layer *kv, float *k, float *v, int pos0, int n);
/* Of n positions from pos0 on, how many may be stored before queries have to attend: those of one exact window. */
int kv_piece(const struct kv_side *k, const struct kv_side *v, int pos0, int n);
/* Where the exact positions begin when the last one stored is `last`; past all where there are none. */
int kv_exact_from(const struct kv_part *p, int last);
/* Exact positions from pos on, of one window: rows of head h. */
float *kv_recent_rows(const struct kv_layer *kv, const struct kv_part *p, int64_t h, int64_t pos);
/* Positions [pos, pos + n) of head h as rows dst[n][head_dim]; by channel, pos starts a group and dst has room for
 * whole groups. scratch[positions * head_dim]. */
void kv_load_rows(float *dst, const struct kv_layer *kv, const struct kv_part *p, int h, int pos, int n,
                  float *scratch);
/* x[n], n a multiple of size: every piece of `size` values times the orthonormal Walsh-Hadamard matrix, its own
 * inverse. */
void hadamard_rotate(float *x, int64_t n, int size);
#endif
