/* The small files of a Hugging Face folder, made from a model in GGUF's terms: all that a framework wants to find
 * beside the weights. What the model's own folder has is copied. Order: hf_check_write (nothing is written) -> the
 * others. */
#ifndef BENCH_ARTIFACT_HF_WRITE_H
#define BENCH_ARTIFACT_HF_WRITE_H
#include "bench/artifact/hf.h"

/* Can all of it be said of this model? ERR_UNSUPPORTED with the reason. source: the folder that the model was read
 * from; NULL: a file. */
int hf_check_write(const struct gguf *g, const struct hf *source, struct err *e);
/* tokenizer.json, tokenizer_config.json, special_tokens_map.json and generation_config.json below an existing folder:
 * tokenizers makes the same ids of a text as bench/engine/vocab.h. */
int hf_write_tokenizer(const char *folder, const struct gguf *g, const struct hf *source, struct err *e);
/* tokenizer.json as a value; the caller's reference. */
int hf_make_tokenizer(json_t **out, const struct gguf *g, struct err *e);
/* config.json as a value, to be completed and written; the caller's reference. dtype: "float16", of plain weights. */
int hf_make_config(json_t **out, const struct gguf *g, const struct hf *source, const char *dtype, struct err *e);
/* Keys in insertion order, one a line. */
int hf_write_json(const char *folder, const char *name, const json_t *v, struct err *e);

/* Special tokens that the keys name, -1 where they name none: "bos", "eos", "unknown", "padding". */
int64_t hf_special_id(const struct gguf *g, const char *role);
/* Does every text begin (end) with one, by the keys and what they mean where they are silent? */
bool hf_adds_bos(const struct gguf *g);
bool hf_adds_eos(const struct gguf *g);
#endif
