/* GGUF reader. One pass over the mapped header: every length is checked against the bytes that remain before
 * anything is allocated for it, so a hostile file costs at most a small multiple of its own size. Then the tensors
 * are placed in the data section, and nothing may overlap or lie outside. */
#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/gguf_int.h"

enum { MIN_KV_BYTES = 13, MIN_TENSOR_BYTES = 24, MAX_KEY = 65535 };

struct cursor {
    struct gguf *g;
    const uint8_t *p;
    size_t n, at;
    struct err *e;
};

static int cut_short(const struct cursor *c, const char *what)
{
    return err_set(c->e, ERR_FORMAT, "the file ends after %zu bytes, inside %s: it is truncated, get it again", c->n,
                   what);
}

static const uint8_t *take(struct cursor *c, size_t bytes)
{
    if (bytes > c->n - c->at)
        return NULL;
    const uint8_t *p = c->p + c->at;
    c->at += bytes;
    return p;
}

static int take_u32(struct cursor *c, uint32_t *v, const char *what)
{
    const uint8_t *p = take(c, 4);
    if (!p)
        return cut_short(c, what);
    *v = rd_u32le(p);
    return 0;
}

static int take_u64(struct cursor *c, uint64_t *v, const char *what)
{
    const uint8_t *p = take(c, 8);
    if (!p)
        return cut_short(c, what);
    *v = rd_u64le(p);
    return 0;
}

static int take_str(struct cursor *c, struct gguf_str *s, const char *what)
{
    uint64_t n = 0;
    int rc = take_u64(c, &n, what);
    if (rc)
        return rc;
    if (n > c->n - c->at)
        return err_set(c->e, ERR_FORMAT,
                       "%s claims %llu bytes but only %zu remain in the file: it is truncated or corrupt", what,
                       (unsigned long long)n, c->n - c->at);
    *s = (struct gguf_str){(const char *)take(c, (size_t)n), (size_t)n};
    return 0;
}

/* A count of things that take at least min_bytes each in the file. */
static int check_count(const struct cursor *c, uint64_t count, size_t min_bytes, const char *what)
{
    if (count > (c->n - c->at) / min_bytes)
        return err_set(c->e, ERR_FORMAT,
                       "the header claims %llu %s, more than the %zu remaining bytes can hold: truncated or corrupt",
                       (unsigned long long)count, what, c->n - c->at);
    return 0;
}

static int read_string_array(struct cursor *c, struct gguf_kv *kv)
{
    int rc = check_count(c, kv->count, 8, "array strings");
    if (rc || !kv->count)
        return rc;
    struct gguf_str *s = arena_alloc_n(c->g->arena, (size_t)kv->count, sizeof *s);
    if (!s)
        return err_nomem(c->e, kv->count * sizeof *s, "the strings of a GGUF key");
    kv->strings = s;
    for (uint64_t i = 0; i < kv->count; i++)
        if ((rc = take_str(c, &s[i], "a string of an array")))
            return rc;
    return 0;
}

static int read_array(struct cursor *c, struct gguf_kv *kv)
{
    char name[GGUF_SHOWN_BYTES];
    uint32_t elem = 0;
    int rc;
    if ((rc = take_u32(c, &elem, "an array header")) || (rc = take_u64(c, &kv->count, "an array header")))
        return rc;
    if (elem == GGUF_ARRAY)
        return err_set(c->e, ERR_UNSUPPORTED, "key '%s' is an array of arrays, which no known model uses",
                       gguf_shown(kv->key, name));
    if (elem >= N_GGUF_VALUE_TYPES)
        return err_set(c->e, ERR_FORMAT, "key '%s' is an array of value type %u, which GGUF does not define",
                       gguf_shown(kv->key, name), elem);
    kv->elem_type = (enum gguf_value_type)elem;
    const size_t from = c->at;
    kv->data = c->p + from;
    if (elem == GGUF_STRING) {
        rc = read_string_array(c, kv);
    } else {
        const size_t size = gguf_value_bytes(kv->elem_type);
        if (!(rc = check_count(c, kv->count, size, "array elements")))
            take(c, (size_t)kv->count * size);
    }
    kv->bytes = c->at - from;
    return rc ? err_context(c->e, "key '%s'", gguf_shown(kv->key, name)) : 0;
}

static int read_key(struct cursor *c, struct gguf_kv *kv)
{
    char name[GGUF_SHOWN_BYTES];
    int rc = take_str(c, &kv->key, "a key");
    if (rc)
        return rc;
    if (kv->key.n == 0 || kv->key.n > MAX_KEY)
        return err_set(c->e, ERR_FORMAT, "a key has a name of %zu bytes; GGUF allows 1 to %d", kv->key.n, MAX_KEY);
    if (memchr(kv->key.p, 0, kv->key.n))
        return err_set(c->e, ERR_FORMAT, "the name of key '%s' contains a NUL byte", gguf_shown(kv->key, name));
    return 0;
}

static int read_kv(struct cursor *c, struct gguf_kv *kv)
{
    char name[GGUF_SHOWN_BYTES];
    uint32_t type = 0;
    int rc;
    if ((rc = read_key(c, kv)) || (rc = take_u32(c, &type, "the type of a key")))
        return rc;
    if (type >= N_GGUF_VALUE_TYPES)
        return err_set(c->e, ERR_FORMAT, "key '%s' has value type %u, which GGUF does not define",
                       gguf_shown(kv->key, name), type);
    kv->type = (enum gguf_value_type)type;
    if (type == GGUF_ARRAY)
        return read_array(c, kv);
    kv->count = 1;
    kv->data = c->p + c->at;
    kv->bytes = gguf_value_bytes(kv->type);
    if (type == GGUF_STRING) {
        struct gguf_str s;
        if ((rc = take_str(c, &s, "a string")))
            return err_context(c->e, "key '%s'", gguf_shown(kv->key, name));
        kv->bytes = 8 + s.n;
    } else if (!take(c, kv->bytes)) {
        return cut_short(c, "the value of a key");
    }
    return 0;
}

static int read_tensor_name(struct cursor *c, struct gguf_tensor *t)
{
    char name[GGUF_SHOWN_BYTES];
    struct gguf_str s;
    int rc = take_str(c, &s, "a tensor name");
    if (rc)
        return rc;
    if (s.n == 0 || s.n > GGUF_MAX_NAME)
        return err_set(c->e, ERR_FORMAT, "tensor '%s' has a name of %zu bytes; 1 to %d are allowed",
                       gguf_shown(s, name), s.n, GGUF_MAX_NAME);
    if (memchr(s.p, 0, s.n))
        return err_set(c->e, ERR_FORMAT, "the name of tensor '%s' contains a NUL byte", gguf_shown(s, name));
    memcpy(t->name, s.p, s.n);
    return 0;
}

static int read_dims(struct cursor *c, struct gguf_tensor *t)
{
    uint32_t n_dims = 0;
    int rc = take_u32(c, &n_dims, "a tensor shape");
    if (rc)
        return rc;
    if (n_dims > 4)
        return err_set(c->e, ERR_FORMAT, "it has %u dimensions; GGUF allows 4", n_dims);
    t->n_dims = (int)n_dims;
    for (int i = 0; i < 4; i++) {
        uint64_t ne = 1;
        if (i < t->n_dims && (rc = take_u64(c, &ne, "a tensor shape")))
            return rc;
        if (ne == 0 || ne > INT64_MAX)
            return err_set(c->e, ERR_FORMAT, "dimension %d is %llu", i, (unsigned long long)ne);
        t->ne[i] = (int64_t)ne;
    }
    return 0;
}

static int read_tensor(struct cursor *c, struct gguf_tensor *t)
{
    char name[GGUF_SHOWN_BYTES];
    int rc = read_tensor_name(c, t);
    if (rc)
        return rc;
    if ((rc = read_dims(c, t)) || (rc = take_u32(c, &t->type, "a tensor type")) ||
        (rc = take_u64(c, &t->offset, "a tensor offset")) ||
        (rc = gguf_tensor_bytes(t->type, t->n_dims, t->ne, &t->bytes, c->e)))
        return err_context(c->e, "tensor '%s'", gguf_shown((struct gguf_str){t->name, strlen(t->name)}, name));
    return 0;
}

static int check_version(struct cursor *c)
{
    struct gguf *g = c->g;
    int rc = take_u32(c, &g->version, "the header");
    if (rc)
        return rc;
    if (g->version && !(g->version & 0xffff))
        return err_set(c->e, ERR_UNSUPPORTED, "big-endian GGUF is not supported, convert it with gguf-convert-endian "
                                              "(of the Python package gguf)");
    if (g->version != 2 && g->version != 3)
        return err_set(c->e, ERR_UNSUPPORTED, "GGUF version %u is not supported (2 and 3 are): %s", g->version,
                       g->version == 1 ? "convert the model again" : "corrupt, or newer than this program");
    return 0;
}

static int read_header(struct cursor *c, uint64_t *n_tensors, uint64_t *n_kv)
{
    if (!c->n)
        return err_set(c->e, ERR_FORMAT, "the file is empty");
    const uint8_t *magic = take(c, 4);
    if (!magic)
        return cut_short(c, "the header");
    if (memcmp(magic, "GGUF", 4))
        return err_set(c->e, ERR_FORMAT, "not a GGUF file (it starts with bytes %02x %02x %02x %02x)", magic[0],
                       magic[1], magic[2], magic[3]);
    int rc;
    if ((rc = check_version(c)) || (rc = take_u64(c, n_tensors, "the header")) ||
        (rc = take_u64(c, n_kv, "the header")) || (rc = check_count(c, *n_kv, MIN_KV_BYTES, "keys")) ||
        (rc = check_count(c, *n_tensors, MIN_TENSOR_BYTES, "tensors")))
        return rc;
    return 0;
}

/* Keys that decide how the rest is read. */
static int read_alignment(struct cursor *c)
{
    struct gguf *g = c->g;
    const struct gguf_kv *kv = gguf_find(g, "general.alignment");
    int64_t v;
    g->alignment = GGUF_DEFAULT_ALIGNMENT;
    if (!kv)
        return 0;
    if (kv->type != GGUF_U32 || !gguf_get_i64(g, "general.alignment", &v))
        return err_set(c->e, ERR_FORMAT, "general.alignment is not a 32-bit unsigned integer");
    if (v <= 0 || (v & (v - 1)))
        return err_set(c->e, ERR_FORMAT, "general.alignment is %lld, not a power of two", (long long)v);
    g->alignment = (size_t)v;
    return 0;
}

static int refuse_split(struct cursor *c)
{
    int64_t n, i = 0;
    if (!gguf_get_i64(c->g, "split.count", &n) || n <= 1)
        return 0;
    gguf_get_i64(c->g, "split.no", &i);
    return err_set(c->e, ERR_UNSUPPORTED,
                   "this is part %lld of a model split into %lld files: merge them with "
                   "\"llama-gguf-split --merge FIRST-PART OUT\" and give the result",
                   (long long)i + 1, (long long)n);
}

static int by_offset(const void *a, const void *b)
{
    const struct gguf_tensor *const *s = a, *const *t = b;
    return ((*s)->offset > (*t)->offset) - ((*s)->offset < (*t)->offset);
}

static int check_overlap(const struct cursor *c)
{
    const struct gguf *g = c->g;
    const struct gguf_tensor **order = mem_alloc_n((size_t)g->n_tensors, sizeof *order);
    char a[GGUF_SHOWN_BYTES], b[GGUF_SHOWN_BYTES];
    int rc = 0;
    if (!order)
        return err_nomem(c->e, (unsigned long long)g->n_tensors * sizeof *order, "the tensor order");
    for (int64_t i = 0; i < g->n_tensors; i++)
        order[i] = &g->tensor[i];
    qsort(order, (size_t)g->n_tensors, sizeof *order, by_offset);
    for (int64_t i = 1; i < g->n_tensors && !rc; i++) {
        const struct gguf_tensor *s = order[i - 1], *t = order[i];
        if (s->bytes > t->offset - s->offset)
            rc = err_set(c->e, ERR_FORMAT, "tensors '%s' and '%s' overlap in the file",
                         gguf_shown((struct gguf_str){s->name, strlen(s->name)}, a),
                         gguf_shown((struct gguf_str){t->name, strlen(t->name)}, b));
    }
    mem_free(order);
    return rc;
}

static int place_tensor(const struct cursor *c, struct gguf_tensor *t, bool header_only)
{
    const struct gguf *g = c->g;
    char name[GGUF_SHOWN_BYTES];
    const struct gguf_str s = {t->name, strlen(t->name)};
    const size_t have = g->data_offset < c->n ? c->n - g->data_offset : 0;
    if (t->offset % g->alignment)
        return err_set(c->e, ERR_FORMAT, "tensor '%s' starts at offset %llu, not a multiple of the alignment %zu",
                       gguf_shown(s, name), (unsigned long long)t->offset, g->alignment);
    if (t->offset > INT64_MAX || t->bytes > INT64_MAX - t->offset)
        return err_set(c->e, ERR_FORMAT, "tensor '%s' has the impossible offset %llu", gguf_shown(s, name),
                       (unsigned long long)t->offset);
    if (t->offset <= have && t->bytes <= have - t->offset)
        t->data = c->p + g->data_offset + t->offset;
    else if (!header_only)
        return err_set(c->e, ERR_FORMAT,
                       "tensor '%s' ends at byte %llu but the file has only %zu: it is truncated, get it again",
                       gguf_shown(s, name), (unsigned long long)(g->data_offset + t->offset + t->bytes), c->n);
    return 0;
}

static int place_tensors(struct cursor *c, bool header_only)
{
    struct gguf *g = c->g;
    g->data_offset = (c->at + g->alignment - 1) / g->alignment * g->alignment;
    for (int64_t i = 0; i < g->n_tensors; i++) {
        int rc = place_tensor(c, &g->tensor[i], header_only);
        if (rc)
            return rc;
    }
    return g->n_tensors ? check_overlap(c) : 0;
}

static int refuse_doubles(struct cursor *c, const char *what, int64_t n,
                          struct gguf_str (*get)(const struct gguf *, int64_t))
{
    if (n < 2)
        return 0;
    struct gguf_str *names = mem_alloc_n((size_t)n, sizeof *names);
    if (!names)
        return err_nomem(c->e, (unsigned long long)n * sizeof *names, "the names in a GGUF header");
    for (int64_t i = 0; i < n; i++)
        names[i] = get(c->g, i);
    const int64_t i = gguf_find_double(names, n);
    char name[GGUF_SHOWN_BYTES];
    const int rc = i < n ? err_set(c->e, ERR_FORMAT, "%s '%s' occurs twice", what, gguf_shown(names[i], name)) : 0;
    mem_free(names);
    return rc;
}

static struct gguf_str key_of(const struct gguf *g, int64_t i) { return g->kv[i].key; }
static struct gguf_str tensor_of(const struct gguf *g, int64_t i)
{
    return (struct gguf_str){g->tensor[i].name, strlen(g->tensor[i].name)};
}

static int read_keys(struct cursor *c, uint64_t n)
{
    struct gguf *g = c->g;
    int rc;
    if (n && !(g->kv = arena_alloc_n(g->arena, (size_t)n, sizeof *g->kv)))
        return err_nomem(c->e, n * sizeof *g->kv, "GGUF keys");
    for (; (uint64_t)g->n_kv < n; g->n_kv++)
        if ((rc = read_kv(c, &g->kv[g->n_kv])))
            return rc;
    if ((rc = refuse_doubles(c, "key", g->n_kv, key_of)) || (rc = read_alignment(c)))
        return rc;
    return refuse_split(c);
}

static int read_tensors(struct cursor *c, uint64_t n)
{
    struct gguf *g = c->g;
    int rc = check_count(c, n, MIN_TENSOR_BYTES, "tensors");
    if (rc)
        return rc;
    if (n && !(g->tensor = arena_alloc_n(g->arena, (size_t)n, sizeof *g->tensor)))
        return err_nomem(c->e, n * sizeof *g->tensor, "GGUF tensors");
    for (; (uint64_t)g->n_tensors < n; g->n_tensors++)
        if ((rc = read_tensor(c, &g->tensor[g->n_tensors])))
            return rc;
    return refuse_doubles(c, "tensor", g->n_tensors, tensor_of);
}

static int parse(struct gguf *g, const void *p, size_t n, const struct gguf_open_opts *opts, struct err *e)
{
    struct cursor c = {.g = g, .p = p, .n = n, .e = e};
    uint64_t n_tensors = 0, n_kv = 0;
    int rc;
    if ((rc = read_header(&c, &n_tensors, &n_kv)) || (rc = read_keys(&c, n_kv)) ||
        (rc = read_tensors(&c, n_tensors)))
        return rc;
    return place_tensors(&c, opts && opts->header_only);
}

static int gguf_alloc(struct gguf **out, const char *where, struct err *e)
{
    struct gguf *g = mem_alloc(sizeof *g);
    *out = NULL;
    if (g && (g->arena = arena_new()) && (g->path = mem_strdup(where))) {
        *out = g;
        return 0;
    }
    gguf_close(g);
    return err_nomem(e, sizeof *g, "a GGUF file");
}

int gguf_open_memory(struct gguf **out, const void *p, size_t n, const char *where, const struct gguf_open_opts *opts,
                     struct err *e)
{
    struct gguf *g;
    struct err own;
    if (!e)
        e = &own;
    *out = NULL;
    int rc = gguf_alloc(&g, where, e);
    if (rc)
        return rc;
    if (parse(g, p, n, opts, e)) {
        rc = err_context(e, "%s", where);
        gguf_close(g);
    } else {
        *out = g;
    }
    return rc;
}

int gguf_open(struct gguf **out, const char *path, const struct gguf_open_opts *opts, struct err *e)
{
    struct file_map map;
    *out = NULL;
    int rc = file_map_open(&map, path, e);
    if (rc)
        return rc;
    if ((rc = gguf_open_memory(out, map.p, map.n, path, opts, e)))
        file_map_close(&map);
    else
        (*out)->map = map;
    return rc;
}

void gguf_close(struct gguf *g)
{
    if (!g)
        return;
    if (g->map.p)
        file_map_close(&g->map);
    if (g->arena)
        arena_free(g->arena);
    mem_free(g->path);
    mem_free(g);
}
