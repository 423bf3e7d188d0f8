/* What more memory or more bandwidth would let a machine run: predicted, whatever was measured on it. Better is what
 * the choice itself would take: a clearly better task score, or as good and faster; where nothing fits, anything that
 * does. */
#ifndef MATRIX_UPGRADE_H
#define MATRIX_UPGRADE_H
#include "bench/request.h"
#include "bench/stats.h"
#include "bench/target.h"
#include "matrix/matrix.h"

struct upgrade_choice {
    char name[160]; /* "qwen3-8b gguf/q4_k_m on llama.cpp"; "" none */
    struct interval decode_tok_s;
};
struct upgrade {
    int64_t usable_bytes;         /* from which the first better row fits; INT64_MIN: none would */
    double memory_gib;            /* the next size of memory that has it; NaN: none of the usual sizes */
    struct upgrade_choice memory; /* the best choice at that size */
    struct interval
        bandwidth_gb_s; /* from which the first better row is fast enough: as predicted, at best, at worst */
    struct upgrade_choice bandwidth;
    char note[160]; /* why nothing is predicted; "" */
};
#define UPGRADE_NONE                                                                                                   \
    ((struct upgrade){.usable_bytes = INT64_MIN,                                                                       \
                      .memory_gib = NAN,                                                                               \
                      .memory.decode_tok_s = INTERVAL_NONE,                                                            \
                      .bandwidth_gb_s = INTERVAL_NONE,                                                                 \
                      .bandwidth.decode_tok_s = INTERVAL_NONE})
/* d: the choice between models for t under req (matrix_choose). models: as it was asked; n_models 0: all. */
int upgrade_find(struct upgrade *u, const struct target *t, const struct decision *d, const struct request *req,
                 const char *const *models, int n_models, struct err *e);
#endif
