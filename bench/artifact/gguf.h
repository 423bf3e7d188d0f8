/* GGUF v2/v3 files: reader over a mapping, every field bounds-checked; and writer.
 * Reader order: gguf_open -> gguf_find/gguf_get_... and tensor[] -> gguf_close. All pointers live until gguf_close.
 * Writer order: gguf_writer_new -> keys -> tensors declared -> gguf_writer_begin -> tensor data in declared order ->
 * gguf_writer_finish (or _abort). Errors: malformed file ERR_FORMAT, big-endian or unknown version ERR_UNSUPPORTED. */
#ifndef BENCH_ARTIFACT_GGUF_H
#define BENCH_ARTIFACT_GGUF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/os.h"

enum gguf_value_type {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY,
    GGUF_U64, GGUF_I64, GGUF_F64, N_GGUF_VALUE_TYPES
};
struct gguf_str {                 /* not NUL-terminated */
    const char *p;
    size_t n;
};
struct gguf_kv {
    struct gguf_str key;
    enum gguf_value_type type, elem_type;     /* elem_type for arrays */
    uint64_t count;                           /* elements of an array, 1 otherwise */
    const uint8_t *data;                      /* little-endian bytes in the mapping; strings: length-prefixed */
    size_t bytes;
    const struct gguf_str *strings;           /* arrays of strings, resolved; NULL otherwise */
};
struct gguf_tensor {
    char name[128];                           /* NUL-terminated */
    int n_dims;
    int64_t ne[4];                            /* ne[0] = contiguous row length; unused dims are 1 */
    uint32_t type;                            /* GGUF tensor type id */
    uint64_t offset;                          /* from the start of the data section */
    const uint8_t *data;                      /* NULL when the file ends before it and header_only was asked */
    size_t bytes;
};
struct gguf {
    struct file_map map;
    char *path;
    uint32_t version;
    size_t alignment, data_offset;
    int64_t n_kv, n_tensors;
    struct gguf_kv *kv;
    struct gguf_tensor *tensor;
    struct arena *arena;
};

struct gguf_open_opts {
    bool header_only;             /* accept a file whose data section is missing or cut: for estimates */
};
int gguf_open(struct gguf **out, const char *path, const struct gguf_open_opts *opts, struct err *e);
int gguf_open_memory(struct gguf **out, const void *p, size_t n, const char *where, const struct gguf_open_opts *opts,
                     struct err *e);          /* p must outlive it: fuzzing, the embedded default */
void gguf_close(struct gguf *g);

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key);      /* NULL when absent */
/* Typed reads; false when absent or of another kind. Integers accept any integer type that fits. */
bool gguf_get_i64(const struct gguf *g, const char *key, int64_t *out);
bool gguf_get_f64(const struct gguf *g, const char *key, double *out);
bool gguf_get_bool(const struct gguf *g, const char *key, bool *out);
bool gguf_get_str(const struct gguf *g, const char *key, struct gguf_str *out);
bool gguf_array_i64(const struct gguf_kv *kv, uint64_t i, int64_t *out);
bool gguf_array_f64(const struct gguf_kv *kv, uint64_t i, double *out);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name);
/* Bytes of a tensor of that type and shape; ERR_UNSUPPORTED for an unknown id, ERR_FORMAT when rows do not divide. */
int gguf_tensor_bytes(uint32_t type, int n_dims, const int64_t ne[4], size_t *bytes, struct err *e);
const char *gguf_type_name(uint32_t type);    /* "Q4_K"; NULL when unknown */
/* A text of the file made fit for a message: cut, and without control bytes. Returns out. */
enum { GGUF_SHOWN_BYTES = 64 };
const char *gguf_shown(struct gguf_str s, char out[GGUF_SHOWN_BYTES]);

struct gguf_writer;
int gguf_writer_new(struct gguf_writer **out, const char *path, struct err *e);
/* Copies every key of src except those whose name is in skip[] (NULL-terminated, may be NULL). */
int gguf_writer_copy_kv(struct gguf_writer *w, const struct gguf *src, const char *const *skip, struct err *e);
int gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t v, struct err *e);
int gguf_writer_f32(struct gguf_writer *w, const char *key, float v, struct err *e);
int gguf_writer_str(struct gguf_writer *w, const char *key, const char *v, struct err *e);
/* An array of n strings. */
int gguf_writer_strings(struct gguf_writer *w, const char *key, const char *const *v, size_t n, struct err *e);
int gguf_writer_tensor(struct gguf_writer *w, const char *name, uint32_t type, int n_dims, const int64_t *ne,
                       struct err *e);
int gguf_writer_begin(struct gguf_writer *w, struct err *e);                              /* header goes out */
int gguf_writer_data(struct gguf_writer *w, const void *p, size_t n, struct err *e);      /* the next, or a piece */
int gguf_writer_finish(struct gguf_writer *w, struct err *e);                             /* atomic rename; frees w */
void gguf_writer_abort(struct gguf_writer *w);
#endif
