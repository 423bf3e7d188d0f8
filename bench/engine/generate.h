/* Greedy continuation: the most likely token again and again, the lowest id on a tie. */
#ifndef BENCH_ENGINE_GENERATE_H
#define BENCH_ENGINE_GENERATE_H
#include <stdint.h>
#include "base/err.h"
#include "bench/engine/engine.h"
#include "bench/engine/vocab.h"

/* Runs the prompt after what the engine already holds, then up to n_gen tokens into ids[n_gen]; stops after
 * an end-of-text token of v (which is kept; v may be NULL: never). *n_ids = how many. */
int generate_greedy(struct engine *g, const struct vocab *v, const int32_t *prompt, int n_prompt,
                    int32_t *ids, int n_gen, int *n_ids, struct err *e);
/* Index of the largest logit, -1 when one is NaN. */
int32_t argmax(const float *logits, int32_t n);
#endif
