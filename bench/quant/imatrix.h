/* Importance matrices as files: llama.cpp's GGUF form (sums and counts per tensor) and its older .dat form. */
#ifndef BENCH_QUANT_IMATRIX_H
#define BENCH_QUANT_IMATRIX_H
#include "bench/quant/calib.h"

/* Mean squared activations for the matrices of d, which must outlive *out; a matrix that the file does not name gets
 * none. Refused (ERR_FORMAT): values that are not finite or negative, another model's columns, a file that names no
 * matrix of d. */
int imatrix_read(struct calibration **out, const char *path, const struct model_desc *d, struct err *e);
int imatrix_read_memory(struct calibration **out, const void *p, size_t n, const char *where,
                        const struct model_desc *d, struct err *e);
/* A path that ends in .dat gets the older form. */
int imatrix_write(const char *path, const struct calibration *c, struct err *e);
#endif
