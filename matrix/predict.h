/* Speed on a device that is not here: fitted by backend class on datasets/published-speeds.csv, with the residuals of
 * devices that were left out of the fit as the interval. Nothing is predicted where the table says nothing. */
#ifndef MATRIX_PREDICT_H
#define MATRIX_PREDICT_H
#include "bench/stats.h"
#include "bench/target.h"

struct predict_work {
    const char *codec;     /* "q4_k", "q4_k_m", "gguf/q4_k_m", "int4" */
    const char *framework; /* "llama.cpp"; NULL or "": the usual one of the class */
    const char *backend;   /* "cpu" "cuda" "metal" ...; NULL or "": the target's first */
    double read_bytes;     /* of weights for one generated token: the active part */
    double kv_read_bytes;  /* at the asked context */
    double ops_per_token;  /* 2 x weights multiplied */
    double params_b;       /* all of them */
    int n_layer;           /* 0 unknown */
};
struct predict_speed {
    struct interval decode_tok_s, prefill_tok_s; /* 90 % */
    char basis[160];                             /* "x86-cpu, 23 devices, left-one-out median error 14 %" */
    char refused[160];                           /* "" or what would have to be known */
    char prefill_refused[160];                   /* the same of prefill alone */
};
void predict_speed(struct predict_speed *out, const struct target *t, const struct predict_work *w);
/* The class of devices that backend falls into on this target ("apple-metal"); NULL: none of the table's. */
const char *predict_class(const struct target *t, const char *backend);
#endif
