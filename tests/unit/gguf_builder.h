/* Builds GGUF bytes piece by piece, right or wrong, independently of the writer. */
#ifndef TESTS_UNIT_GGUF_BUILDER_H
#define TESTS_UNIT_GGUF_BUILDER_H
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/sbuf.h"
#include "bench/artifact/gguf.h"

static inline void put_u32(struct sbuf *b, uint32_t v)
{
    uint8_t p[4];
    wr_u32le(p, v);
    sbuf_add(b, p, 4);
}
static inline void put_u64(struct sbuf *b, uint64_t v)
{
    uint8_t p[8];
    wr_u64le(p, v);
    sbuf_add(b, p, 8);
}
static inline void put_str(struct sbuf *b, const char *s)
{
    put_u64(b, strlen(s));
    sbuf_puts(b, s);
}
static inline void put_header(struct sbuf *b, uint64_t n_tensors, uint64_t n_kv)
{
    sbuf_puts(b, "GGUF");
    put_u32(b, 3);
    put_u64(b, n_tensors);
    put_u64(b, n_kv);
}
static inline void put_key(struct sbuf *b, const char *name, uint32_t type)
{
    put_str(b, name);
    put_u32(b, type);
}
static inline void put_key_u32(struct sbuf *b, const char *name, uint32_t v)
{
    put_key(b, name, GGUF_U32);
    put_u32(b, v);
}
static inline void put_key_bool(struct sbuf *b, const char *name, bool v)
{
    put_key(b, name, GGUF_BOOL);
    sbuf_putc(b, v);
}
static inline void put_key_str(struct sbuf *b, const char *name, const char *v)
{
    put_key(b, name, GGUF_STRING);
    put_str(b, v);
}
static inline void put_array(struct sbuf *b, const char *name, uint32_t elem_type, uint64_t count)
{
    put_key(b, name, GGUF_ARRAY);
    put_u32(b, elem_type);
    put_u64(b, count);
}
static inline void put_tensor(struct sbuf *b, const char *name, uint32_t type, uint64_t ne0, uint64_t ne1,
                              uint64_t offset)
{
    put_str(b, name);
    put_u32(b, 2);
    put_u64(b, ne0);
    put_u64(b, ne1);
    put_u32(b, type);
    put_u64(b, offset);
}
static inline void put_padding(struct sbuf *b, size_t to)
{
    while (b->n % to)
        sbuf_putc(b, 0);
}
static inline void put_data(struct sbuf *b, size_t n)
{
    put_padding(b, 32);
    for (size_t i = 0; i < n; i++)
        sbuf_putc(b, (char)i);
}
/* A copy of exactly that size, so that the sanitizer sees a read past its end; freed with free(). */
static inline uint8_t *exact_copy(const void *p, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, p, n);
    return copy;
}
#endif
