/* Which codec each tensor of a GGUF gets so that the file stays within a number of bytes and the model's answers change
 * least. What a codec does to a tensor is first estimated: the squared error of the tensor's outputs, over inputs that
 * were seen in a text. What such an error means for the answers is measured: the KL divergence of the model with that
 * one tensor changed, all else exact. The divergences of many tensors are taken to add up.
 * Order: mix_open -> mix_measure -> mix_choose... -> mix_assign -> mix_close. */
#ifndef BENCH_QUANT_MIX_H
#define BENCH_QUANT_MIX_H
#include "bench/quant/mix_solve.h"
#include "bench/quant/recipe.h"

enum { MIX_MOST_CODECS = 24 };
struct mix_form { /* one way to store a tensor */
    const struct codec *codec;
    int64_t bytes;  /* in the file, with what fills it up to GGUF's alignment */
    double error;   /* mean squared error of its outputs, summed over them; NaN: not estimated */
    double kld;     /* measured, else from the error; NaN: neither */
    bool measured;
};
struct mix_tensor {
    int tensor; /* of the model */
    int n;
    struct mix_form form[MIX_MOST_CODECS]; /* fewest bytes first */
    int chosen;
    double kld_per_error;                  /* NaN: not measured */
    bool probed;                           /* kld_per_error is its own, not its neighbours' */
};
struct mix_setup {
    const struct codec *const *codec; /* that may be used; where rows do not divide, llama.cpp's substitutes */
    int n_codecs;
    const struct calibration *cal;    /* importances for the encoders; NULL: none */
    const int32_t *tokens;            /* the text that sensitivities are measured on */
    int64_t n_tokens;
    int n_ctx, n_chunks;
    int32_t bos;                      /* replaces the first token of each chunk; -1 = none */
    double bpw;                       /* about what the file will have: where tensors are measured */
    uint64_t isa, end_ns;             /* end_ns: measure no more after it; 0 = as much as is wanted */
    struct pool *pool;
    void (*tell)(void *arg, int done, int total, const char *what); /* NULL: nobody watches */
    void *arg;
};
struct mix {
    const struct model *model;
    struct mix_setup setup;
    struct mix_tensor *tensor; /* what there is a choice for, in model order */
    int n;
    int64_t kept_bytes, least_bytes, most_bytes; /* tensors without a choice; all tensors at least, at most */
    int n_probes, n_wanted;    /* measured and asked for */
    bool out_of_time;
    struct mix_solution solution; /* of the last choice, without kept_bytes */
    struct mix_probe *probe;
    struct arena *arena;
};
/* The codecs of a comma-separated list ("q4_k", "gguf/q4_k" too; "iq4" stands for iq4_nl and iq4_xs), or the default
 * ones where n is 0; returns how many. ERR_USAGE with the name that is none. */
int mix_codecs(const struct codec *out[MIX_MOST_CODECS], const char *const *names, int n, struct err *e);
int mix_open(struct mix **out, const struct model *m, const struct mix_setup *s, struct err *e);
/* Bytes that measuring takes beside the model. */
int mix_memory(const struct model *m, const struct mix_setup *s, int64_t *bytes, struct err *e);
/* Estimates every form, measures one of each tensor and all of the large ones. Out of time: what was not measured is
 * taken from the layers beside it. */
int mix_measure(struct mix *x, struct err *e);
/* The best choice for all tensors within so many bytes. ERR_LIMIT: not even the smallest forms fit. */
int mix_choose(struct mix *x, int64_t bytes, struct err *e);
/* Measurements kept in a file, so that another target need not repeat them: read before mix_measure, where the file is
 * there, and written after it. ERR_USAGE where they were made of another model, text or setup. */
struct mix_identity {
    bool dithered;
    uint64_t seed;
    const char *text_sha256;
};
int mix_known_read(struct mix *x, const char *path, const struct mix_identity *id, struct err *e);
int mix_known_write(const struct mix *x, const char *path, const struct mix_identity *id, struct err *e);
/* What the choice takes, and the sum of its divergences. */
int64_t mix_bytes(const struct mix *x);
double mix_kld(const struct mix *x);
/* a[n_tensors], as recipe_assign fills it. */
int mix_assign(const struct mix *x, struct use_assign a[], struct err *e);
void mix_close(struct mix *x);
#endif
