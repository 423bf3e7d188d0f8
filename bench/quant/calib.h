/* Statistics of what flows into a model's matrices over a calibration text, for encoders that weigh errors. Matrices
 * that read the same input (Q, K and V; gate and up) share one struct calib_input, so that large statistics are kept
 * once. Order: calibration_collect (or calibration_new, fill, calibration_finish) -> tensor[i] -> calibration_free.
 * Another statistic: a bit here, a field of struct calib_input and of struct calib, a row of `stats` in calib.c. */
#ifndef BENCH_QUANT_CALIB_H
#define BENCH_QUANT_CALIB_H
#include "base/err.h"
#include "base/pool.h"
#include "bench/engine/weights.h"
#include "bench/quant/histogram.h"
#include "kernels/formats/codec.h"

enum calib_stat {
    CALIB_SQUARES = 1,   /* mean squared input per column: struct calib's importance */
    CALIB_MAGNITUDE = 2, /* mean of |x| per column */
    CALIB_GRAM = 4,      /* mean of x x^T: k^2 floats per input; only calibration_collect makes it */
    CALIB_SAMPLES = 8,   /* mean of x per column and chunk, and struct calib_spread; likewise */
    CALIB_EDGES = 16,    /* least and largest x per column and chunk; likewise, and of the head too */
    CALIB_HISTOGRAM = 32, /* histograms of x and |x|; likewise */
};

struct calib_spread { /* of each chunk, then the mean over chunks */
    double max_variance, mean_variance; /* over the columns, of the variance over tokens */
    double magnitude;                   /* mean over columns of the largest |x| */
    double power;                       /* mean x^2 */
};

struct calib_input {
    int first_reader; /* tensor index: the one whose calls are counted */
    int64_t k, n_rows;
    double *squares;   /* [k] sums over the rows */
    double *magnitude; /* [k] likewise */
    float *gram;       /* [k][k] f32 sums of sums over chunks; scaled in place at the end */
    float *sample;     /* [chunks][k] */
    struct calib_spread spread;
    float *lo, *hi;    /* [n_edges][k] */
    int n_edges;       /* chunks */
    struct histogram values, magnitudes;
    struct calib stat; /* means, made by calibration_finish; its fields are NULL where no row was seen */
};
struct calibration {
    const struct model_desc *d;
    unsigned have; /* bits of enum calib_stat */
    struct calib_input *input;
    int n_inputs;
    int *input_of;               /* [n_tensors]; -1 for what is no matrix */
    const struct calib **tensor; /* [n_tensors] what its encoder gets; NULL where nothing is known */
    int n_chunks, chunk_size;
    char dataset[256]; /* where the text came from */
    char sha256[65];   /* of the importances, for records; "" without any */
    struct arena *arena;
    uint64_t isa;           /* the kernels it was collected with, which the algorithms go on with */
    struct kept *kept;      /* what solvers find out of it and need again: factors.h. Theirs to change */
    struct gram_work *gram; /* while collecting */
    bool head;              /* was the output matrix asked for? */
    struct {                /* the head's inputs come in pieces: of a chunk, for what looks at whole ones */
        struct calib_input *in;
        float *x; /* [chunk_size][k] */
        int n;
    } held;
};
struct calib_text {
    const int32_t *tokens; /* tokenized once, as eval_tokenize does it */
    int64_t n_tokens;
    int n_ctx, n_chunks;                              /* n_chunks 0 = all whole ones */
    int32_t bos;                                      /* replaces the first token of each chunk; -1 = none */
    bool head;                                        /* the output matrix as well; llama-imatrix leaves it out */
    void (*on_chunk)(void *arg, int done, int total); /* NULL: nobody watches */
    void *arg;
};

/* Empty statistics of that model. shared: matrices with the same input have one entry. d must outlive it. */
int calibration_new(struct calibration **out, const struct model_desc *d, unsigned want, bool shared, struct err *e);
void calibration_finish(struct calibration *c);
/* Runs the text through w in chunks. ERR_USAGE when it has less than one chunk (says how long it is). */
int calibration_collect(struct calibration **out, const struct weights *w, unsigned want, const struct calib_text *text,
                        uint64_t isa, struct pool *pool, struct err *e);
void calibration_free(struct calibration *c);
#endif
