/* Log-softmax rows, their divergence, and the statistics that llama-perplexity prints over scored tokens. */
#ifndef BENCH_ENGINE_KLD_H
#define BENCH_ENGINE_KLD_H
#include <stdbool.h>
#include <stdint.h>
#include "bench/engine/eval.h"
#include "kernels/row_ops.h"

/* Log-softmax of a row, and the sum over the whole vocabulary of p (ln p - ln q), p from ref, q from cand: row_ops.h in
 * plain C, the same bits as any instruction set gives. */
struct row_norm row_normalize(const float *logits, int32_t n);
double row_kld(const float *ref, const struct row_norm *rn, const float *cand, const struct row_norm *cn, int32_t n);

struct token_score {
    double nll, nll_base, kld, dp;
    bool same_top;
    double logit_diff; /* the largest; NaN: not asked for */
};
/* Of a candidate's row, which is normalized on the way, against the reference's; both are read once. */
struct token_score row_score(const struct row_ops *rows, const float *ref, const struct row_norm *rn, const float *cand,
                             struct row_norm *cn, int32_t n, int32_t target);
/* The largest difference of two logits. */
double row_distance(const float *ref, const float *cand, int32_t n);
/* The 16-bit formula of a `_logits_` file: base[n] are decoded log-probabilities, float arithmetic as there.
 */
struct token_score row_score_base(const float *base, const float *cand, const struct row_norm *cn, int32_t n,
                                  int32_t target);

struct eval_acc {
    int64_t n; /* scored tokens */
    double nll, nll2, nll_base, nll_base2, nll_nll_base, kld, kld2, dp, dp2, dp4;
    int64_t n_same_top;
    double logit_diff_max;
    bool has_base, broken;         /* broken: NaN or infinite logits were seen */
    float *kld_values, *dp_values; /* [n] */
    int n_chunks;
    double *chunk_kld, *chunk_nll; /* [n_chunks] means */
    struct token_score *last;      /* [scored tokens of a chunk] of chunk last_chunk, for the store */
    int last_chunk;                /* -1: none */
    double chunk_start_kld, chunk_start_nll;
    int64_t chunk_start_n;
};
void acc_add(struct eval_acc *a, const struct token_score *s);
void acc_end_chunk(struct eval_acc *a);
/* Its last chunk, and back as the next one. acc_load: false, and nothing happened, where those bytes are of another
 * evaluation. */
int acc_save(const struct eval_acc *a, int n_scored, struct sbuf *out);
bool acc_load(struct eval_acc *a, int n_scored, const void *p, size_t n);
void acc_result(const struct eval_acc *a, struct eval_quality *q, float *scratch /* [n] */);

/* The pieces, for tests: mean and its error; linear interpolation in a sorted array, in float as llama.cpp
 * does it. */
void mean_unc(double sum, double sum2, int64_t n, double *mean, double *unc);
float percentile(const float *sorted, int64_t n, float fraction);
float median(const float *sorted, int64_t n);
#endif
