/* GGUF v3 writer: the same calls give the same bytes. The layout is the one that ggml insists on: tensors in declared
 * order, each padded to the alignment. The file carries its final name only when every byte is there. */
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "bench/artifact/gguf_int.h"

enum { GGML_MAX_NAME = 63 };          /* llama.cpp refuses files with longer tensor names */

struct out_tensor {
    char name[GGML_MAX_NAME + 1];
    uint32_t type;
    int n_dims;
    int64_t ne[4];
    size_t bytes;
};
struct out_key {                      /* where its name stands in kv */
    size_t at, n;
};
struct gguf_writer {
    struct file_out out;
    struct sbuf kv;
    struct out_key *key;
    struct out_tensor *tensor;
    size_t n_keys, cap_keys, n_tensors, cap_tensors;
    size_t alignment;
    bool begun;
    size_t i_tensor, done;            /* the tensor being written and its bytes so far */
};

static void add_u32(struct sbuf *b, uint32_t v)
{
    uint8_t p[4];
    wr_u32le(p, v);
    sbuf_add(b, p, 4);
}

static void add_u64(struct sbuf *b, uint64_t v)
{
    uint8_t p[8];
    wr_u64le(p, v);
    sbuf_add(b, p, 8);
}

static void add_str(struct sbuf *b, const char *s, size_t n)
{
    add_u64(b, n);
    sbuf_add(b, s, n);
}

static void writer_free(struct gguf_writer *w)
{
    sbuf_free(&w->kv);
    mem_free(w->key);
    mem_free(w->tensor);
    mem_free(w);
}

int gguf_writer_new(struct gguf_writer **out, const char *path, struct err *e)
{
    *out = NULL;
    struct gguf_writer *w = mem_alloc(sizeof *w);
    if (!w)
        return err_nomem(e, sizeof *w, "a GGUF writer");
    w->alignment = GGUF_DEFAULT_ALIGNMENT;
    const int rc = file_out_open(&w->out, path, e);
    if (rc)
        writer_free(w);
    else
        *out = w;
    return rc;
}

void gguf_writer_abort(struct gguf_writer *w)
{
    if (!w)
        return;
    file_out_abort(&w->out);
    writer_free(w);
}

/* Room for one more; false when out of memory. */
static bool grow(void **p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    const size_t more = *cap ? *cap * 2 : 64;
    size_t bytes;
    void *q = mem_mul(more, size, &bytes) ? mem_resize(*p, bytes) : NULL;
    if (!q)
        return false;
    *p = q;
    *cap = more;
    return true;
}

/* The head of a key: name and type; the caller appends the value. */
static int add_key(struct gguf_writer *w, const char *key, size_t n, enum gguf_value_type type, struct err *e)
{
    void *p = w->key;
    if (w->begun)
        return err_set(e, ERR_USAGE, "%s: a key was added after the header was written", w->out.path);
    const bool ok = grow(&p, w->n_keys, &w->cap_keys, sizeof *w->key);
    w->key = p;
    if (!ok)
        return err_nomem(e, n, "a GGUF key");
    add_u64(&w->kv, n);
    w->key[w->n_keys++] = (struct out_key){w->kv.n, n};
    sbuf_add(&w->kv, key, n);
    add_u32(&w->kv, type);
    return 0;
}

static int key_done(const struct gguf_writer *w, struct err *e)
{
    return w->kv.failed ? err_nomem(e, w->kv.n, "the keys of a GGUF file") : 0;
}

static bool is_skipped(struct gguf_str key, const char *const *skip)
{
    for (; skip && *skip; skip++)
        if (strlen(*skip) == key.n && !memcmp(*skip, key.p, key.n))
            return true;
    return false;
}

int gguf_writer_copy_kv(struct gguf_writer *w, const struct gguf *src, const char *const *skip, struct err *e)
{
    static const struct gguf_str alignment = {"general.alignment", 17};
    for (int64_t i = 0; i < src->n_kv; i++) {
        const struct gguf_kv *kv = &src->kv[i];
        if (is_skipped(kv->key, skip))
            continue;
        const int rc = add_key(w, kv->key.p, kv->key.n, kv->type, e);
        if (rc)
            return rc;
        if (kv->type == GGUF_ARRAY) {
            add_u32(&w->kv, kv->elem_type);
            add_u64(&w->kv, kv->count);
        }
        sbuf_add(&w->kv, kv->data, kv->bytes);
        if (kv->key.n == alignment.n && !memcmp(kv->key.p, alignment.p, alignment.n))
            w->alignment = src->alignment;
    }
    return key_done(w, e);
}

int gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t v, struct err *e)
{
    if (!strcmp(key, "general.alignment")) {
        if (!v || (v & (v - 1)))
            return err_set(e, ERR_USAGE, "%s: an alignment of %u is not a power of two", w->out.path, v);
        w->alignment = v;
    }
    const int rc = add_key(w, key, strlen(key), GGUF_U32, e);
    if (rc)
        return rc;
    add_u32(&w->kv, v);
    return key_done(w, e);
}

int gguf_writer_f32(struct gguf_writer *w, const char *key, float v, struct err *e)
{
    const int rc = add_key(w, key, strlen(key), GGUF_F32, e);
    if (rc)
        return rc;
    add_u32(&w->kv, f32_bits(v));
    return key_done(w, e);
}

int gguf_writer_str(struct gguf_writer *w, const char *key, const char *v, struct err *e)
{
    const int rc = add_key(w, key, strlen(key), GGUF_STRING, e);
    if (rc)
        return rc;
    add_str(&w->kv, v, strlen(v));
    return key_done(w, e);
}

int gguf_writer_strings(struct gguf_writer *w, const char *key, const char *const *v, size_t n, struct err *e)
{
    const int rc = add_key(w, key, strlen(key), GGUF_ARRAY, e);
    if (rc)
        return rc;
    add_u32(&w->kv, GGUF_STRING);
    add_u64(&w->kv, n);
    for (size_t i = 0; i < n; i++)
        add_str(&w->kv, v[i], strlen(v[i]));
    return key_done(w, e);
}

int gguf_writer_tensor(struct gguf_writer *w, const char *name, uint32_t type, int n_dims, const int64_t *ne,
                       struct err *e)
{
    struct out_tensor t = {.type = type, .n_dims = n_dims, .ne = {1, 1, 1, 1}};
    const size_t n = strlen(name);
    if (w->begun)
        return err_set(e, ERR_USAGE, "%s: a tensor was declared after the header was written", w->out.path);
    if (n == 0 || n > GGML_MAX_NAME)
        return err_set(e, ERR_USAGE, "%s: the tensor name '%s' has %zu bytes; GGUF allows 1 to %d", w->out.path, name,
                       n, GGML_MAX_NAME);
    if (n_dims < 0 || n_dims > 4)
        return err_set(e, ERR_USAGE, "%s: tensor '%s' has %d dimensions; GGUF allows 4", w->out.path, name, n_dims);
    memcpy(t.name, name, n);
    for (int i = 0; i < n_dims; i++)
        if ((t.ne[i] = ne[i]) < 1)
            return err_set(e, ERR_USAGE, "%s: dimension %d of tensor '%s' is %lld", w->out.path, i, name,
                           (long long)ne[i]);
    const int rc = gguf_tensor_bytes(type, n_dims, t.ne, &t.bytes, e);
    if (rc)
        return e ? err_context(e, "%s: tensor '%s'", w->out.path, name) : rc;
    void *p = w->tensor;
    const bool ok = grow(&p, w->n_tensors, &w->cap_tensors, sizeof t);
    w->tensor = p;
    if (!ok)
        return err_nomem(e, sizeof t, "a GGUF tensor");
    w->tensor[w->n_tensors++] = t;
    return 0;
}

static int refuse_doubles(const struct gguf_writer *w, struct gguf_str *names, size_t n, const char *what,
                          struct err *e)
{
    char shown[GGUF_SHOWN_BYTES];
    const int64_t i = gguf_find_double(names, (int64_t)n);
    return i < (int64_t)n ? err_set(e, ERR_USAGE, "%s: %s '%s' was given twice", w->out.path, what,
                                    gguf_shown(names[i], shown))
                          : 0;
}

static int check_names(const struct gguf_writer *w, struct err *e)
{
    const size_t most = w->n_keys > w->n_tensors ? w->n_keys : w->n_tensors;
    struct gguf_str *names = mem_alloc_n(most, sizeof *names);
    if (!names)
        return err_nomem(e, most * sizeof *names, "the names of a GGUF file");
    for (size_t i = 0; i < w->n_keys; i++)
        names[i] = (struct gguf_str){w->kv.p + w->key[i].at, w->key[i].n};
    int rc = refuse_doubles(w, names, w->n_keys, "key", e);
    for (size_t i = 0; i < w->n_tensors; i++)
        names[i] = (struct gguf_str){w->tensor[i].name, strlen(w->tensor[i].name)};
    if (!rc)
        rc = refuse_doubles(w, names, w->n_tensors, "tensor", e);
    mem_free(names);
    return rc;
}

static size_t padding(const struct gguf_writer *w, uint64_t n)
{
    return (size_t)((w->alignment - n % w->alignment) % w->alignment);
}

static int write_out(struct gguf_writer *w, const void *p, size_t n, struct err *e)
{
    const int rc = file_out_write(&w->out, p, n);
    if (rc && e)
        *e = w->out.err;
    return rc;
}

/* Zeros up to the next multiple of the alignment. */
static int write_padding(struct gguf_writer *w, struct err *e)
{
    static const uint8_t zeros[4096];
    int rc = 0;
    for (size_t n = padding(w, w->out.bytes), piece; n && !rc; n -= piece) {
        piece = n < sizeof zeros ? n : sizeof zeros;
        rc = write_out(w, zeros, piece, e);
    }
    return rc;
}

static void add_tensors(const struct gguf_writer *w, struct sbuf *b)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const struct out_tensor *t = &w->tensor[i];
        add_str(b, t->name, strlen(t->name));
        add_u32(b, (uint32_t)t->n_dims);
        for (int d = 0; d < t->n_dims; d++)
            add_u64(b, (uint64_t)t->ne[d]);
        add_u32(b, t->type);
        add_u64(b, offset);
        offset += t->bytes + padding(w, t->bytes);
    }
}

int gguf_writer_begin(struct gguf_writer *w, struct err *e)
{
    struct sbuf b = {0};
    if (w->begun)
        return err_set(e, ERR_USAGE, "%s: the header was written twice", w->out.path);
    int rc = key_done(w, e);
    if (rc || (rc = check_names(w, e)))
        return rc;
    w->begun = true;
    sbuf_puts(&b, "GGUF");
    add_u32(&b, 3);
    add_u64(&b, w->n_tensors);
    add_u64(&b, w->n_keys);
    sbuf_add(&b, w->kv.p, w->kv.n);
    add_tensors(w, &b);
    rc = b.failed ? err_nomem(e, b.n, "a GGUF header") : write_out(w, b.p, b.n, e);
    sbuf_free(&b);
    return rc ? rc : write_padding(w, e);
}

int gguf_writer_data(struct gguf_writer *w, const void *p, size_t n, struct err *e)
{
    if (!w->begun || w->i_tensor == w->n_tensors)
        return err_set(e, ERR_USAGE, "%s: tensor data %s", w->out.path,
                       w->begun ? "after the last tensor" : "before the header");
    const struct out_tensor *t = &w->tensor[w->i_tensor];
    if (n > t->bytes - w->done)
        return err_set(e, ERR_USAGE, "%s: tensor '%s' takes %zu bytes, but %zu came after the first %zu", w->out.path,
                       t->name, t->bytes, n, w->done);
    int rc = write_out(w, p, n, e);
    w->done += n;
    if (rc || w->done < t->bytes)
        return rc;
    w->i_tensor++;
    w->done = 0;
    return write_padding(w, e);
}

int gguf_writer_finish(struct gguf_writer *w, struct err *e)
{
    int rc = 0;
    if (!w->begun)
        rc = gguf_writer_begin(w, e);
    if (!rc && w->i_tensor < w->n_tensors)
        rc = err_set(e, ERR_USAGE, "%s: tensor '%s' has %zu of its %zu bytes", w->out.path,
                     w->tensor[w->i_tensor].name, w->done, w->tensor[w->i_tensor].bytes);
    if (rc) {
        gguf_writer_abort(w);
        return rc;
    }
    rc = file_out_commit(&w->out, e);
    writer_free(w);
    return rc;
}
