/* What an architecture asks of a file: its numbers from the metadata, its tensors and their shapes. Used by
 * what reads models and by what writes them again. Order: arch_find -> arch_read -> tensor_match per tensor ->
 * tensor_need, tensor_shape. */
#ifndef BENCH_ENGINE_ARCH_H
#define BENCH_ENGINE_ARCH_H
#include "bench/engine/model.h"

enum need { NEED_ABSENT, NEED_OPTIONAL, NEED_REQUIRED };

/* ERR_UNSUPPORTED naming the supported ones. */
int arch_find(const struct arch **out, struct gguf_str name, struct err *e);
/* Fills every number of *d but n_vocab; refuses what is missing, out of bounds or contradictory. */
int arch_read(struct model_desc *d, const struct gguf *g, struct err *e);
/* What scores are multiplied by where nothing says otherwise; llama.cpp goes by that alone. */
double arch_attn_scale(const struct model_desc *d);
/* Bounds and consistency of a filled desc, whatever it came from. */
int desc_check(const struct model_desc *d, struct err *e);
/* Which use a tensor name is; false when it is none. *layer is -1 outside the layers. */
bool tensor_match(const char *name, enum tensor_use *use, int *layer);
const char *tensor_pattern(enum tensor_use use);
bool tensor_is_matrix(enum tensor_use use);
bool tensor_is_per_layer(enum tensor_use use);
enum need tensor_need(const struct model_desc *d, enum tensor_use use);
/* W[n][k]; vectors are n = 1. */
void tensor_shape(const struct model_desc *d, enum tensor_use use, int64_t *n, int64_t *k);
#endif
