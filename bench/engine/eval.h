/* Perplexity and KL divergence, digit-compatible with llama-perplexity (docs/METHOD.md): chunks of n_ctx, BOS in front
 * where the vocabulary adds one, scores for the second half, 255 of 512.
 * Order: eval_new -> eval_chunk... -> eval_result -> eval_free. Memory is O(vocabulary), not O(text). */
#ifndef BENCH_ENGINE_EVAL_H
#define BENCH_ENGINE_EVAL_H
#include <stdint.h>
#include "base/err.h"
#include "base/os.h"
#include "base/sbuf.h"
#include "bench/engine/engine.h"

struct eval_quality { /* NaN = not measured; figures in nats and shares */
    int n_chunks;
    int64_t n_scored;
    double ppl, ppl_err;   /* exp(mean NLL) and its error as llama-perplexity prints it */
    double ppl_lo, ppl_hi; /* 95 % block bootstrap over chunks */
    /* against the reference: NaN without one */
    double ppl_base, ppl_base_err, cor_ln_ppl, ln_ppl_ratio, ln_ppl_ratio_err, ppl_ratio, ppl_ratio_err, ppl_diff,
        ppl_diff_err;
    double kld, kld_err, kld_lo, kld_hi; /* lo, hi: block bootstrap over chunks */
    double kld_max, kld_p999, kld_p99, kld_p95, kld_p90, kld_p50, kld_p10, kld_p05, kld_p01, kld_p001, kld_min;
    double dp_mean, dp_mean_err, dp_max, dp_p999, dp_p99, dp_p95, dp_p90, dp_p75, dp_p50, dp_p25, dp_p10, dp_p05,
        dp_p01, dp_p001, dp_min, rms_dp, rms_dp_err;
    double logit_diff_max; /* NaN where the candidate is no eval_source */
    double top1_agreement, top1_agreement_err;
};

struct eval_source { /* somebody else who makes logits: a framework */
    /* *rows[n][*n_vocab] of these tokens in an empty context, until the next call. */
    int (*logits)(void *arg, const int32_t *tokens, int n, const float **rows, int *n_vocab, struct err *e);
    void *arg;
};
struct eval_cand { /* one candidate of a comparison; the reference is one too */
    struct engine *engine;
    const struct eval_source *source; /* in the engine's place; the reference, or candidate 0, has an engine */
    struct eval_quality q; /* filled by eval_result */
    struct eval_acc *acc;  /* owned by eval */
};
struct eval_text {
    const int32_t *tokens; /* the whole text, tokenized once; NULL: eval_use_base_file brings it */
    int64_t n_tokens;
    int n_ctx, n_chunks; /* n_chunks 0 = all */
    int32_t bos;         /* replaces the first token of each chunk; -1 = none */
};
/* Tokens for a text file as llama-perplexity makes them: one trailing newline stripped, special tokens added, not
 * parsed. ERR_USAGE when the text is shorter than two chunks (says how long it is and what would do). *tokens:
 * mem_free. */
int eval_tokenize(const struct vocab *v, const char *path, int n_ctx, int32_t **tokens, int64_t *n, struct err *e);
/* The same of n_text bytes that are called name. */
int eval_encode(const struct vocab *v, const char *text, size_t n_text, const char *name, int n_ctx, int32_t **tokens,
                int64_t *n, struct err *e);

enum { EVAL_SLICE_BYTES = 64 << 20 }; /* logits of one model held at once, at least 16 rows */
struct eval;
/* ref NULL: perplexity only, until eval_use_base_file. cand[] and the engines must outlive it; each engine needs
 * n_ctx positions, the vocabulary of the others, and is reset by every chunk. */
int eval_new(struct eval **out, const struct eval_text *text, struct engine *ref, struct eval_cand *cand, int n_cand,
             struct err *e);
/* cand[] has grown to n_cand since; the new ones have run no chunk yet. Not while a file is written. */
int eval_add(struct eval *v, int n_cand, struct err *e);
/* Reads a `_logits_` file (no ref then), or writes one from candidate 0: both before the first chunk. A written file
 * gets its name with the last chunk; chunks must be run in order for it. */
int eval_use_base_file(struct eval *v, const char *path, struct err *e);
int eval_write_base_file(struct eval *v, const char *path, struct err *e);
int eval_n_chunks(const struct eval *v);
/* The n_ctx tokens of chunk i as the engines get them, until the next call. */
const int32_t *eval_tokens(struct eval *v, int i);
/* Runs chunk i: the reference once, then every candidate with active[j] (NULL = all). ERR_CANCELLED: interrupted,
 * nothing of this chunk counts. */
int eval_chunk(struct eval *v, int i, const bool *active, struct err *e);
/* Scores chunk i of candidate j from what the last layers put out, x[n_ctx][d_model] of the reference and of the
 * candidate, where somebody else ran the layers. Only the heads of the engines are used. */
int eval_states(struct eval *v, int j, int i, const float *x_ref, const float *x, struct err *e);
/* Figures so far of candidate j; may be called after any chunk. */
int eval_result(struct eval *v, int j, struct eval_quality *q, struct err *e);
/* Per-chunk mean KLD and mean NLL of candidate j for paired comparisons: arrays of n_chunks done so far. */
int eval_series(const struct eval *v, int j, const double **kld, const double **nll);
/* What eval_chunk added for candidate j in chunk i, in a compact form for the store; and back, in place of running it.
 * Loading refuses (ERR_FORMAT) what does not have this evaluation's shape. */
int eval_chunk_save(const struct eval *v, int j, int i, struct sbuf *out);
int eval_chunk_load(struct eval *v, int j, int i, const void *p, size_t n, struct err *e);
void eval_free(struct eval *v);
#endif
