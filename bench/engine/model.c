/* Opening a model: metadata to numbers, every tensor found, its shape checked against the numbers, its data
 * pointed to. Order: model_open (or _memory, _header, _from_shape) -> model_tensor ... -> model_close. */
#include "bench/engine/model.h"

#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/artifact/hf.h"
#include "bench/engine/arch.h"
#include "bench/engine/model_int.h"

static int *slot(struct model *m, enum tensor_use use, int layer)
{
    return layer < 0 ? &m->by_use[use] : &m->by_layer[(int64_t)layer * N_TENSOR_USES + use];
}

const struct model_tensor *model_tensor(const struct model *m, enum tensor_use use, int layer)
{
    if (tensor_is_per_layer(use) ? layer < 0 || layer >= m->d.n_layer : layer >= 0)
        return NULL;
    int i = *slot((struct model *)m, use, layer);
    return i < 0 ? NULL : &m->d.tensor[i];
}

static int model_new(struct model **out, struct err *e)
{
    struct model *m = mem_alloc(sizeof *m);
    if (!m || !(m->arena = arena_new())) {
        mem_free(m);
        return err_nomem(e, sizeof *m, "a model");
    }
    for (int u = 0; u < N_TENSOR_USES; u++)
        m->by_use[u] = -1;
    *out = m;
    return 0;
}

void model_close(struct model *m)
{
    if (!m)
        return;
    vocab_free(m->vocab);
    gguf_close(m->gguf);
    hf_close(m->folder);
    arena_free(m->arena);
    mem_free(m->path);
    mem_free(m);
}

static int tables_new(struct model *m, int64_t n_tensors, struct err *e)
{
    size_t n = (size_t)m->d.n_layer * N_TENSOR_USES;
    m->by_layer = arena_alloc_n(m->arena, n, sizeof *m->by_layer);
    m->d.tensor = arena_alloc_n(m->arena, (size_t)n_tensors, sizeof *m->d.tensor);
    if (!m->by_layer || !m->d.tensor)
        return err_nomem(e, n * sizeof *m->by_layer, "the table of tensors");
    for (size_t i = 0; i < n; i++)
        m->by_layer[i] = -1;
    return 0;
}

/* The matrix of a tensor of the file: its bytes under its type's codec. */
static int tensor_layout(struct qmat *q, const struct gguf_tensor *t, struct err *e)
{
    const struct codec *c = codec_by_gguf_type((int)t->type);
    if (!c) {
        const char *name = gguf_type_name(t->type);
        return err_set(e, ERR_UNSUPPORTED, "tensor %s has type %s (%u), which this program does not decode", t->name,
                       name ? name : "unknown", (unsigned)t->type);
    }
    int rc = c->layout(q, t->ne[1], t->ne[0], NULL, e);
    if (rc)
        return err_context(e, "tensor %s", t->name);
    if (q->plane[PLANE_CODE].bytes != t->bytes)
        return err_set(e, ERR_FORMAT, "tensor %s holds %zu bytes, its type and shape ask for %zu", t->name, t->bytes,
                       q->plane[PLANE_CODE].bytes);
    q->plane[PLANE_CODE].p = (uint8_t *)(uintptr_t)t->data; /* read-only mapping: nobody writes to src */
    return 0;
}

/* A tensor that the file has: its use, its shape, its bytes; given: the matrix that stands in for them, or NULL. */
static int tensor_add(struct model *m, const struct gguf_tensor *t, const struct qmat *given, struct err *e)
{
    enum tensor_use use;
    int layer;
    char shown[GGUF_SHOWN_BYTES];
    if (!tensor_match(t->name, &use, &layer) || tensor_need(&m->d, use) == NEED_ABSENT)
        return err_set(e, ERR_UNSUPPORTED, "tensor %s is not part of architecture %s as this program runs it",
                       gguf_shown((struct gguf_str){t->name, strlen(t->name)}, shown), m->d.arch->name);
    if (layer >= m->d.n_layer)
        return err_set(e, ERR_FORMAT, "tensor %s lies beyond the %d layers of the metadata", t->name, m->d.n_layer);
    int *at = slot(m, use, layer);
    if (*at >= 0)
        return err_set(e, ERR_FORMAT, "tensor %s occurs twice", t->name);
    int64_t n, k;
    tensor_shape(&m->d, use, &n, &k);
    if (t->ne[0] != k || t->ne[1] != n || t->ne[2] != 1 || t->ne[3] != 1)
        return err_set(e, ERR_FORMAT, "tensor %s is %lld x %lld, the metadata asks for %lld x %lld", t->name,
                       (long long)t->ne[1], (long long)t->ne[0], (long long)n, (long long)k);
    struct qmat q;
    int rc = given ? 0 : tensor_layout(&q, t, e);
    if (rc)
        return rc;
    struct model_tensor *mt = &m->d.tensor[m->d.n_tensors];
    *mt = (struct model_tensor){.name = t->name, .use = use, .layer = layer, .matrix = tensor_is_matrix(use)};
    qmat_share(&mt->src, given ? given : &q);
    mt->src.seg = &mt->src.seg1;
    *at = m->d.n_tensors++;
    m->d.n_params += n * k;
    return 0;
}

static int required_present(const struct model *m, struct err *e)
{
    for (int u = 0; u < N_TENSOR_USES; u++) {
        enum tensor_use use = (enum tensor_use)u;
        if (tensor_need(&m->d, use) != NEED_REQUIRED)
            continue;
        bool per_layer = tensor_is_per_layer(use);
        for (int l = per_layer ? 0 : -1; l < (per_layer ? m->d.n_layer : 0); l++) {
            if (model_tensor(m, use, l))
                continue;
            char name[64];
            if (per_layer)
                snprintf(name, sizeof name, "blk.%d%s", l, tensor_pattern(use) + 6);
            return err_set(e, ERR_FORMAT, "tensor %s is missing", per_layer ? name : tensor_pattern(use));
        }
    }
    return 0;
}

/* The vocabulary's size is the embedding's row count; metadata and tokenizer must agree. */
static int read_vocab_size(struct model *m, struct err *e)
{
    const struct gguf_tensor *t = gguf_find_tensor(m->gguf, "token_embd.weight");
    if (!t)
        return err_set(e, ERR_FORMAT, "tensor token_embd.weight is missing");
    if (t->ne[1] < 1 || t->ne[1] > 1 << 24)
        return err_set(e, ERR_FORMAT, "a vocabulary of %lld tokens is out of bounds", (long long)t->ne[1]);
    m->d.n_vocab = (int)t->ne[1];
    char key[64];
    int64_t n;
    snprintf(key, sizeof key, "%s.vocab_size", m->d.arch->name);
    if (gguf_get_i64(m->gguf, key, &n) && n != m->d.n_vocab)
        return err_set(e, ERR_FORMAT, "metadata key %s is %lld, the embedding has %d rows", key, (long long)n,
                       m->d.n_vocab);
    if (m->vocab && vocab_size(m->vocab) != m->d.n_vocab)
        return err_set(e, ERR_FORMAT, "the tokenizer has %d tokens, the embedding has %d rows",
                       (int)vocab_size(m->vocab), m->d.n_vocab);
    return 0;
}

static int model_read(struct model *m, const struct qmat *mat, struct err *e)
{
    int rc;
    if ((rc = arch_read(&m->d, m->gguf, e)) || (rc = read_vocab_size(m, e)) || (rc = desc_check(&m->d, e)) ||
        (rc = tables_new(m, m->gguf->n_tensors, e)))
        return rc;
    for (int64_t i = 0; i < m->gguf->n_tensors; i++)
        if ((rc = tensor_add(m, &m->gguf->tensor[i], mat && mat[i].codec ? &mat[i] : NULL, e)))
            return rc;
    m->d.tied = m->by_use[USE_OUTPUT] < 0;
    return required_present(m, e);
}

/* Takes over what s holds. */
static int model_from_source(struct model **out, const struct model_source *s, const char *where, bool vocab,
                             struct err *e)
{
    struct model *m = NULL;
    struct gguf *g = s->gguf;
    int rc = model_new(&m, e);
    if (rc) {
        gguf_close(g);
        hf_close(s->folder);
        return rc;
    }
    m->gguf = g;
    m->folder = s->folder;
    m->bytes = g->map.p;
    m->n_bytes = g->map.n;
    m->path = mem_strdup(where);
    if (!m->path)
        rc = err_nomem(e, strlen(where), "a path");
    int64_t n_parts = 1;
    if (rc == 0 && gguf_get_i64(g, "split.count", &n_parts) && n_parts > 1)
        rc = err_set(e, ERR_UNSUPPORTED, "this is one of %lld parts: merge them first (llama-gguf-split --merge)",
                     (long long)n_parts);
    if (rc == 0 && vocab)
        rc = vocab_load(&m->vocab, g, e);
    if (rc == 0)
        rc = model_read(m, s->mat, e);
    if (rc) {
        model_close(m);
        return err_context(e, "%s", where), rc;
    }
    *out = m;
    return 0;
}

static int open_path(struct model **out, const char *path, const struct gguf_open_opts *opts, bool vocab, struct err *e)
{
    struct model_source s = {0};
    int rc = dir_exists(path) ? model_hf_open(&s, path, vocab, e) : gguf_open(&s.gguf, path, opts, e);
    return rc ? rc : model_from_source(out, &s, path, vocab, e);
}

int model_open(struct model **out, const char *path, struct err *e)
{
    return open_path(out, path, NULL, true, e);
}

int model_open_header(struct model **out, const char *path, struct err *e)
{
    const struct gguf_open_opts opts = {.header_only = true};
    size_t n = strlen(path);
    if (n > 5 && !strcmp(path + n - 5, ".json") && !dir_exists(path))
        return model_config_open(out, path, e);
    return open_path(out, path, &opts, false, e);
}

int model_open_memory(struct model **out, const void *p, size_t n, const char *where, struct err *e)
{
    struct model_source s = {0};
    int rc = gguf_open_memory(&s.gguf, p, n, where, NULL, e);
    if (rc || (rc = model_from_source(out, &s, where, true, e)))
        return rc;
    (*out)->bytes = p;
    (*out)->n_bytes = n;
    return 0;
}

/* ---- a shape without a file ---- */

static int shape_tensor(struct model *m, enum tensor_use use, int layer, struct err *e)
{
    struct model_tensor *t = &m->d.tensor[m->d.n_tensors];
    *t = (struct model_tensor){.use = use, .layer = layer, .matrix = tensor_is_matrix(use)};
    const char *pattern = tensor_pattern(use);
    t->name = layer < 0 ? pattern : arena_printf(m->arena, "blk.%d%s", layer, pattern + 6);
    if (!t->name)
        return err_nomem(e, 64, "a tensor name");
    int64_t n, k;
    tensor_shape(&m->d, use, &n, &k);
    const struct codec *c = codec_find(t->matrix ? "f16" : "f32");
    if (!c)
        return err_set(e, ERR_UNSUPPORTED, "no codec for plain floats");
    int rc = c->layout(&t->src, n, k, NULL, e);
    if (rc)
        return err_context(e, "tensor %s", t->name);
    t->src.seg = &t->src.seg1;
    *slot(m, use, layer) = m->d.n_tensors++;
    m->d.n_params += n * k;
    return 0;
}

static bool shape_has(const struct model_desc *d, enum tensor_use use)
{
    return use == USE_OUTPUT ? !d->tied : tensor_need(d, use) == NEED_REQUIRED;
}

int model_from_shape(struct model **out, const struct model_desc *shape, struct err *e)
{
    struct model *m = NULL;
    int rc = desc_check(shape, e);
    if (rc || (rc = model_new(&m, e)))
        return rc;
    m->d = *shape;
    m->d.n_tensors = 0;
    m->d.n_params = 0;
    rc = tables_new(m, (int64_t)(shape->n_layer + 1) * N_TENSOR_USES, e);
    for (int l = -1; l < shape->n_layer && rc == 0; l++)
        for (int u = 0; u < N_TENSOR_USES && rc == 0; u++)
            if (tensor_is_per_layer((enum tensor_use)u) == (l >= 0) && shape_has(shape, (enum tensor_use)u))
                rc = shape_tensor(m, (enum tensor_use)u, l, e);
    if (rc) {
        model_close(m);
        return rc;
    }
    *out = m;
    return 0;
}

int model_hash(struct model *m, struct err *e)
{
    if (m->folder)
        return m->sha256[0] ? 0 : hf_hash(m->folder, m->sha256, e);
    if (!m->bytes)
        return err_set(e, ERR_USAGE, "a synthesized shape has no file to hash");
    if (m->sha256[0])
        return 0;
    if (m->gguf && m->gguf->map.p) /* by reading, not through the map: a large one is not to stay in memory */
        return sha256_file(m->path, m->sha256, e);
    sha256_hex(m->bytes, m->n_bytes, m->sha256);
    return 0;
}
