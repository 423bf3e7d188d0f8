/* Lookups in an open GGUF file, typed reads of its keys, and the table of tensor types. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/gguf_int.h"

static const struct {
    const char *name;
    uint16_t block, bytes;        /* block 0: the id was given up */
} types[] = {
#define GGUF_TYPE(id, name, block, bytes) [id] = {name, block, bytes},
#define GGUF_TYPE_GONE(id, name)          [id] = {name, 0, 0},
#include "bench/artifact/gguf_types.def"
#undef GGUF_TYPE
#undef GGUF_TYPE_GONE
};
enum { N_TYPES = sizeof types / sizeof *types };

const char *gguf_type_name(uint32_t type)
{
    return type < N_TYPES && types[type].block ? types[type].name : NULL;
}

int gguf_tensor_bytes(uint32_t type, int n_dims, const int64_t ne[4], size_t *bytes, struct err *e)
{
    if (type >= N_TYPES)
        return err_set(e, ERR_UNSUPPORTED, "tensor type %u is unknown (0 to %d are known): newer than this program, or "
                                           "corrupt", type, N_TYPES - 1);
    if (!types[type].block)
        return err_set(e, ERR_UNSUPPORTED, "tensor type %u (%s) is no longer part of GGUF: quantize the model again",
                       type, types[type].name);
    const int64_t block = types[type].block;
    if (ne[0] < 0 || ne[0] % block)
        return err_set(e, ERR_FORMAT, "rows of %lld weights do not divide into %s blocks of %lld", (long long)ne[0],
                       types[type].name, (long long)block);
    size_t n = (size_t)(ne[0] / block);
    bool fits = mem_mul(n, types[type].bytes, &n);
    for (int i = 1; i < n_dims && fits; i++)
        fits = ne[i] >= 0 && mem_mul(n, (size_t)ne[i], &n);
    if (!fits || n > INT64_MAX)
        return err_set(e, ERR_FORMAT, "its size exceeds 2^63 bytes");
    *bytes = n;
    return 0;
}

size_t gguf_value_bytes(enum gguf_value_type t)
{
    static const uint8_t bytes[N_GGUF_VALUE_TYPES] = {
        [GGUF_U8] = 1, [GGUF_I8] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
        [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8};
    return bytes[t];
}

const char *gguf_shown(struct gguf_str s, char out[GGUF_SHOWN_BYTES])
{
    const size_t n = s.n < GGUF_SHOWN_BYTES - 4 ? s.n : GGUF_SHOWN_BYTES - 4;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)s.p[i] < 32 || (unsigned char)s.p[i] > 126 ? '?' : s.p[i];
    strcpy(out + n, n < s.n ? "..." : "");
    return out;
}

static int by_text(const void *a, const void *b)
{
    const struct gguf_str *s = a, *t = b;
    const int d = memcmp(s->p, t->p, s->n < t->n ? s->n : t->n);
    return d ? d : (s->n > t->n) - (s->n < t->n);
}

int64_t gguf_find_double(struct gguf_str *names, int64_t n)
{
    qsort(names, (size_t)n, sizeof *names, by_text);
    for (int64_t i = 1; i < n; i++)
        if (!by_text(&names[i - 1], &names[i]))
            return i;
    return n;
}

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key)
{
    const size_t n = strlen(key);
    for (int64_t i = 0; i < g->n_kv; i++)
        if (g->kv[i].key.n == n && !memcmp(g->kv[i].key.p, key, n))
            return &g->kv[i];
    return NULL;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name)
{
    for (int64_t i = 0; i < g->n_tensors; i++)
        if (!strcmp(g->tensor[i].name, name))
            return &g->tensor[i];
    return NULL;
}

static bool read_int(const uint8_t *p, enum gguf_value_type t, int64_t *out)
{
    switch (t) {
    case GGUF_BOOL:
        *out = p[0] != 0;
        return true;
    case GGUF_U8:
        *out = p[0];
        return true;
    case GGUF_I8:
        *out = (int8_t)p[0];
        return true;
    case GGUF_U16:
        *out = rd_u16le(p);
        return true;
    case GGUF_I16:
        *out = (int16_t)rd_u16le(p);
        return true;
    case GGUF_U32:
        *out = rd_u32le(p);
        return true;
    case GGUF_I32:
        *out = (int32_t)rd_u32le(p);
        return true;
    case GGUF_U64:
        if (rd_u64le(p) > INT64_MAX)
            return false;
        *out = (int64_t)rd_u64le(p);
        return true;
    case GGUF_I64:
        *out = (int64_t)rd_u64le(p);
        return true;
    default:
        return false;
    }
}

static bool read_float(const uint8_t *p, enum gguf_value_type t, double *out)
{
    const uint64_t bits = t == GGUF_F64 ? rd_u64le(p) : 0;
    if (t == GGUF_F32)
        *out = (double)f32_from_bits(rd_u32le(p));
    else if (t == GGUF_F64)
        memcpy(out, &bits, 8);
    return t == GGUF_F32 || t == GGUF_F64;
}

bool gguf_get_i64(const struct gguf *g, const char *key, int64_t *out)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    return kv && kv->type != GGUF_BOOL && read_int(kv->data, kv->type, out);
}

bool gguf_get_f64(const struct gguf *g, const char *key, double *out)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    return kv && read_float(kv->data, kv->type, out);
}

bool gguf_get_bool(const struct gguf *g, const char *key, bool *out)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    if (!kv || kv->type != GGUF_BOOL)
        return false;
    *out = kv->data[0] != 0;
    return true;
}

bool gguf_get_str(const struct gguf *g, const char *key, struct gguf_str *out)
{
    const struct gguf_kv *kv = gguf_find(g, key);
    if (!kv || kv->type != GGUF_STRING)
        return false;
    *out = (struct gguf_str){(const char *)kv->data + 8, kv->bytes - 8};
    return true;
}

/* A scalar reads as an array of one: several keys are written either way. */
static enum gguf_value_type elem_of(const struct gguf_kv *kv)
{
    return kv->type == GGUF_ARRAY ? kv->elem_type : kv->type;
}

bool gguf_array_i64(const struct gguf_kv *kv, uint64_t i, int64_t *out)
{
    const enum gguf_value_type t = elem_of(kv);
    return i < kv->count && read_int(kv->data + i * gguf_value_bytes(t), t, out);
}

bool gguf_array_f64(const struct gguf_kv *kv, uint64_t i, double *out)
{
    const enum gguf_value_type t = elem_of(kv);
    return i < kv->count && read_float(kv->data + i * gguf_value_bytes(t), t, out);
}
