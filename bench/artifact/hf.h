/* A Hugging Face model folder: config.json, tokenizer.json and safetensors, one file or shards named by an index; and
 * its reading in GGUF's terms, so that everything above knows one kind of model description only.
 * Order: hf_open -> hf_config, hf_tokenizer, hf_tensor... -> hf_close. */
#ifndef BENCH_ARTIFACT_HF_H
#define BENCH_ARTIFACT_HF_H
#include <stdbool.h>
#include "base/json.h"
#include "bench/artifact/gguf_build.h"
#include "bench/artifact/safetensors.h"
#include "kernels/formats/codec.h"

/* One row of hf_archs.def: a model_type of config.json. */
struct hf_arch {
    const char *model_type, *gguf; /* gguf: general.architecture */
    const char *activation;        /* the only hidden_act that it is run with */
    const char *class_name;        /* in transformers */
    bool pairs_qk;                 /* GGUF has the rows of q and k in pairs where the folder has them in halves */
    bool norm_plus_one;            /* norms multiply by 1 + weight */
    bool window_switch;            /* sliding_window counts where use_sliding_window says so */
    bool tied;                     /* embedding and head are one unless config.json says no */
    int head_dim;                  /* where config.json names none; 0: width / heads */
    int n_head, n_head_kv, n_ctx;  /* where config.json names none; 0: it must */
    double rope_base, norm_eps;    /* the same */
};

struct hf {
    char *path;
    json_t *config;
    json_t *model; /* the part of config that describes the language model; borrowed */
    const struct hf_arch *arch;
    int n_shards;
    struct safetensors **shard;
    char **file;                  /* [n_shards] names below path */
    const struct hf_quant *quant; /* how matrices are quantized; NULL: they are not */
    const json_t *quant_settings; /* part of config */
    struct arena *arena;
};
int hf_open(struct hf **out, const char *path, struct err *e);
void hf_close(struct hf *h);
/* NULL when absent. Notes that it was asked for; hf_unused names one that nobody wanted, NULL when there is none. */
const struct st_tensor *hf_tensor(struct hf *h, const char *name);
const char *hf_unused(const struct hf *h);
/* A matrix W[n][k] by its module's name, "model.layers.0.self_attn.q_proj": as it is stored, or in the codec that the
 * folder's quantization stands for, order of rows and columns put right. Planes are in the mapping or in the arena.
 * ERR_MISSING when there is no such module. */
int hf_read_matrix(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);
/* As many inputs or outputs as the folder's quantization makes of n. */
int64_t hf_padded(const struct hf *h, int64_t n);
/* Values of any plain float tensor. */
int hf_read_f32(float *out, const struct st_tensor *t, struct err *e);
/* SHA-256 of the lines "SHA256  NAME" of config.json, tokenizer.json and the shards, as sha256sum prints them. */
int hf_hash(const struct hf *h, char out[65], struct err *e);

/* The architecture's row and the part of config that belongs to it. */
int hf_find_arch(const struct hf_arch **out, json_t **model, json_t *config, struct err *e);
/* The row of a general.architecture; window: of a model whose every layer has one. NULL: there is none. */
const struct hf_arch *hf_arch_of_gguf(struct gguf_str name, bool window);
/* config.json as keys, and as the tensors that only GGUF has (tables of RoPE factors). */
void hf_config(struct gguf_build *b, const struct hf_arch *a, const json_t *model);
/* tokenizer.json as the keys tokenizer.*; settings: tokenizer_config.json or NULL; n_vocab: rows of the embedding. */
void hf_tokenizer(struct gguf_build *b, const json_t *tokenizer, const json_t *settings, const json_t *config,
                  int64_t n_vocab);
/* The same from the folder's files. */
void hf_read_tokenizer(struct gguf_build *b, const struct hf *h, int64_t n_vocab);
#endif
