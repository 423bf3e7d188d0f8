/* The KL divergence of encoded weights from the model itself, in llama.cpp's arithmetic, as `eval` gives it. */
#ifndef BENCH_QUANT_MIX_VERIFY_H
#define BENCH_QUANT_MIX_VERIFY_H
#include "bench/engine/eval.h"
#include "bench/quant/mix.h"

/* The text of a mix, cut in two: sensitivities are measured on the first half, the result is verified on the other. */
struct mix_halves {
    const int32_t *tokens, *held_out;
    int64_t n_tokens, n_held_out; /* whole chunks */
};
int mix_halve(struct mix_halves *out, const int32_t *tokens, int64_t n, int n_ctx, struct err *e);
/* Of s: n_ctx, bos, isa, pool, tell, and end_ns, after which it stops. n_chunks 0: all. */
int mix_verify(struct eval_quality *q, const struct weights *w, const struct mix_setup *s, const int32_t *tokens,
               int64_t n_tokens, int n_chunks, struct err *e);
#endif
