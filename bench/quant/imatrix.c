/* Reading and writing importance matrices (imatrix.h).
 *
 * GGUF: tensors NAME.in_sum2 [k] and NAME.counts [1], F32; keys imatrix.datasets, .chunk_count, .chunk_size.
 * .dat, little-endian: i32 entries; each i32 length, name, i32 chunks, i32 k, f32 value[k] = mean * chunks;
 * then i32 chunks of the whole run, i32 length, data set. The end after the entries may be missing. */
#include "bench/quant/imatrix.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "base/sbuf.h"

enum { TYPE_F32 = 0, MAX_NAME = 127, DEFAULT_CHUNK = 512 };
static const char sums_suffix[] = ".in_sum2", counts_suffix[] = ".counts";

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static int find_matrix(const struct model_desc *d, const char *name)
{
    for (int i = 0; i < d->n_tensors; i++)
        if (d->tensor[i].matrix && strcmp(d->tensor[i].name, name) == 0)
            return i;
    return -1;
}

/* One entry: sums (scaled by `scale`) over n_rows rows into the statistics of tensor i. */
static int take_entry(struct calibration *c, int i, const uint8_t *values, int64_t k, double n_rows, double scale,
                      struct err *e)
{
    const struct model_tensor *t = &c->d->tensor[i];
    struct calib_input *in = &c->input[c->input_of[i]];
    if (k != in->k)
        return err_set(e, ERR_FORMAT, "%s has %lld columns there and %lld in the model: it is of another model",
                       t->name, (long long)k, (long long)in->k);
    if (!(n_rows >= 0 && n_rows <= 0x1p53))
        return err_set(e, ERR_FORMAT, "the count of %s is not a number of rows", t->name);
    for (int64_t j = 0; j < k; j++) {
        double v = (double)f32_from_bits(rd_u32le(values + 4 * j));
        if (!isfinite(v) || v < 0)
            return err_set(e, ERR_FORMAT, "value %lld of %s is not a mean of squares", (long long)j, t->name);
        in->squares[j] = v * scale;
    }
    in->n_rows = (int64_t)n_rows;
    return 0;
}

static int read_gguf(struct calibration *c, const struct gguf *g, struct err *e)
{
    int n_found = 0;
    for (int64_t i = 0; i < g->n_tensors; i++) {
        const struct gguf_tensor *sums = &g->tensor[i], *counts;
        char name[MAX_NAME + 1];
        if (!ends_with(sums->name, sums_suffix))
            continue;
        size_t n = strlen(sums->name) - strlen(sums_suffix);
        snprintf(name, sizeof name, "%.*s%s", (int)n, sums->name, counts_suffix);
        counts = gguf_find_tensor(g, name);
        name[n] = 0;
        if (!counts || counts->type != TYPE_F32 || sums->type != TYPE_F32 || !counts->data || !sums->data)
            return err_set(e, ERR_FORMAT, "%s needs sums and counts, both F32", name);
        int at = find_matrix(c->d, name);
        if (at < 0)
            continue;
        if (sums->ne[1] != 1 || sums->ne[2] != 1 || sums->ne[3] != 1 || counts->ne[0] != 1)
            return err_set(e, ERR_UNSUPPORTED, "%s has importances per expert, the model has none", name);
        double rows = (double)f32_from_bits(rd_u32le(counts->data));
        int rc = take_entry(c, at, sums->data, sums->ne[0], rows, 1, e);
        if (rc < 0)
            return rc;
        n_found++;
    }
    int64_t v;
    struct gguf_str s;
    const struct gguf_kv *sets = gguf_find(g, "imatrix.datasets");
    c->n_chunks = gguf_get_i64(g, "imatrix.chunk_count", &v) && v > 0 && v < INT32_MAX ? (int)v : 0;
    c->chunk_size = gguf_get_i64(g, "imatrix.chunk_size", &v) && v > 0 && v < INT32_MAX ? (int)v : 0;
    s = sets && sets->strings && sets->count > 0 ? sets->strings[0] : (struct gguf_str){"", 0};
    snprintf(c->dataset, sizeof c->dataset, "%.*s", (int)(s.n < 255 ? s.n : 255), s.p);
    return n_found;
}

struct reader {
    const uint8_t *p;
    size_t n, at;
};

static bool read_i32(struct reader *r, int64_t *out)
{
    if (r->n - r->at < 4)
        return false;
    *out = (int32_t)rd_u32le(r->p + r->at);
    r->at += 4;
    return true;
}

static const uint8_t *read_bytes(struct reader *r, int64_t n)
{
    if (n < 0 || (uint64_t)n > r->n - r->at)
        return NULL;
    r->at += (size_t)n;
    return r->p + r->at - n;
}

static int read_dat(struct calibration *c, struct reader *r, struct err *e)
{
    int64_t n_entries, length, chunks, k;
    int n_found = 0;
    if (!read_i32(r, &n_entries) || n_entries < 1)
        return err_set(e, ERR_FORMAT, "neither a GGUF file nor an older importance matrix");
    c->chunk_size = DEFAULT_CHUNK; /* not stored */
    for (int64_t i = 0; i < n_entries; i++) {
        const uint8_t *text = read_i32(r, &length) && length <= MAX_NAME ? read_bytes(r, length) : NULL;
        const uint8_t *values = text && read_i32(r, &chunks) && read_i32(r, &k) && k > 0 ? read_bytes(r, 4 * k) : NULL;
        if (!values || chunks < 0)
            return err_set(e, ERR_FORMAT, "entry %lld of %lld is cut short or malformed", (long long)i + 1,
                           (long long)n_entries);
        char name[MAX_NAME + 1] = {0};
        memcpy(name, text, (size_t)length);
        int at = find_matrix(c->d, name);
        if (at < 0)
            continue;
        int rc = take_entry(c, at, values, k, (double)chunks * DEFAULT_CHUNK, DEFAULT_CHUNK, e);
        if (rc < 0)
            return rc;
        n_found++;
    }
    c->n_chunks = read_i32(r, &chunks) && chunks > 0 ? (int)chunks : 0;
    const uint8_t *set = read_i32(r, &length) ? read_bytes(r, length) : NULL;
    if (set)
        snprintf(c->dataset, sizeof c->dataset, "%.*s", (int)(length < 255 ? length : 255), (const char *)set);
    return n_found;
}

static int read_form(struct calibration *c, const void *p, size_t n, struct err *e)
{
    struct reader r = {p, n, 0};
    struct gguf *g;
    if (n < 4 || memcmp(p, "GGUF", 4) != 0)
        return read_dat(c, &r, e);
    int rc = gguf_open_memory(&g, p, n, "GGUF", NULL, e);
    if (rc < 0)
        return rc;
    rc = read_gguf(c, g, e);
    gguf_close(g);
    return rc;
}

int imatrix_read_memory(struct calibration **out, const void *p, size_t n, const char *where,
                        const struct model_desc *d, struct err *e)
{
    struct calibration *c;
    *out = NULL;
    int rc = calibration_new(&c, d, CALIB_SQUARES, false, e);
    if (rc < 0)
        return rc;
    rc = read_form(c, p, n, e);
    if (rc == 0)
        rc = err_set(e, ERR_FORMAT, "it names no matrix of %s: it is of another model", d->name);
    if (rc < 0) {
        calibration_free(c);
        return e ? err_context(e, "importance matrix %s", where) : rc;
    }
    calibration_finish(c);
    *out = c;
    return 0;
}

int imatrix_read(struct calibration **out, const char *path, const struct model_desc *d, struct err *e)
{
    struct file_map map;
    *out = NULL;
    int rc = file_map_open(&map, path, e);
    if (rc < 0)
        return rc;
    rc = imatrix_read_memory(out, map.p, map.n, path, d, e);
    file_map_close(&map);
    return rc;
}

struct entry {
    const char *name;
    const struct calib_input *in;
};

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* What is known, in the order of llama-imatrix, by name; mem_free. NULL when out of memory. */
static struct entry *entries_new(const struct calibration *c, int *n)
{
    struct entry *list = mem_alloc_n((size_t)c->d->n_tensors, sizeof *list);
    *n = 0;
    for (int i = 0; list && i < c->d->n_tensors; i++)
        if (c->tensor[i] && c->tensor[i]->importance)
            list[(*n)++] = (struct entry){c->d->tensor[i].name, &c->input[c->input_of[i]]};
    if (list)
        qsort(list, (size_t)*n, sizeof *list, by_name);
    return list;
}

static int declare_tensors(struct gguf_writer *w, const struct entry *list, int n, struct err *e)
{
    static const int64_t one = 1;
    char name[160];
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        snprintf(name, sizeof name, "%s%s", list[i].name, sums_suffix);
        rc = gguf_writer_tensor(w, name, TYPE_F32, 1, &list[i].in->k, e);
        snprintf(name, sizeof name, "%s%s", list[i].name, counts_suffix);
        if (rc == 0)
            rc = gguf_writer_tensor(w, name, TYPE_F32, 1, &one, e);
    }
    return rc < 0 ? rc : gguf_writer_begin(w, e);
}

static int write_f32(struct gguf_writer *w, double v, struct err *e)
{
    uint8_t b[4];
    wr_u32le(b, f32_bits((float)v));
    return gguf_writer_data(w, b, sizeof b, e);
}

static int write_tensors(struct gguf_writer *w, const struct entry *list, int n, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        const struct calib_input *in = list[i].in;
        for (int64_t j = 0; j < in->k && rc == 0; j++)
            rc = write_f32(w, in->squares[j], e);
        if (rc == 0)
            rc = write_f32(w, (double)in->n_rows, e);
    }
    return rc;
}

static int write_gguf(const char *path, const struct calibration *c, const struct entry *list, int n, struct err *e)
{
    const char *dataset = c->dataset;
    struct gguf_writer *w;
    int rc = gguf_writer_new(&w, path, e);
    if (rc < 0)
        return rc;
    rc = gguf_writer_str(w, "general.type", "imatrix", e);
    if (rc == 0)
        rc = gguf_writer_strings(w, "imatrix.datasets", &dataset, 1, e);
    if (rc == 0)
        rc = gguf_writer_u32(w, "imatrix.chunk_count", (uint32_t)c->n_chunks, e);
    if (rc == 0)
        rc = gguf_writer_u32(w, "imatrix.chunk_size", (uint32_t)c->chunk_size, e);
    if (rc == 0)
        rc = declare_tensors(w, list, n, e);
    if (rc == 0)
        rc = write_tensors(w, list, n, e);
    if (rc == 0)
        return gguf_writer_finish(w, e);
    gguf_writer_abort(w);
    return rc;
}

static void put_i32(struct sbuf *b, int64_t v)
{
    uint8_t p[4];
    wr_u32le(p, (uint32_t)v);
    sbuf_add(b, p, sizeof p);
}

static void put_entry(struct sbuf *b, const struct entry *entry, int chunk_size)
{
    const struct calib_input *in = entry->in;
    int64_t chunks = (in->n_rows + chunk_size - 1) / chunk_size;
    put_i32(b, (int64_t)strlen(entry->name));
    sbuf_puts(b, entry->name);
    put_i32(b, chunks);
    put_i32(b, in->k);
    for (int64_t j = 0; j < in->k; j++)
        put_i32(b, f32_bits(in->stat.importance[j] * (float)chunks));
}

static int write_dat(const char *path, const struct calibration *c, const struct entry *list, int n, struct err *e)
{
    struct sbuf b = {0};
    put_i32(&b, n);
    for (int i = 0; i < n; i++)
        put_entry(&b, &list[i], c->chunk_size > 0 ? c->chunk_size : DEFAULT_CHUNK);
    put_i32(&b, c->n_chunks);
    put_i32(&b, (int64_t)strlen(c->dataset));
    sbuf_puts(&b, c->dataset);
    int rc = b.failed ? err_nomem(e, b.n, "an importance matrix") : file_write(path, b.p, b.n, e);
    sbuf_free(&b);
    return rc;
}

int imatrix_write(const char *path, const struct calibration *c, struct err *e)
{
    int n;
    struct entry *list = entries_new(c, &n);
    if (!list)
        return err_nomem(e, (size_t)c->d->n_tensors * sizeof *list, "an importance matrix");
    int rc = n == 0                    ? err_set(e, ERR_USAGE, "%s: there are no activation statistics to write", path)
             : ends_with(path, ".dat") ? write_dat(path, c, list, n, e)
                                       : write_gguf(path, c, list, n, e);
    mem_free(list);
    return rc;
}
