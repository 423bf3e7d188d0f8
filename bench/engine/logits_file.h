/* The `_logits_` file of llama-perplexity --kl-divergence-base: log-probabilities of the scored half of each
 * chunk, 16 bits each. Layout (docs/METHOD.md): magic, n_ctx, n_vocab, n_chunk, tokens, rows. */
#ifndef BENCH_ENGINE_LOGITS_FILE_H
#define BENCH_ENGINE_LOGITS_FILE_H
#include <stdint.h>
#include "base/err.h"
#include "base/os.h"

struct logits_file {
    struct file_map map;
    int n_ctx, n_vocab, n_chunks;
    int rows_per_chunk; /* n_ctx - 1 - n_ctx / 2 */
    size_t row_bytes;
    const uint8_t *tokens, *rows;
};
size_t logits_row_bytes(int n_vocab);
int logits_file_open(struct logits_file *f, const char *path, struct err *e);
void logits_file_close(struct logits_file *f);
int32_t logits_file_token(const struct logits_file *f, int64_t i);
/* Row i of a chunk as natural log-probabilities, dst[n_vocab]. */
void logits_file_row(const struct logits_file *f, int chunk, int i, float *dst);

/* One encoded row of logits_row_bytes. log_sum as in struct row_norm: ln of the sum of e^(l - max). */
void logits_row_encode(uint8_t *dst, const float *logits, int n_vocab, float max, double log_sum);
/* Writes everything before the rows; rows follow by file_out_write. */
int logits_file_begin(struct file_out *f, const char *path, int n_ctx, int n_vocab, int n_chunks,
                      const int32_t *tokens, struct err *e);
#endif
