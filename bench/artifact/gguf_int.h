/* What the GGUF reader and writer share; nothing outside bench/artifact/gguf*.c includes this. */
#ifndef BENCH_ARTIFACT_GGUF_INT_H
#define BENCH_ARTIFACT_GGUF_INT_H
#include "bench/artifact/gguf.h"

enum { GGUF_DEFAULT_ALIGNMENT = 32, GGUF_MAX_NAME = 127 };

/* Bytes of one value of a fixed-size type, 0 for strings and arrays. */
size_t gguf_value_bytes(enum gguf_value_type t);
/* Sorts names[]; the index of one that occurs twice, n when all differ. */
int64_t gguf_find_double(struct gguf_str *names, int64_t n);
#endif
