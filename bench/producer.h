/* Tools that make quantized artifacts themselves, Olive and NNCF: run on the same model in floats, and their artifact
 * laid beside our own of the same format, matrix by matrix and in the framework that loads both. */
#ifndef BENCH_PRODUCER_H
#define BENCH_PRODUCER_H
#include "bench/export/export.h"
#include "bench/runners/worker.h"

struct producer { /* one row of producers.def */
    const char *name, *doc;
    const struct exporter *container;
    const char *runner; /* the framework that loads both */
    struct worker_row row;
};
extern const struct producer *const producers[]; /* NULL-terminated */
int producer_named(const struct producer **out, const char *name, struct err *e); /* ERR_USAGE: there is none */

struct producer_result {
    char version[64], worst[128];    /* worst: the matrix with most weights that differ; "" */
    int n_matrices, n_unpaired;      /* that both hold; that one of them holds alone */
    int64_t n_weights, n_differ;     /* decoded to f32 by the package */
    double largest, relative;        /* difference of a weight; root of mean squares over that of our weights */
    int n_tokens;                    /* of the text below; 0: not run */
    double kld_ours, kld_its, kld_between; /* nats: in the framework, from the floats; of its from ours */
};
/* Of m as the producer makes format r, to the folder path. own: our weights of it, plain: the model in f32. */
int producer_run(struct producer_result *out, const struct producer *p, const char *path, const struct model *m,
                 const struct weights *own, const struct weights *plain, const struct recipe *r,
                 const int32_t *tokens, int n_tokens, int threads, struct err *e);
#endif
