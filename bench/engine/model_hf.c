/* A Hugging Face folder as a model: its tensors under GGUF's names and in GGUF's order of rows, so that the rest of the
 * program, exported files included, cannot tell the difference. Plain matrices stay in the mapped files, but for q and
 * k of Llama, whose rotation GGUF has in neighbours and the folder in halves. */
#include <stdio.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/hf.h"
#include "bench/engine/hf_names.h"
#include "bench/engine/model_int.h"

enum { MAX_LAYERS = 1024, GGUF_F16_TYPE = 1 };

struct reading {
    struct hf *h;
    struct gguf_build *b;
    const struct arch *arch;
    const char *prefix; /* of all modules but the head */
    struct qmat *mat;   /* [n_max] in the order of tensors; codec NULL: a vector */
    int64_t n_max, n_layer, n_head, n_head_kv, head_dim;
    struct model_desc d; /* what config.json makes of the shapes */
};

/* Models of text and images have their text part below another name. */
static const char *find_prefix(struct hf *h)
{
    static const char *const known[] = {"model.", "language_model.model.", "model.language_model.", ""};
    char name[128];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        snprintf(name, sizeof name, "%sembed_tokens.weight", known[i]);
        if (hf_tensor(h, name))
            return known[i];
    }
    return NULL;
}

/* From halves to neighbours: row 2i + j of a head is row j * head_dim/2 + i of the folder's. */
static int pair_rows(struct reading *r, const uint8_t **data, int64_t n, int64_t n_head, size_t row_bytes)
{
    const int64_t half = r->head_dim / 2;
    size_t bytes;
    if (n_head < 1 || half < 1 || n != n_head * half * 2)
        return err_set(r->b->e, ERR_FORMAT, "%lld rows are not %lld heads of %lld", (long long)n, (long long)n_head,
                       (long long)r->head_dim);
    uint8_t *p = mem_mul((size_t)n, row_bytes, &bytes) ? arena_alloc(r->b->g->arena, bytes) : NULL;
    if (!p)
        return err_nomem(r->b->e, (size_t)n * row_bytes, "rows in another order");
    for (int64_t i = 0; i < n; i++) {
        int64_t head = i / (2 * half), at = i % (2 * half), from = head * 2 * half + (at % 2) * half + at / 2;
        memcpy(p + (size_t)i * row_bytes, *data + (size_t)from * row_bytes, row_bytes);
    }
    *data = p;
    return 0;
}

/* Scales of scales run through the rows of a matrix (bitsandbytes): such rows cannot change places. The decoded ones,
 * which are halves, can. */
static int untie_rows(struct reading *r, struct qmat *q)
{
    struct qmat plain;
    if (!q->plane[PLANE_BIAS].bytes || q->plane[PLANE_BIAS].row_stride)
        return 0;
    float *row = mem_alloc_n((size_t)q->k, sizeof *row);
    int rc = row ? codec_find("f16")->layout(&plain, q->n, q->k, NULL, r->b->e)
                 : err_nomem(r->b->e, (size_t)q->k * sizeof *row, "a row of weights");
    if (!rc && !(plain.plane[PLANE_CODE].p = arena_alloc(r->b->g->arena, plain.plane[PLANE_CODE].bytes)))
        rc = err_nomem(r->b->e, plain.plane[PLANE_CODE].bytes, "decoded weights");
    for (int64_t i = 0; i < q->n && !rc; i++) {
        q->codec->decode(row, q, i, i + 1);
        rc = plain.codec->encode(&plain, i, i + 1, row, NULL, NULL, NULL);
    }
    mem_free(row);
    if (!rc)
        qmat_share(q, &plain);
    return rc;
}

static int pair_matrix(struct reading *r, struct qmat *q, int64_t n_head)
{
    int rc = untie_rows(r, q);
    for (int p = 0; p < N_PLANES && !rc; p++)
        if (q->plane[p].bytes && q->plane[p].row_stride) {
            const uint8_t *data = q->plane[p].p;
            rc = pair_rows(r, &data, q->n, n_head, q->plane[p].row_stride);
            q->plane[p].p = (uint8_t *)(uintptr_t)data;
        }
    return rc;
}

static int64_t paired_heads(const struct reading *r, enum hf_change c)
{
    if (!r->h->arch->pairs_qk || (c != HF_ROWS_Q && c != HF_ROWS_K))
        return 0;
    return c == HF_ROWS_Q ? r->n_head : r->n_head_kv;
}

/* Decoded matrices (halves) of packages that pad them: a copy of what the model has. */
static int cut_padding(struct reading *r, struct qmat *q, enum tensor_use use)
{
    struct qmat cut;
    int64_t n, k;
    tensor_shape(&r->d, use, &n, &k);
    bool padded = q->n == hf_padded(r->h, n) && q->k == hf_padded(r->h, k) && (q->n != n || q->k != k);
    if (!padded || n < 1 || k < 1 || q->codec != codec_find("f16"))
        return 0;
    int rc = q->codec->layout(&cut, n, k, NULL, r->b->e);
    uint8_t *p = rc ? NULL : arena_alloc(r->b->g->arena, cut.plane[PLANE_CODE].bytes);
    if (!p)
        return rc ? rc : err_nomem(r->b->e, cut.plane[PLANE_CODE].bytes, "weights without padding");
    for (int64_t i = 0; i < n; i++)
        memcpy(p + 2 * i * k, q->plane[PLANE_CODE].p + 2 * i * q->k, 2 * (size_t)k);
    cut.plane[PLANE_CODE].p = p;
    qmat_share(q, &cut);
    return 0;
}

/* GGUF has no type for most codecs of folders: their place in the list holds the matrix instead. */
static int add_matrix(struct reading *r, const char *module, enum tensor_use use, enum hf_change change,
                      const char *name)
{
    struct qmat q;
    int rc = hf_read_matrix(&q, r->h, module, r->b->g->arena, r->b->e);
    int64_t heads = paired_heads(r, change);
    if (rc || (rc = cut_padding(r, &q, use)))
        return rc;
    q.seg = &q.seg1;
    if (heads && (rc = pair_matrix(r, &q, heads)))
        return err_context(r->b->e, "%s", module), rc;
    if (r->b->g->n_tensors >= r->n_max)
        return err_set(r->b->e, ERR_LIMIT, "more than %lld tensors", (long long)r->n_max);
    qmat_share(&r->mat[r->b->g->n_tensors], &q);
    bool plain = q.codec->gguf_type >= 0;
    build_tensor(r->b, name, plain ? (uint32_t)q.codec->gguf_type : GGUF_F16_TYPE, 2, q.n, q.k,
                 plain ? q.plane[PLANE_CODE].p : NULL);
    return r->b->rc;
}

/* Vectors are few and small: f32, as GGUF has them. */
static int add_vector(struct reading *r, const struct st_tensor *t, enum hf_change change, const char *name)
{
    float *v = t->n > 0 ? arena_alloc_n(r->b->g->arena, (size_t)t->n, sizeof *v) : NULL;
    if (t->n_dims != 1 || t->n < 1)
        return err_set(r->b->e, ERR_FORMAT, "tensor %.100s is no vector", t->name);
    if (!v)
        return err_nomem(r->b->e, (size_t)t->n * sizeof *v, t->name);
    int rc = hf_read_f32(v, t, r->b->e);
    for (int64_t i = 0; i < t->n && change == HF_NORM && r->h->arch->norm_plus_one; i++)
        v[i] += 1;
    for (int64_t i = 0; i < t->n; i++) /* as bytes of a file: little-endian */
        wr_u32le(&v[i], f32_bits(v[i]));
    int64_t heads = paired_heads(r, change);
    const uint8_t *data = (const uint8_t *)v;
    if (!rc && heads && (rc = pair_rows(r, &data, t->n, heads, sizeof *v)))
        err_context(r->b->e, "tensor %.100s", t->name);
    if (!rc)
        build_tensor(r->b, name, 0, 1, 1, t->n, data);
    return rc ? rc : r->b->rc;
}

/* One row of the table in one layer; what the folder does not have is for others to miss. */
static int add_named(struct reading *r, const struct hf_name *row, int layer)
{
    char below[96], module[192], part[256], name[96];
    snprintf(below, sizeof below, row->module, layer);
    snprintf(module, sizeof module, "%s%s", r->prefix, below);
    snprintf(name, sizeof name, tensor_pattern(row->use), layer);
    if (tensor_is_matrix(row->use)) {
        int rc = add_matrix(r, module, row->use, row->change, name);
        return rc == ERR_MISSING ? 0 : rc;
    }
    snprintf(part, sizeof part, "%s.%s", module, row->part);
    const struct st_tensor *t = hf_tensor(r->h, part);
    return t ? add_vector(r, t, row->change, name) : 0;
}

/* Newer files of models of text and images say it outside the text part. */
static bool head_is_embedding(const struct hf_arch *a, const json_t *model, const json_t *config)
{
    const json_t *tie = json_object_get(model, "tie_word_embeddings");
    if (!tie)
        tie = json_object_get(config, "tie_word_embeddings");
    return json_is_boolean(tie) ? json_is_true(tie) : a->tied;
}

/* Quantizers may give a head of its own to a model that ties it to the embedding, and leave config.json as it was. */
static int add_head(struct reading *r)
{
    bool tied = head_is_embedding(r->h->arch, r->h->model, r->h->config);
    const char *module = strncmp(r->prefix, "language_model.", 15) ? "lm_head" : "language_model.lm_head";
    char name[64];
    snprintf(name, sizeof name, "%s.weight", module);
    if (tied && (hf_tensor(r->h, name) || !r->h->quant)) /* the embedding once more */
        return 0;
    int rc = add_matrix(r, module, USE_OUTPUT, HF_AS_IS, "output.weight");
    if (rc == ERR_MISSING)
        rc = tied ? 0
                  : err_set(r->b->e, ERR_FORMAT,
                            "%s is missing, and config.json does not tie the head to the embedding", name);
    return rc;
}

static int add_tensors(struct reading *r)
{
    int rc = 0;
    for (int i = 0; i < n_hf_names && !rc; i++) {
        const struct hf_name *row = &hf_names[i];
        if (!hf_name_is_in(row, r->arch))
            continue;
        int n = tensor_is_per_layer(row->use) ? (int)r->n_layer : 1;
        for (int l = 0; l < n && !rc; l++)
            rc = add_named(r, row, l);
    }
    return rc ? rc : add_head(r);
}

/* Tensors that no part of the text model is made of: tables that can be computed, and the eyes of other models. */
static bool is_beside(const char *name)
{
    static const char *const words[] = {"rotary_emb.inv_freq", "vision_tower.", "multi_modal_projector."};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

static int refuse_unknown(struct reading *r)
{
    for (const char *name; (name = hf_unused(r->h));) {
        if (!is_beside(name))
            return err_set(r->b->e, ERR_UNSUPPORTED,
                           "tensor %.100s is not part of architecture %s as this program runs it", name,
                           r->h->arch->model_type);
        hf_tensor(r->h, name);
    }
    return 0;
}

static int64_t number(const struct gguf *g, const char *arch, const char *suffix)
{
    char key[96];
    int64_t v = 0;
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    gguf_get_i64(g, key, &v);
    return v;
}

/* The shapes that config.json stands for. */
static int describe(struct model_desc *d, const struct gguf *g, const json_t *model, struct err *e)
{
    int rc = arch_read(d, g, e);
    json_int_t n_vocab = json_integer_value(json_object_get(model, "vocab_size"));
    d->n_vocab = n_vocab > 0 && n_vocab <= INT32_MAX ? (int)n_vocab : 0; /* bounds are checked with the rest */
    return rc;
}

static int read_weights(struct hf *h, struct gguf_build *b, struct qmat **mat)
{
    struct reading r = {.h = h, .b = b, .prefix = find_prefix(h)};
    const char *name = h->arch->gguf;
    if (!r.prefix)
        return err_set(b->e, ERR_FORMAT, "tensor model.embed_tokens.weight is missing");
    int rc = arch_find(&r.arch, (struct gguf_str){name, strlen(name)}, b->e);
    if (!rc)
        rc = describe(&r.d, b->g, h->model, b->e);
    r.n_layer = number(b->g, name, "block_count");
    r.n_head = number(b->g, name, "attention.head_count");
    r.n_head_kv = number(b->g, name, "attention.head_count_kv");
    r.head_dim = number(b->g, name, "attention.key_length");
    if (!rc && r.n_layer > MAX_LAYERS)
        rc = err_set(b->e, ERR_FORMAT, "%lld layers are out of bounds", (long long)r.n_layer);
    r.n_max = N_TENSOR_USES * (r.n_layer + 1) + b->g->n_tensors;
    if (!rc && !(r.mat = *mat = arena_alloc_n(b->g->arena, (size_t)r.n_max, sizeof *r.mat)))
        rc = err_nomem(b->e, (size_t)r.n_max * sizeof *r.mat, "a list of matrices");
    if (!rc && !(rc = add_tensors(&r)))
        rc = refuse_unknown(&r);
    return rc;
}

static void name_it(struct gguf_build *b, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : path;
    if (!gguf_find(b->g, "general.name"))
        build_str(b, "general.name", name, strlen(name));
}

int model_hf_open(struct model_source *out, const char *path, bool vocab, struct err *e)
{
    struct gguf_build b;
    struct qmat *mat = NULL;
    *out = (struct model_source){0};
    int rc = hf_open(&out->folder, path, e);
    if (rc)
        return rc;
    rc = gguf_build_new(&b, path, e);
    out->gguf = b.g;
    if (!rc) {
        hf_config(&b, out->folder->arch, out->folder->model);
        name_it(&b, out->folder->path);
        rc = b.rc ? b.rc : read_weights(out->folder, &b, &mat);
        out->mat = mat;
    }
    const struct gguf_tensor *embd = rc ? NULL : gguf_find_tensor(b.g, "token_embd.weight");
    if (embd && vocab) {
        hf_read_tokenizer(&b, out->folder, embd->ne[1]);
        rc = b.rc;
    }
    if (rc) {
        gguf_close(out->gguf);
        hf_close(out->folder);
        return err_context(e, "%s", path), rc;
    }
    return 0;
}

static int shape_of_config(struct model **out, json_t *config, const char *path, struct err *e)
{
    const struct hf_arch *a;
    struct gguf_build b;
    struct model_desc d = {0};
    json_t *text;
    int rc = hf_find_arch(&a, &text, config, e);
    if (rc || (rc = gguf_build_new(&b, path, e)))
        return rc;
    hf_config(&b, a, text);
    if (!(rc = b.rc) && !(rc = describe(&d, b.g, text, e))) {
        d.tied = head_is_embedding(a, text, config);
        rc = model_from_shape(out, &d, e);
    }
    gguf_close(b.g);
    return rc;
}

int model_config_open(struct model **out, const char *path, struct err *e)
{
    json_t *config;
    int rc = json_read_file(&config, path, e);
    if (rc)
        return rc;
    rc = shape_of_config(out, config, path, e);
    json_decref(config);
    return rc ? err_context(e, "%s", path), rc : 0;
}
