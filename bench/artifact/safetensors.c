/* Reading safetensors: the length of the header, the header as JSON, each tensor's dtype, shape and place. The places
 * must fill the data section without holes or overlaps, as the format demands: nothing can hide between them. */
#include "bench/artifact/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/json.h"
#include "base/mem.h"

enum { MAX_HEADER = 100 << 20, MAX_NAME = 255, LENGTH_BYTES = 8 };

static const struct {
    const char *name;
    size_t bytes;
} dtypes[N_ST_DTYPES] = {
#define X(name, bytes) {#name, bytes},
    ST_DTYPES(X)
#undef X
};

const char *st_dtype_name(enum st_dtype d)
{
    return dtypes[d].name;
}

static int read_dtype(struct st_tensor *t, const json_t *entry, struct err *e)
{
    const char *name = json_get_str(entry, "dtype", NULL);
    if (!name)
        return err_set(e, ERR_FORMAT, "it has no dtype");
    for (int i = 0; i < N_ST_DTYPES; i++)
        if (!strcmp(dtypes[i].name, name)) {
            t->dtype = (enum st_dtype)i;
            return 0;
        }
    return err_set(e, ERR_UNSUPPORTED, "its dtype \"%.32s\" is not one that this program reads", name);
}

static int read_shape(struct st_tensor *t, const json_t *entry, struct err *e)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return err_set(e, ERR_FORMAT, "it has no shape");
    if (json_array_size(shape) > ST_MAX_DIMS)
        return err_set(e, ERR_UNSUPPORTED, "it has %zu dimensions; up to %d are read", json_array_size(shape),
                       ST_MAX_DIMS);
    t->n_dims = (int)json_array_size(shape);
    t->n = 1;
    for (int i = 0; i < ST_MAX_DIMS; i++) {
        const json_t *v = i < t->n_dims ? json_array_get(shape, (size_t)i) : NULL;
        if (v && (!json_is_integer(v) || json_integer_value(v) < 0))
            return err_set(e, ERR_FORMAT, "dimension %d of its shape is not a size", i);
        t->dim[i] = v ? json_integer_value(v) : 1;
        if (!mem_mul_i64(t->n, t->dim[i], &t->n))
            return err_set(e, ERR_FORMAT, "its size exceeds 2^63 values");
    }
    if (!mem_mul((size_t)t->n, dtypes[t->dtype].bytes, &t->bytes) || t->bytes > INT64_MAX)
        return err_set(e, ERR_FORMAT, "its size exceeds 2^63 bytes");
    return 0;
}

/* data has n bytes. */
static int read_place(struct st_tensor *t, const json_t *entry, const uint8_t *data, size_t n, struct err *e)
{
    const json_t *place = json_object_get(entry, "data_offsets");
    const json_t *from = json_array_get(place, 0), *to = json_array_get(place, 1);
    if (json_array_size(place) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return err_set(e, ERR_FORMAT, "its data_offsets are not two numbers");
    const json_int_t a = json_integer_value(from), b = json_integer_value(to);
    if (a < 0 || b < a)
        return err_set(e, ERR_FORMAT, "its data_offsets %lld and %lld make no sense", (long long)a, (long long)b);
    if ((uint64_t)b > n)
        return err_set(e, ERR_FORMAT,
                       "it ends at byte %lld of the data, but the file has only %zu: it is truncated, "
                       "get it again",
                       (long long)b, n);
    if ((uint64_t)(b - a) != t->bytes)
        return err_set(e, ERR_FORMAT, "it holds %lld bytes, its dtype and shape ask for %zu", (long long)(b - a),
                       t->bytes);
    t->data = data + a;
    return 0;
}

static int read_tensor(struct safetensors *s, const char *name, const json_t *entry, const uint8_t *data, size_t n,
                       struct err *e)
{
    struct st_tensor *t = &s->tensor[s->n_tensors++];
    if (!*name || strlen(name) > MAX_NAME)
        return err_set(e, ERR_FORMAT, "a tensor has a name of %zu bytes; 1 to %d are allowed", strlen(name), MAX_NAME);
    if (!(t->name = arena_strdup(s->arena, name)))
        return err_nomem(e, strlen(name), "a tensor name");
    int rc;
    if ((rc = read_dtype(t, entry, e)) || (rc = read_shape(t, entry, e)) || (rc = read_place(t, entry, data, n, e)))
        return err_context(e, "tensor %.100s", name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct st_tensor *)a)->name, ((const struct st_tensor *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *s = *(const struct st_tensor *const *)a, *t = *(const struct st_tensor *const *)b;
    if (s->data != t->data)
        return s->data < t->data ? -1 : 1;
    return (s->bytes > t->bytes) - (s->bytes < t->bytes); /* an empty one lies before its neighbour */
}

/* One after the other from the first byte to the last. */
static int check_places(const struct safetensors *s, const uint8_t *data, size_t n, struct err *e)
{
    const struct st_tensor **order = mem_alloc_n((size_t)s->n_tensors + 1, sizeof *order);
    if (!order)
        return err_nomem(e, ((size_t)s->n_tensors + 1) * sizeof *order, "the order of tensors");
    for (int64_t i = 0; i < s->n_tensors; i++)
        order[i] = &s->tensor[i];
    qsort(order, (size_t)s->n_tensors, sizeof *order, by_place);
    const uint8_t *at = data;
    int rc = 0;
    for (int64_t i = 0; i < s->n_tensors && !rc; i++) {
        if (order[i]->data < at)
            rc = err_set(e, ERR_FORMAT, "tensors %.100s and %.100s overlap in the file", order[i - 1]->name,
                         order[i]->name);
        else if (order[i]->data > at)
            rc = err_set(e, ERR_FORMAT, "there is a hole of %td bytes before tensor %.100s: the file is corrupt",
                         order[i]->data - at, order[i]->name);
        at = order[i]->data + order[i]->bytes;
    }
    if (!rc && at != data + n)
        rc = err_set(e, ERR_FORMAT, "%td bytes follow the last tensor: the file is corrupt", data + n - at);
    mem_free(order);
    return rc;
}

static int read_header(struct safetensors *s, const json_t *header, const uint8_t *data, size_t n, struct err *e)
{
    const char *name;
    json_t *entry;
    if (!json_is_object(header))
        return err_set(e, ERR_FORMAT, "the header is not a JSON object");
    s->tensor = arena_alloc_n(s->arena, json_object_size(header) + 1, sizeof *s->tensor);
    if (!s->tensor)
        return err_nomem(e, json_object_size(header) * sizeof *s->tensor, "tensors");
    json_object_foreach((json_t *)(uintptr_t)header, name, entry)
    {
        if (!strcmp(name, "__metadata__"))
            continue;
        int rc = read_tensor(s, name, entry, data, n, e);
        if (rc)
            return rc;
    }
    int rc = check_places(s, data, n, e);
    if (!rc)
        qsort(s->tensor, (size_t)s->n_tensors, sizeof *s->tensor, by_name);
    return rc;
}

static int parse(struct safetensors *s, const uint8_t *p, size_t n, struct err *e)
{
    if (n < LENGTH_BYTES)
        return err_set(e, ERR_FORMAT, "a file of %zu bytes is no safetensors file", n);
    const uint64_t length = rd_u64le(p);
    if (length > MAX_HEADER || length > n - LENGTH_BYTES)
        return err_set(e, ERR_FORMAT,
                       "no safetensors file, or a truncated one: it claims a header of %llu bytes and "
                       "has %zu",
                       (unsigned long long)length, n - LENGTH_BYTES);
    if (!length || p[LENGTH_BYTES] != '{')
        return err_set(e, ERR_FORMAT, "no safetensors file: its header does not begin with '{'");
    json_t *header;
    int rc = json_parse(&header, (const char *)p + LENGTH_BYTES, (size_t)length, "the header", e);
    if (rc)
        return rc;
    rc = read_header(s, header, p + LENGTH_BYTES + length, n - LENGTH_BYTES - (size_t)length, e);
    json_decref(header);
    return rc;
}

int safetensors_open_memory(struct safetensors **out, const void *p, size_t n, const char *where, struct err *e)
{
    struct safetensors *s = mem_alloc(sizeof *s);
    *out = NULL;
    if (!s || !(s->arena = arena_new()) || !(s->path = mem_strdup(where))) {
        safetensors_close(s);
        return err_nomem(e, sizeof *s, "a safetensors file");
    }
    int rc = parse(s, p, n, e);
    if (rc) {
        safetensors_close(s);
        return err_context(e, "%s", where), rc;
    }
    *out = s;
    return 0;
}

int safetensors_open(struct safetensors **out, const char *path, struct err *e)
{
    struct file_map map;
    *out = NULL;
    int rc = file_map_open(&map, path, e);
    if (rc)
        return rc;
    if ((rc = safetensors_open_memory(out, map.p, map.n, path, e)))
        file_map_close(&map);
    else
        (*out)->map = map;
    return rc;
}

void safetensors_close(struct safetensors *s)
{
    if (!s)
        return;
    if (s->map.p)
        file_map_close(&s->map);
    if (s->arena)
        arena_free(s->arena);
    mem_free(s->path);
    mem_free(s);
}

const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
    const struct st_tensor key = {.name = name};
    return bsearch(&key, s->tensor, (size_t)s->n_tensors, sizeof key, by_name);
}
