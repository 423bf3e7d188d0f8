/* The forward pass: embed, layers, head; batch prefill and single-token decode over a KV cache of any format.
 *
 * Two ways through a linear layer, with the same arithmetic: the reference decodes weights and activations to f32 and
 * runs the f32 GEMM (every format, any machine), packed kernels multiply what is stored. ENGINE_PACKED has packed ones
 * only (speed); ENGINE_QUALITY takes them where there are any and attends as the reference does.
 * Order: engine_new -> engine_forward... (engine_reset between sequences) -> engine_free. The token loop allocates
 * nothing. */
#ifndef BENCH_ENGINE_ENGINE_H
#define BENCH_ENGINE_ENGINE_H
#include "base/err.h"
#include "base/pool.h"
#include "bench/engine/kv.h"
#include "bench/engine/weights.h"

enum engine_mode { ENGINE_REFERENCE, ENGINE_QUALITY, ENGINE_PACKED };
struct engine_opts {
    enum engine_mode mode;
    int n_ctx, n_batch;              /* positions of KV, most tokens per call */
    struct kv_pair kv;               /* formats of the KV cache; none: f16 */
    const struct kv_peaks *kv_peaks; /* for formats with settled scales; read by engine_new */
    uint64_t isa;
    struct pool *pool;
    int prefill_threads, decode_threads; /* of the pool: for batches, for single tokens; 0: all */
    /* Sees the input x[n][k] of every matrix before it is rounded: activation statistics. NULL: none. */
    void (*on_input)(void *arg, const struct model_tensor *t, const float *x, int n);
    void *on_input_arg;
    /* Sees K after rope and V, [n][n_head_kv * head_dim], of every layer before they are stored. NULL: none. */
    void (*on_kv)(void *arg, int layer, const float *k, const float *v, int n);
    void *on_kv_arg;
};
struct engine;
int engine_memory(const struct model_desc *m, const struct engine_opts *o, struct memory_need *out, struct err *e);
int engine_new(struct engine **out, const struct weights *w, const struct engine_opts *o, struct err *e);
/* Other weights of the same model take the place of those there were; what is cached stays. */
int engine_use(struct engine *g, const struct weights *w, struct err *e);
void engine_free(struct engine *g);
void engine_reset(struct engine *g);              /* empties the KV cache */
void engine_rewind(struct engine *g, int n_past); /* forgets the positions from n_past on */
int engine_n_past(const struct engine *g);
void engine_use_threads(struct engine *g, int prefill, int decode); /* 0: all of the pool's */
const struct model_desc *engine_model(const struct engine *g);
const struct engine_opts *engine_options(const struct engine *g);
size_t engine_bytes(const struct engine *g); /* what was taken: KV plus scratch; equals engine_memory */

/* Runs n tokens after those already cached; the hidden states of all of them stay in the engine until the next call.
 * ERR_LIMIT when the context is full, ERR_USAGE for an id outside the vocabulary. */
int engine_forward(struct engine *g, const int32_t *tokens, int n, struct err *e);
/* logits[n][n_vocab] of the last forward's tokens [i0, i0+n): final norm, head (and soft cap). */
int engine_logits(struct engine *g, int i0, int n, float *logits, struct err *e);
/* The pieces that engine_forward is made of, for sweeps that hold one layer at a time: x[n][d_model]. A layer sees the
 * positions before pos0 that it was run for. */
void engine_embed(struct engine *g, const int32_t *tokens, int n, float *x);
void engine_layer(struct engine *g, int layer, float *x, int pos0, int n);
void engine_head(struct engine *g, const float *x, int n, float *logits);
/* Distinct names of the packed kernels in use, "matvec_q4_k_avx2 matmul_q4_k_avx2"; "" in reference mode. */
const char *engine_kernels(const struct engine *g);
/* True when every linear runs a packed kernel: only then may a speed be reported. */
bool engine_is_packed(const struct engine *g);
/* Bytes of weights that one decoded token reads (head included, embedding table not), and KV at that position. */
int64_t engine_bytes_per_token(const struct engine *g, int pos);
#endif
