/* The tensors of a row of the catalogue, as a GGUF file of it holds them: a model_desc that recipes take, and beside
 * each tensor how much of it one generated token reads. */
#ifndef BENCH_CATALOGUE_SHAPE_H
#define BENCH_CATALOGUE_SHAPE_H
#include "bench/catalogue.h"

enum { USE_OTHER = N_TENSOR_USES }; /* a matrix that the engine does not know: no rule of a mixture names it */

struct shape_share {
    double read;     /* of the tensor, for one generated token */
    bool multiplied; /* else looked up, added, or idle */
    bool idle;       /* stored and not used: no weight of the model */
};
struct catalogue_shape {
    struct arena *arena;
    const struct catalogue_arch *row;
    struct arch arch;
    struct model_desc d;       /* numbers and tensors; n_head_kv is that of the first layer, as llama.cpp asks it */
    struct shape_share *share; /* [d.n_tensors] */
    int n_room;
    bool regular; /* recipes of every family know all its matrices */
};
/* What a layer keeps of the tokens before. */
struct layer_memory {
    int n_head_kv, head_dim; /* 0: no KV cache of its own */
    bool local;              /* sees sliding_window positions only */
    int64_t state_values;    /* f32, whatever the context */
};
int catalogue_shape_make(struct catalogue_shape **out, const struct catalogue_model *m, struct err *e);
void catalogue_shape_free(struct catalogue_shape *s);
struct layer_memory catalogue_layer_memory(const struct catalogue_model *m, int layer);

/* How an architecture differs from gated feed-forward, two norms a layer, separate q, k, v (catalogue_archs.def). */
struct catalogue_arch {
    const char *name;
    int n_norm;      /* vectors of d_model a layer; 0: two */
    bool layer_norm; /* they have offsets */
    enum qk_kind { QK_NONE, QK_HEAD, QK_FULL } qk_norm;
    bool plain_ffn; /* no gate */
    bool fused_qkv, fused_gate_up;
    bool all_bias;        /* offsets on attention output and feed-forward too */
    bool sub_norms;       /* before the output and down matrices */
    bool positions;       /* a learned table of positions */
    int vocabulary_bytes; /* of a file's header, an entry; 0: 60, of byte-level BPE with its merges */
    bool keeps_window;    /* llama.cpp keeps no more than the window of local layers */
};
const struct catalogue_arch *catalogue_arch_find(const char *name);
/* "key=value" part of a sliding pattern; `otherwise` where it is not there. */
int catalogue_pattern_int(const struct catalogue_model *m, const char *key, int otherwise);
#endif
