/* What the files that open models share; nothing outside bench/engine/model*.c includes this. */
#ifndef BENCH_ENGINE_MODEL_INT_H
#define BENCH_ENGINE_MODEL_INT_H
#include "bench/engine/model.h"

struct hf;
/* What a model is made from: a GGUF file, or a Hugging Face folder in GGUF's terms. */
struct model_source {
    struct gguf *gguf;
    struct hf *folder; /* NULL for a file */
    const struct qmat
        *mat; /* NULL for a file; [gguf->n_tensors] matrices that stand in for tensors; codec NULL: none */
};
/* The shape that a config.json alone describes. */
int model_config_open(struct model **out, const char *path, struct err *e);
int model_hf_open(struct model_source *out, const char *path, bool vocab, struct err *e);
#endif
