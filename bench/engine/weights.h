/* The weights that a forward pass runs on: per tensor a matrix in some codec and the activation rule of its input. */
#ifndef BENCH_ENGINE_WEIGHTS_H
#define BENCH_ENGINE_WEIGHTS_H
#include <stdbool.h>
#include <stdint.h>
#include "bench/engine/model.h"

struct pool;

struct weights {
    const struct model *model;
    struct qmat *mat;                 /* [n_tensors], model order */
    const struct act **act;           /* [n_tensors]; NULL entry: f32 activations */
    bool owned;                       /* mat[i] planes were allocated (those that differ from the source) */
    struct arena *arena;
    int64_t bytes;
};
/* The file as given, with f32 activations (the reference) or with the activation rule of each codec. */
int weights_source(struct weights **out, const struct model *m, bool activation_rules, struct err *e);
/* Weights of a shape in one codec per tensor, filled with seeded valid blocks without encoding anything:
 * for speed only. codec_of[n_tensors]. */
int weights_synthesize(struct weights **out, const struct model *m, const struct codec *const *codec_of,
                       const struct act *const *act_of, uint64_t seed, struct pool *pool, struct err *e);
void weights_free(struct weights *w);

/* For makers of other weights (bench/quant): a set that shares every tensor with the source, to replace some of
 * (mat[i] newly laid out and allocated, owned set); then count. */
int weights_new(struct weights **out, const struct model *m, struct err *e);
void weights_count(struct weights *w);
#endif
