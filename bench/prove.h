/* Execution proof: one framework x format x ISA path runs one token in a child with limits of time and memory, and its
 * logits are held against the own engine's in the same arithmetic. Whatever the child does, it becomes a cell.
 * Order: prove_cell_init -> prove_run (here) or what fills it (in the child) -> prove_cell_to_json. */
#ifndef BENCH_PROVE_H
#define BENCH_PROVE_H
#include "bench/engine/model.h"
#include "bench/quant/recipe.h"
#include "bench/record.h"
#include "bench/runners/runner.h"
#include "kernels/kernels.h"

enum { PROVE_TOKENS = 32 }; /* the prompt that the one token is behind */

struct prove_cell {
    char framework[48], version[64], backend[32], format[64], isa[32];
    enum record_status status;
    char reason[256];     /* one sentence for every status but ok; else a remark or "" */
    char kernels[512];    /* of the own engine */
    double kld;           /* nats, mean over the positions compared; NaN: no logits to compare */
    double seconds;       /* what the whole cell took */
    int64_t memory_bytes; /* of the largest process seen; -1: not seen */
};
void prove_cell_init(struct prove_cell *c, const char *framework, const char *format, const char *isa);
json_t *prove_cell_to_json(const struct prove_cell *c);
/* ERR_FORMAT: that is no such object. Framework, format and path stay what they are. */
int prove_cell_from_json(struct prove_cell *c, const json_t *j, struct err *e);
/* Every field, in order, as text; NULL at the end. */
const char *prove_column(int i);
void prove_column_text(const struct prove_cell *c, int i, char out[256]);

void prove_fail(struct prove_cell *c, int code, const char *why); /* the status of that error */
/* Rows of logits (any constant may be missing) of the framework against those wanted, [n][n_vocab]: NaN and a mean
 * divergence above `limit` are failures. */
void prove_compare(struct prove_cell *c, const float *want, const float *got, int n, int n_vocab, double limit);

struct prove_limits {
    unsigned timeout_ms;
    uint64_t max_memory_bytes;
};
/* Runs argv, which fills the cell and prints it as JSON, to whatever end. ERR_CANCELLED: Ctrl-C; else always 0. */
int prove_run(struct prove_cell *c, const char *const *argv, const struct prove_limits *l, struct err *e);

/* ---- what is to be proved ---- */

/* Formats for a framework that loads these containers ("gguf onnx"): names, comma-separated; "" where none is known.
 * state: 0 at first; the next container's, NULL at the end. */
const char *prove_formats(const char *containers, int *state);
/* Does the framework take an order which instructions to use? state: 0 at first. */
struct prove_knob {
    const char *framework, *isa, *variable, *value;
};
const struct prove_knob *prove_knob(const char *framework, int *state);

/* Paths of the own engine: what --isa takes, weakest first, where it leaves a mask that the one before did not. */
struct prove_path {
    const char *isa;
    uint64_t mask;
};
enum { PROVE_MOST_PATHS = 16 };
int prove_paths(struct prove_path out[PROVE_MOST_PATHS], uint64_t isa);
/* Packed kernels that a CPU of that mask can run, and those that the cells of the own engine did run. */
struct prove_coverage {
    int n_run, n_can;
    char not_run[512]; /* names */
};
void prove_cover(struct prove_coverage *out, const struct prove_cell *cell, int n, uint64_t isa);
/* Marks in used[n_kernels] the packed kernels that the model's matrices in this format are multiplied with under the
 * mask; the number of those marked that were not before. Negative: the format cannot be made of the model. */
int prove_kernels(bool *used, const struct model *m, const struct recipe *r, uint64_t isa, struct err *e);
#endif
