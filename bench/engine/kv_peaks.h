/* What the settled scales of a KV cache are made of: the largest magnitude that each channel of K, after rope, and of V
 * takes over a text. */
#ifndef BENCH_ENGINE_KV_PEAKS_H
#define BENCH_ENGINE_KV_PEAKS_H
#include "base/err.h"
#include "base/pool.h"
#include "bench/engine/kv.h"
#include "bench/engine/weights.h"

struct kv_peaks {
    float *k, *v; /* [n_layer][n_head_kv * head_dim] */
    int64_t n_tokens;
};
struct kv_peaks_text {
    const int32_t *tokens; /* tokenized once, as eval_tokenize does it */
    int64_t n_tokens;
    int n_ctx;
    int32_t bos;                                      /* replaces the first token of each chunk; -1 = none */
    void (*on_chunk)(void *arg, int done, int total); /* NULL: nobody watches */
    void *arg;
};
/* Runs the text through w in chunks of n_ctx, with an exact cache. ERR_USAGE when it has less than one. */
int kv_peaks_collect(struct kv_peaks **out, const struct weights *w, const struct kv_peaks_text *text, uint64_t isa,
                     struct pool *pool, struct err *e);
/* The same for every channel, no text read: for speed, which scales do not change. */
int kv_peaks_even(struct kv_peaks **out, const struct model_desc *d, struct err *e);
/* The largest code stands for the largest magnitude, of each of n channels or of all. */
void kv_scales_settle(float *scale, const float *peak, int64_t n, const struct kv_format *f);
void kv_peaks_free(struct kv_peaks *p);
#endif
