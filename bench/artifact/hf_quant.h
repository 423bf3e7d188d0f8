/* Quantized Hugging Face folders: one row of hf_quants.def per quant_method of config.json, one reader each, which puts
 * the file's order of codes, scales and zeros into that of a codec. Used by bench/artifact/hf*.c alone. */
#ifndef BENCH_ARTIFACT_HF_QUANT_H
#define BENCH_ARTIFACT_HF_QUANT_H
#include "bench/artifact/hf.h"

struct hf_quant {
    const char *method;
    /* Whether this program reads the kind and version that the settings name. */
    int (*check)(const json_t *settings, struct err *e);
    /* ERR_MISSING when the module has no tensor that belongs to the method. */
    int (*read)(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);
    int pad; /* inputs and outputs may be padded to a multiple of it */
};
int hf_find_quant(const struct hf_quant **out, const json_t **settings, const json_t *config, struct err *e);

/* A setting that must be a whole number. */
int hf_setting(const json_t *settings, const char *key, int64_t otherwise, int64_t *out, struct err *e);
/* Part SUFFIX of a module, which must hold that type in that shape: n_dims dimensions, -1 = any size. NULL in *out and
 * ERR_MISSING when it is not there. */
int hf_part(const struct st_tensor **out, struct hf *h, const char *module, const char *suffix, enum st_dtype dtype,
            int n_dims, int64_t d0, int64_t d1, struct err *e);
/* The planes of a laid out matrix, zeroed, in the arena. */
int hf_planes(struct qmat *q, struct arena *a, struct err *e);
/* A matrix of plain floats, to be filled: rows of *out. */
int hf_plain(struct qmat *out, const char *codec, int64_t n, int64_t k, const void *data, struct arena *a,
             struct err *e);
#endif
