/* A model with one tensor changed, on one chunk of text at a time: its KL divergence from the model itself. What the
 * layers of the model itself were given is kept, so that only those from the changed one on are run again. Weights and
 * activations are otherwise exact. Order: mix_probe_new -> (mix_probe_chunk -> mix_probe_kld...)... -> _free. */
#ifndef BENCH_QUANT_MIX_PROBE_H
#define BENCH_QUANT_MIX_PROBE_H
#include "bench/quant/mix.h"

struct mix_probe;
int mix_probe_new(struct mix_probe **out, const struct model *m, const struct mix_setup *s, struct err *e);
int mix_probe_bytes(const struct model *m, const struct mix_setup *s, int64_t *bytes, struct err *e);
int mix_probe_n_chunks(const struct mix_probe *p);
/* Runs the model itself on chunk i. */
int mix_probe_chunk(struct mix_probe *p, int i, struct err *e);
/* Mean KLD over positions of that chunk, tensor i being in that codec. */
int mix_probe_kld(struct mix_probe *p, int i, const struct codec *c, double *kld, struct err *e);
/* Inputs of tensor i in the last chunk: x[*n][k], or NULL where it has none (an embedding that is no head). */
const float *mix_probe_inputs(const struct mix_probe *p, int i, int *n);
void mix_probe_free(struct mix_probe *p);

/* The squared error that the codec makes in the outputs of tensor i, mean over the inputs x[n_x][k], sum over the
 * outputs; of many rows some, evenly spread. x NULL: of the weights themselves, as rows that are looked up. */
int mix_error(double *error, const struct model_tensor *t, const struct codec *c, const struct calib *cal,
              const float *x, int n_x, uint64_t isa, struct pool *pool, struct err *e);
#endif
