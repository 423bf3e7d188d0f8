/* What the files that open models share; nothing outside bench/engine/model*.c includes this. */
#ifndef BENCH_ENGINE_MODEL_INT_H
#define BENCH_ENGINE_MODEL_INT_H
#include "bench/engine/model.h"

struct hf;
/* A Hugging Face folder in GGUF's terms; its tensors live as long as *folder (hf_close). */
int model_hf_open(struct gguf **out, struct hf **folder, const char *path, bool vocab, struct err *e);
#endif
