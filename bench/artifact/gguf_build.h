/* A model's description made in memory in GGUF's terms, for models that come as something else: keys and tensors as
 * if they had been read, so that all that reads a GGUF file reads them too.
 * Order: gguf_build_new -> build_... (the first failure sticks) -> check rc -> gguf_close. Everything is copied but the
 * data of tensors. */
#ifndef BENCH_ARTIFACT_GGUF_BUILD_H
#define BENCH_ARTIFACT_GGUF_BUILD_H
#include "bench/artifact/gguf.h"

struct gguf_build {
    struct gguf *g;
    struct err *e;
    int rc;
};
int gguf_build_new(struct gguf_build *b, const char *where, struct err *e);
void build_u32(struct gguf_build *b, const char *key, int64_t v);
void build_f32(struct gguf_build *b, const char *key, double v);
void build_bool(struct gguf_build *b, const char *key, bool v);
void build_str(struct gguf_build *b, const char *key, const char *p, size_t n);
void build_strs(struct gguf_build *b, const char *key, const struct gguf_str *v, size_t n);
void build_i32s(struct gguf_build *b, const char *key, const int32_t *v, size_t n);
void build_f32s(struct gguf_build *b, const char *key, const float *v, size_t n);
/* W[n][k]; data must outlive it. */
void build_tensor(struct gguf_build *b, const char *name, uint32_t type, int n_dims, int64_t n, int64_t k,
                  const void *data);
#endif
