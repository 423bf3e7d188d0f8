/* A model as the engine sees it: numbers of the architecture, its tensors by use, its vocabulary.
 * Order: model_open -> (weights_...) -> engine_... -> model_close. Tensors point into the mapped file. */
#ifndef BENCH_ENGINE_MODEL_H
#define BENCH_ENGINE_MODEL_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "bench/artifact/gguf.h"
#include "bench/engine/vocab.h"
#include "kernels/formats/codec.h"

/* X(enumerator, GGUF name with %d for the layer or none, quantizable matrix) */
#define TENSOR_USES(X)                                                                                              \
    X(TOKEN_EMBD, "token_embd.weight", 1) X(OUTPUT_NORM, "output_norm.weight", 0) X(OUTPUT, "output.weight", 1)     \
    X(ROPE_FREQS, "rope_freqs.weight", 0) X(ROPE_LONG, "rope_factors_long.weight", 0)                               \
    X(ROPE_SHORT, "rope_factors_short.weight", 0)                                                                   \
    X(ATTN_NORM, "blk.%d.attn_norm.weight", 0) X(ATTN_Q, "blk.%d.attn_q.weight", 1)                                 \
    X(ATTN_QKV, "blk.%d.attn_qkv.weight", 1)                                                                        \
    X(ATTN_K, "blk.%d.attn_k.weight", 1) X(ATTN_V, "blk.%d.attn_v.weight", 1)                                       \
    X(ATTN_Q_BIAS, "blk.%d.attn_q.bias", 0) X(ATTN_K_BIAS, "blk.%d.attn_k.bias", 0)                                 \
    X(ATTN_V_BIAS, "blk.%d.attn_v.bias", 0) X(ATTN_Q_NORM, "blk.%d.attn_q_norm.weight", 0)                          \
    X(ATTN_K_NORM, "blk.%d.attn_k_norm.weight", 0) X(ATTN_OUT, "blk.%d.attn_output.weight", 1)                      \
    X(ATTN_POST_NORM, "blk.%d.post_attention_norm.weight", 0) X(FFN_NORM, "blk.%d.ffn_norm.weight", 0)              \
    X(FFN_GATE, "blk.%d.ffn_gate.weight", 1) X(FFN_UP, "blk.%d.ffn_up.weight", 1)                                   \
    X(FFN_DOWN, "blk.%d.ffn_down.weight", 1) X(FFN_POST_NORM, "blk.%d.post_ffw_norm.weight", 0)                     \
    X(ATTN_SUB_NORM, "blk.%d.attn_sub_norm.weight", 0) X(FFN_SUB_NORM, "blk.%d.ffn_sub_norm.weight", 0)             \
    X(ATTN_Q_SCALE, "blk.%d.attn_q.scale", 0) X(ATTN_K_SCALE, "blk.%d.attn_k.scale", 0)                             \
    X(ATTN_V_SCALE, "blk.%d.attn_v.scale", 0) X(ATTN_OUT_SCALE, "blk.%d.attn_output.scale", 0)                      \
    X(FFN_GATE_SCALE, "blk.%d.ffn_gate.scale", 0) X(FFN_UP_SCALE, "blk.%d.ffn_up.scale", 0)                         \
    X(FFN_DOWN_SCALE, "blk.%d.ffn_down.scale", 0)

enum tensor_use {
#define X(id, name, matrix) USE_##id,
    TENSOR_USES(X)
#undef X
    N_TENSOR_USES
};

enum gate { GATE_SILU, GATE_GELU /* tanh */, GATE_RELU2 /* max(x, 0)^2 */ };
/* What an architecture switches on: one row of arch.def each. */
struct arch {
    const char *name;              /* general.architecture */
    bool rope_neox;                /* rotate halves; else adjacent pairs */
    bool qkv_bias, qk_norm;
    bool post_norms;               /* gemma: norms after attention and FFN */
    enum gate gate;                /* what the gate passes through */
    bool sub_norms;                /* bitnet: norms before the output and down projections, factors of outputs */
    bool scale_embd;               /* embedding times sqrt(d) */
    bool fused;                    /* q, k, v are rows of one matrix; so are gate and up, in ffn_up */
    int swa_global_every;          /* 6: five local layers, then a global one; 0 = a window is for all layers */
    double rope_base_default, rope_base_local;
};
enum arch_id {
#define ARCH(id, name, ...) ARCH_##id,
#include "bench/engine/arch.def"
#undef ARCH
    N_ARCHS
};
extern const struct arch archs[];      /* [N_ARCHS], so that a constant may point at &archs[ARCH_LLAMA] */
extern const int n_archs;

struct model_tensor {
    const char *name;
    enum tensor_use use;
    int layer;                     /* -1 outside the layers */
    bool matrix;                   /* a weight matrix that formats apply to */
    bool expert;                   /* the matrices of all experts, one below the other; the engine runs none */
    struct qmat src;               /* as stored; a vector is n = 1 */
};
struct model_desc {
    const struct arch *arch;
    char name[128], size_label[32], license[64];
    int n_layer, d_model, d_ff, n_head, n_head_kv, head_dim, n_ctx_train, n_vocab, rope_dim, sliding_window;
    double norm_eps, rope_base, rope_base_local, rope_scale /* linear factor, 1 = none */, attn_scale;
    double logit_softcap;          /* cap * tanh(logit / cap); 0 = none */
    double rope_gain;              /* LongRoPE: factor of cos and sin; 0 = none */
    int rope_n_ctx_short;          /* LongRoPE: the longest context that takes the short factors */
    int n_expert;                  /* 0: no mixture; the engine runs no other */
    bool tied;                     /* no output.weight: the embedding is also the head */
    int64_t n_params;              /* all tensors, a tied one once */
    int n_tensors;
    struct model_tensor *tensor;
};
struct model {
    struct model_desc d;
    struct gguf *gguf;             /* NULL for a synthesized shape; made in memory for a folder */
    struct hf *folder;             /* the Hugging Face folder it is; NULL: a file */
    struct vocab *vocab;           /* NULL for a synthesized shape */
    bool dithered;                 /* by model_dither: tensors are f16 now, off the grid of the source */
    char sha256[65];               /* of the file, or of the list of a folder's files; "" until model_hash */
    const void *bytes;             /* the whole file; NULL for a folder */
    size_t n_bytes;
    char *path;
    struct arena *arena;
    int by_use[N_TENSOR_USES];     /* index into tensor[] for uses outside layers, -1 absent */
    int *by_layer;                 /* [n_layer][N_TENSOR_USES], -1 absent */
};
/* A GGUF file or a Hugging Face folder (config.json, tokenizer.json, safetensors). */
int model_open(struct model **out, const char *path, struct err *e);
int model_open_memory(struct model **out, const void *p, size_t n, const char *where, struct err *e);
/* The header alone, or a bare config.json, for estimates: no vocabulary; tensors whose data is not there have
 * src.plane[].p == NULL. */
int model_open_header(struct model **out, const char *path, struct err *e);
/* A model of that shape with no file and no vocabulary: tensors have src.plane[].p == NULL. */
int model_from_shape(struct model **out, const struct model_desc *shape, struct err *e);
int model_hash(struct model *m, struct err *e);
void model_close(struct model *m);
const struct model_tensor *model_tensor(const struct model *m, enum tensor_use use, int layer);   /* NULL when absent */
/* Codec that holds most of the matrix weights; and whether the file is already quantized (not f32/f16/bf16). */
const struct codec *model_source_codec(const struct model_desc *m, bool *quantized);
/* Scans every weight: ERR_DATA naming the first tensor that holds NaN or Inf. */
int model_check_finite(const struct model *m, struct err *e);
/* Weights of a mapped file that are not needed soon leave the memory; what was made in memory stays. */
void model_release(const struct model *m, const struct model_tensor *t);
/* Noise of +-half a step on every quantized tensor, seeded; tensors become f16 in memory owned by the model. */
int model_dither(struct model *m, uint64_t seed, struct err *e);

/* True for layers that see only d->sliding_window positions. */
bool model_layer_is_local(const struct model_desc *d, int layer);

/* KV and scratch bytes for a context: the same function sizes the engine's memory and answers "will it fit". */
struct memory_need {
    int64_t weights_bytes, kv_bytes, scratch_bytes;
};
#endif
