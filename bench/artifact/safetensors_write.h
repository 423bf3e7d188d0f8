/* Safetensors writer: tensors are described, then filled one after the other, so that none but the one at hand need be
 * in memory. The same tensors make the same bytes in whatever order they are given: wide types first, so that all stand
 * on multiples of their size, then by name. The file carries its name only when every byte is on the disk. */
#ifndef BENCH_ARTIFACT_SAFETENSORS_WRITE_H
#define BENCH_ARTIFACT_SAFETENSORS_WRITE_H
#include "bench/artifact/safetensors.h"

enum { ST_MAX_NAME = 192 };
struct st_out { /* a tensor to be written */
    char name[ST_MAX_NAME];
    enum st_dtype dtype;
    int n_dims;
    int64_t dim[ST_MAX_DIMS]; /* slowest first */
    int tensor, part;         /* the caller's: what fills it */
};
struct st_sink;
/* Puts exactly the bytes of the tensor, in pieces. */
typedef int st_fill(struct st_sink *s, const struct st_out *t, void *ctx, struct err *e);
int st_put(struct st_sink *s, const void *p, size_t n, struct err *e);
/* Sorts t[n]. metadata: what "format" says ("pt", "mlx"). */
int safetensors_write(const char *path, const char *format, struct st_out *t, int n, st_fill *fill, void *ctx,
                      struct err *e);
#endif
