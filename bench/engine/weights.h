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
    struct act_fixed *fixed;          /* [n_tensors] the grid of rules that are ACT_FIXED */
    struct qmat head;                 /* of a tied model whose runtime stores the head apart from the embedding */
    bool has_head;                    /* act of the embedding is then this one's */
    bool owned;                       /* mat[i] planes were allocated (those that differ from the source) */
    bool *again;                      /* [n_tensors] mat[i] is an earlier one's storage read again; NULL: none is */
    struct arena *arena;
    int64_t bytes, held_bytes;        /* of all matrices; without those read again */
};
/* The file as given, with f32 activations (the reference) or with the activation rule of each codec. */
int weights_source(struct weights **out, const struct model *m, bool activation_rules, struct err *e);
/* Weights of a shape in one codec per tensor, filled with seeded valid blocks without encoding anything: for speed
 * only. codec_of[n_tensors], par_of[n_tensors] (NULL: what the codecs usually have). A pass reads as many bytes as the
 * model has, but a matrix may stand in the memory of an earlier one of its kind once far_bytes of others are read in
 * between: many times the caches, so that it comes from memory all the same, and first touches, dear in a virtual
 * machine, are fewer. far_bytes 0: every matrix its own. */
struct synthesis {
    uint64_t seed;
    int64_t far_bytes;
    struct pool *pool;
};
int weights_synthesize(struct weights **out, const struct model *m, const struct codec *const *codec_of,
                       const struct qpar *par_of, const struct act *const *act_of, const struct synthesis *s,
                       struct err *e);
/* Frees what tensor i has of its own: it is the source's again. */
void weights_release(struct weights *w, int i);
void weights_free(struct weights *w);

/* For makers of other weights (bench/quant): a set that shares every tensor with the source, to replace some of
 * (mat[i] newly laid out and allocated, owned set); then count. */
int weights_new(struct weights **out, const struct model *m, struct err *e);
void weights_count(struct weights *w);
#endif
