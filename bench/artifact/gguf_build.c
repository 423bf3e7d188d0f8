/* Keys and tensors of a description in memory: the same bytes that a file would hold (gguf_build.h). */
#include "bench/artifact/gguf_build.h"

#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/gguf_int.h"

enum { MAX_KEYS = 96, TENSORS_AT_ONCE = 1024 };

int gguf_build_new(struct gguf_build *b, const char *where, struct err *e)
{
    struct gguf *g = mem_alloc(sizeof *g);
    *b = (struct gguf_build){.g = g, .e = e};
    if (g && (g->arena = arena_new()) && (g->path = mem_strdup(where)) &&
        (g->kv = arena_alloc_n(g->arena, MAX_KEYS, sizeof *g->kv))) {
        g->version = 3;
        g->alignment = GGUF_DEFAULT_ALIGNMENT;
        return 0;
    }
    gguf_close(g);
    b->g = NULL;
    return b->rc = err_nomem(e, sizeof *g, "the description of a model");
}

/* A new key with room for its bytes, or NULL. */
static struct gguf_kv *add(struct gguf_build *b, const char *key, enum gguf_value_type type, size_t bytes)
{
    if (b->rc)
        return NULL;
    if (b->g->n_kv == MAX_KEYS) {
        b->rc = err_set(b->e, ERR_LIMIT, "more than %d keys describe this model", MAX_KEYS);
        return NULL;
    }
    const char *name = arena_strdup(b->g->arena, key);
    void *data = arena_alloc(b->g->arena, bytes);
    if (!name || !data) {
        b->rc = err_nomem(b->e, bytes, key);
        return NULL;
    }
    struct gguf_kv *kv = &b->g->kv[b->g->n_kv++];
    *kv = (struct gguf_kv){
        .key = {name, strlen(name)}, .type = type, .elem_type = type, .count = 1, .data = data, .bytes = bytes};
    return kv;
}

static uint8_t *add_array(struct gguf_build *b, const char *key, enum gguf_value_type type, size_t n, size_t bytes)
{
    struct gguf_kv *kv = add(b, key, GGUF_ARRAY, bytes);
    if (!kv)
        return NULL;
    kv->elem_type = type;
    kv->count = n;
    return (uint8_t *)(uintptr_t)kv->data;
}

void build_u32(struct gguf_build *b, const char *key, int64_t v)
{
    if (!b->rc && (v < 0 || v > UINT32_MAX))
        b->rc = err_set(b->e, ERR_FORMAT, "%s is %lld, which makes no sense", key, (long long)v);
    struct gguf_kv *kv = add(b, key, GGUF_U32, 4);
    if (kv)
        wr_u32le((void *)(uintptr_t)kv->data, (uint32_t)v);
}

void build_f32(struct gguf_build *b, const char *key, double v)
{
    struct gguf_kv *kv = add(b, key, GGUF_F32, 4);
    if (kv)
        wr_u32le((void *)(uintptr_t)kv->data, f32_bits((float)v));
}

void build_bool(struct gguf_build *b, const char *key, bool v)
{
    struct gguf_kv *kv = add(b, key, GGUF_BOOL, 1);
    if (kv)
        *(uint8_t *)(uintptr_t)kv->data = v;
}

void build_str(struct gguf_build *b, const char *key, const char *p, size_t n)
{
    struct gguf_kv *kv = add(b, key, GGUF_STRING, 8 + n);
    if (!kv)
        return;
    wr_u64le((void *)(uintptr_t)kv->data, n);
    memcpy((uint8_t *)(uintptr_t)kv->data + 8, p, n);
}

void build_strs(struct gguf_build *b, const char *key, const struct gguf_str *v, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += 8 + v[i].n;
    uint8_t *p = add_array(b, key, GGUF_STRING, n, bytes);
    struct gguf_str *s = p ? arena_alloc_n(b->g->arena, n, sizeof *s) : NULL;
    if (p && !s)
        b->rc = err_nomem(b->e, n * sizeof *s, key);
    if (!s)
        return;
    for (size_t i = 0; i < n; i++) {
        wr_u64le(p, v[i].n);
        memcpy(p + 8, v[i].p, v[i].n);
        s[i] = (struct gguf_str){(const char *)p + 8, v[i].n};
        p += 8 + v[i].n;
    }
    b->g->kv[b->g->n_kv - 1].strings = s;
}

void build_i32s(struct gguf_build *b, const char *key, const int32_t *v, size_t n)
{
    uint8_t *p = add_array(b, key, GGUF_I32, n, n * 4);
    for (size_t i = 0; p && i < n; i++)
        wr_u32le(p + 4 * i, (uint32_t)v[i]);
}

void build_f32s(struct gguf_build *b, const char *key, const float *v, size_t n)
{
    uint8_t *p = add_array(b, key, GGUF_F32, n, n * 4);
    for (size_t i = 0; p && i < n; i++)
        wr_u32le(p + 4 * i, f32_bits(v[i]));
}

/* The table doubles when a power of two of tensors is full. */
static struct gguf_tensor *new_tensor(struct gguf_build *b)
{
    struct gguf *g = b->g;
    const size_t n = (size_t)g->n_tensors;
    if (n == 0 || (n >= TENSORS_AT_ONCE && (n & (n - 1)) == 0)) {
        struct gguf_tensor *more = arena_alloc_n(g->arena, n ? 2 * n : TENSORS_AT_ONCE, sizeof *more);
        if (!more) {
            b->rc = err_nomem(b->e, 2 * n * sizeof *more, "tensors");
            return NULL;
        }
        if (n)
            memcpy(more, g->tensor, n * sizeof *more);
        g->tensor = more;
    }
    return &g->tensor[g->n_tensors++];
}

void build_tensor(struct gguf_build *b, const char *name, uint32_t type, int n_dims, int64_t n, int64_t k,
                  const void *data)
{
    struct gguf_tensor *t = b->rc ? NULL : new_tensor(b);
    if (!t)
        return;
    const size_t len = strlen(name);
    if (len > GGUF_MAX_NAME) {
        b->rc = err_set(b->e, ERR_LIMIT, "the tensor name %.100s is too long", name);
        return;
    }
    memcpy(t->name, name, len);
    t->n_dims = n_dims;
    t->ne[0] = k;
    t->ne[1] = n;
    t->ne[2] = t->ne[3] = 1;
    t->type = type;
    t->data = data;
    b->rc = gguf_tensor_bytes(type, n_dims, t->ne, &t->bytes, b->e);
    if (b->rc)
        err_context(b->e, "tensor %s", name);
}
