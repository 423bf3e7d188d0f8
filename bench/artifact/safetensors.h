/* Safetensors files: a JSON header that names tensors, and their bytes. Reader over a mapping, every field checked.
 * Order: safetensors_open -> safetensors_find, tensor[] -> safetensors_close. All pointers live until then.
 * Errors: malformed file ERR_FORMAT, a dtype that this program does not know ERR_UNSUPPORTED. */
#ifndef BENCH_ARTIFACT_SAFETENSORS_H
#define BENCH_ARTIFACT_SAFETENSORS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/os.h"

/* X(name in the file, bytes of one value) */
#define ST_DTYPES(X)                                                                                                   \
    X(F64, 8)                                                                                                          \
    X(F32, 4) X(F16, 2) X(BF16, 2) X(F8_E4M3, 1) X(F8_E5M2, 1) X(I64, 8) X(I32, 4) X(I16, 2) X(I8, 1) X(U64, 8)        \
        X(U32, 4) X(U16, 2) X(U8, 1) X(BOOL, 1)
enum st_dtype {
#define X(name, bytes) ST_##name,
    ST_DTYPES(X)
#undef X
        N_ST_DTYPES
};
enum { ST_MAX_DIMS = 4 };

struct st_tensor {
    const char *name;
    enum st_dtype dtype;
    int n_dims;
    int64_t dim[ST_MAX_DIMS]; /* slowest first, as in the file; unused ones are 1 */
    int64_t n;                /* values */
    const uint8_t *data;      /* little-endian, not aligned */
    size_t bytes;
    bool used; /* for the reader's book-keeping: what nobody asked for was not understood */
};
struct safetensors {
    struct file_map map;
    char *path;
    int64_t n_tensors;
    struct st_tensor *tensor; /* sorted by name */
    struct arena *arena;
};
int safetensors_open(struct safetensors **out, const char *path, struct err *e);
/* p must outlive it. */
int safetensors_open_memory(struct safetensors **out, const void *p, size_t n, const char *where, struct err *e);
void safetensors_close(struct safetensors *s);
const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name); /* NULL when absent */
const char *st_dtype_name(enum st_dtype d);
#endif
