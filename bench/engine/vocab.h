/* Tokenizers: SPM (llama, gemma) and byte-level BPE (gpt2 with pre-types default, gpt-2, llama-bpe, qwen2, smollm),
 * the same ids as llama.cpp's. Order: vocab_load -> vocab_encode / vocab_piece -> vocab_free. */
#ifndef BENCH_ENGINE_VOCAB_H
#define BENCH_ENGINE_VOCAB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/sbuf.h"
#include "bench/artifact/gguf.h"

struct vocab;
int vocab_load(struct vocab **out, const struct gguf *g, struct err *e);   /* g must outlive it */
void vocab_free(struct vocab *v);
int32_t vocab_size(const struct vocab *v);
const char *vocab_model(const struct vocab *v);                            /* "llama", "gpt2" */
const char *vocab_pre(const struct vocab *v);
int32_t vocab_bos(const struct vocab *v);                                  /* -1 when there is none */
int32_t vocab_eos(const struct vocab *v);
bool vocab_adds_bos(const struct vocab *v);
bool vocab_adds_eos(const struct vocab *v);
bool vocab_is_end(const struct vocab *v, int32_t id);                      /* EOS, EOT, EOM */
/* add_special puts BOS/EOS as the vocabulary says; parse_special recognises control tokens in the text.
 * *ids is freed with mem_free. ERR_DATA when a byte cannot be expressed (no byte tokens and no unknown token). */
int vocab_encode(const struct vocab *v, const char *text, size_t n, bool add_special, bool parse_special, int32_t **ids,
                 size_t *n_ids, struct err *e);
/* Appends the bytes that the token stands for; control and unknown tokens stand for none. */
void vocab_piece(const struct vocab *v, int32_t id, struct sbuf *out);
#endif
