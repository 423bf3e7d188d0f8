/* The framework factor: how fast a framework was over the own engine on the same format, both in one interleaved set.
 * Kept in the store by machine and by class of machine, so that formats and models which were not run have an
 * estimate. Order: factors_load -> read at[] -> factors_free. */
#ifndef BENCH_FACTOR_H
#define BENCH_FACTOR_H
#include "bench/store.h"

enum { DEVICE_CLASS = 48 };
struct factor {
    char hw_sha256[65], class_name[DEVICE_CLASS];
    char framework[48], version[64], backend[32], format[64], model[128], model_sha256[65], date[32];
    int gpu_layers;
    struct interval prefill, decode; /* of rates; NaN: not known */
};
struct factors {
    struct factor *at;
    int n, cap;
};
/* "x86_64 avx512_vnni": architecture and the best instruction set for such work. */
const char *device_class(const struct probe_device *d, char out[DEVICE_CLASS]);
/* From two records of one set; false: one of them has no speed. */
bool factor_of(struct factor *f, const struct record *framework, const struct record *own,
               const struct probe_device *d);
/* A later one of the same machine, framework, device, format and model takes the place of the earlier. */
int store_put_factor(struct store *s, const struct factor *f, struct err *e);
/* Those of the machine, then those of others of its class; newest first. */
int factors_load(struct factors *f, struct store *s, const struct probe_device *d, struct err *e);
void factors_free(struct factors *f);
#endif
