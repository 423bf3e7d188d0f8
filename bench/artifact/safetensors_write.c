/* See safetensors_write.h: eight bytes with the length of the header, the header as JSON, the tensors without gaps. */
#include "bench/artifact/safetensors_write.h"

#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/json.h"
#include "base/mem.h"

enum { HEADER_ALIGNMENT = 8 };

struct st_sink {
    struct file_out out;
    const struct st_out *tensor;
    uint64_t left; /* bytes that the tensor still needs */
};

static size_t value_bytes(enum st_dtype d)
{
    static const uint8_t bytes[N_ST_DTYPES] = {
#define X(name, bytes) [ST_##name] = bytes,
        ST_DTYPES(X)
#undef X
    };
    return bytes[d];
}

static int by_width_and_name(const void *a, const void *b)
{
    const struct st_out *x = a, *y = b;
    const size_t n_x = value_bytes(x->dtype), n_y = value_bytes(y->dtype);
    return n_x != n_y ? (n_x < n_y ? 1 : -1) : strcmp(x->name, y->name);
}

static int tensor_bytes(const struct st_out *t, uint64_t *bytes, struct err *e)
{
    size_t n = value_bytes(t->dtype);
    bool fits = t->n_dims >= 0 && t->n_dims <= ST_MAX_DIMS;
    for (int i = 0; i < t->n_dims && fits; i++)
        fits = t->dim[i] >= 0 && mem_mul(n, (size_t)t->dim[i], &n);
    *bytes = n;
    return fits ? 0 : err_set(e, ERR_USAGE, "tensor %s has no shape that can be written", t->name);
}

static int describe(json_t *header, const struct st_out *t, uint64_t from, uint64_t bytes, struct err *e)
{
    json_t *shape = json_array(), *o = json_object();
    for (int i = 0; i < t->n_dims; i++)
        json_array_append_new(shape, json_integer(t->dim[i]));
    json_put(o, "dtype", json_string(st_dtype_name(t->dtype)));
    json_put(o, "shape", shape);
    json_put(o, "data_offsets", json_pack("[II]", (json_int_t)from, (json_int_t)(from + bytes)));
    bool twice = json_object_get(header, t->name);
    if (!twice && !json_object_set_new(header, t->name, o))
        return 0;
    if (twice)
        json_decref(o);
    return err_set(e, ERR_USAGE, "tensor %s %s", t->name, twice ? "is written twice" : "cannot be named in a file");
}

static int make_header(struct sbuf *text, const char *format, const struct st_out *t, int n, struct err *e)
{
    json_t *header = json_object();
    uint64_t at = 0, bytes;
    int rc = header ? 0 : err_nomem(e, 64, "a header");
    json_put(header, "__metadata__", json_pack("{ss}", "format", format));
    for (int i = 0; i < n && !rc; i++, at += bytes)
        if (!(rc = tensor_bytes(&t[i], &bytes, e)))
            rc = describe(header, &t[i], at, bytes, e);
    static const char room[8];
    sbuf_add(text, room, 8);
    json_print(text, header, 0);
    while (!text->failed && text->n % HEADER_ALIGNMENT)
        sbuf_putc(text, ' ');
    if (!rc && text->failed)
        rc = err_nomem(e, text->n, "a header");
    if (!rc)
        wr_u64le(text->p, text->n - 8);
    json_decref(header);
    return rc;
}

static int write_out(struct st_sink *s, const void *p, size_t n, struct err *e)
{
    const int rc = file_out_write(&s->out, p, n);
    if (rc && e)
        *e = s->out.err;
    return rc;
}

int st_put(struct st_sink *s, const void *p, size_t n, struct err *e)
{
    if (n > s->left)
        return err_set(e, ERR_USAGE, "%s: tensor %s is given %llu bytes too many", s->out.path, s->tensor->name,
                       (unsigned long long)(n - s->left));
    s->left -= n;
    return write_out(s, p, n, e);
}

static int put_tensor(struct st_sink *s, const struct st_out *t, st_fill *fill, void *ctx, struct err *e)
{
    s->tensor = t;
    int rc = tensor_bytes(t, &s->left, e);
    if (!rc)
        rc = fill(s, t, ctx, e);
    if (!rc && s->left)
        rc = err_set(e, ERR_USAGE, "%s: tensor %s lacks %llu bytes", s->out.path, t->name, (unsigned long long)s->left);
    return rc;
}

int safetensors_write(const char *path, const char *format, struct st_out *t, int n, st_fill *fill, void *ctx,
                      struct err *e)
{
    struct st_sink s = {0};
    struct sbuf header = {0};
    if (n > 0)
        qsort(t, (size_t)n, sizeof *t, by_width_and_name);
    int rc = make_header(&header, format, t, n, e);
    if (!rc && !(rc = file_out_open(&s.out, path, e))) {
        rc = write_out(&s, header.p, header.n, e);
        for (int i = 0; i < n && !rc; i++)
            rc = put_tensor(&s, &t[i], fill, ctx, e);
        if (!rc)
            rc = file_out_commit(&s.out, e);
        else
            file_out_abort(&s.out);
    }
    sbuf_free(&header);
    return rc;
}
