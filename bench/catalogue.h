/* The catalogue of models (datasets/models.csv, docs/CATALOGUE.md): the numbers of each architecture, and what follows
 * from them without a file: bytes of every format, KV cache, what one generated token reads and multiplies.
 * Order: catalogue_models or catalogue_model_find -> catalogue_cost per format. Nothing is to be freed. */
#ifndef BENCH_CATALOGUE_H
#define BENCH_CATALOGUE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/mem.h"
#include "bench/quant/recipe.h"

/* Texts are "" and numbers NaN where nothing is known; lists are words between semicolons. */
struct catalogue_model {
    const char *id, *name, *family, *arch /* general.architecture */, *licence, *released /* 2025-04 */, *tasks,
        *languages, *languages_source, *hf_repo /* of its maker */, *gguf_repo /* that llama-server -hf takes */,
        *ollama_tag, *formats_published, *sliding_pattern, *made_by /* distilled, pruned ... of which */, *made_source,
        *score_source, *source, *published_source;
    double params_b, active_params_b, published_b /* not computed from this row */;
    double score_mmlu, score_gsm8k, score_humaneval; /* percent */
    int n_layer, d_model, n_head, n_head_kv, head_dim, d_ff, n_expert, n_expert_used, d_ff_expert, n_vocab, context;
    bool tied, qkv_bias;
    int sliding_window;
};
int catalogue_models(const struct catalogue_model **out); /* how many; read once, they live as long as the program */
const struct catalogue_model *catalogue_model_find(const char *id); /* NULL: not there */
/* ERR_USAGE with the nearest ids. */
int catalogue_model_near(const char *id, struct err *e);
/* Rows of such a text, for tests of the reading; they live in the arena. ERR_DATA naming row and column. */
int catalogue_read(const char *csv, struct arena *a, struct catalogue_model **out, int *n, struct err *e);

/* "llama-server -hf REPO:Q4_K_M" or "ollama run TAG"; false where no published file is known. */
bool catalogue_download_line(const struct catalogue_model *m, const struct recipe *r, char *out, size_t room);
/* By billions of weights, as datasets/claims.csv has the field's words: micro 0.1 to 1.4, small 1.5 to 13.9, medium 14
 * to 30, large. */
const char *catalogue_size_class(const struct catalogue_model *m);

struct catalogue_cost {
    int64_t weights_bytes;  /* all tensors as stored; the file has its header beside them */
    int64_t download_bytes; /* weights and vocabulary */
    int64_t read_bytes;     /* of weights, for one generated token: experts in use, no table that is looked up */
    int64_t kv_bytes;       /* taken at that context, as llama.cpp caches windows; recurrent states too */
    int64_t kv_full_bytes;  /* the same where every layer keeps the whole context, as the own engine does */
    int64_t kv_read_bytes;  /* of kv_bytes, for one token at that context */
    int64_t scratch_bytes;  /* activations of a batch of 512, logits of one token: what a CPU's memory feels */
    int64_t reserved_bytes; /* the same with logits of the batch: what is taken of a GPU's memory, used or not */
    double ops_per_token;   /* 2 x weights multiplied */
    double effective_bpw;
    bool exact;               /* every tensor is known; else weights follow from the count of weights */
    double share_substituted; /* of the weights, where a row does not divide into blocks */
};
/* ERR_UNSUPPORTED where the format does not exist for that model, ERR_LIMIT beyond its context. kv_type NULL: f16. */
int catalogue_cost(struct catalogue_cost *out, const struct catalogue_model *m, const struct recipe *r,
                   const char *kv_type, int ctx, struct err *e);
#endif
