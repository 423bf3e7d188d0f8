/* See hf_folder.h. */
#include "bench/export/hf_folder.h"

#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/engine/hf_names.h"

/* ---- names ---- */

/* The factors of the columns of that use; NULL where there are none. */
static const float *columns_of(const struct hf_export *x, enum tensor_use use, int layer)
{
    const struct model_tensor *t = model_tensor(x->m, use, layer);
    const struct qmat *q = t ? &x->w->mat[t - x->m->d.tensor] : NULL;
    return q && q->plane[PLANE_COLUMN].bytes ? (const float *)(const void *)q->plane[PLANE_COLUMN].p : NULL;
}

/* What makes the input of scaled columns takes their factors: norms, rows of up and of v, which are the last ones of
 * fused matrices. */
static void find_fold(const struct hf_export *x, const struct model_tensor *t, struct hf_place *p)
{
    static const struct {
        enum tensor_use before, scaled;
        bool rows;
    } folds[] = {
        {USE_ATTN_NORM, USE_ATTN_Q, false}, {USE_ATTN_NORM, USE_ATTN_QKV, false},
        {USE_FFN_NORM, USE_FFN_UP, false},  {USE_FFN_UP, USE_FFN_DOWN, true},
        {USE_ATTN_V, USE_ATTN_OUT, true},   {USE_ATTN_V_BIAS, USE_ATTN_OUT, false},
        {USE_ATTN_QKV, USE_ATTN_OUT, true},
    };
    const struct model_desc *d = &x->m->d;
    for (size_t i = 0; i < sizeof folds / sizeof *folds && x->c->folds; i++) {
        const float *columns = folds[i].before == t->use ? columns_of(x, folds[i].scaled, t->layer) : NULL;
        /* the output of several query heads cannot be folded into the value head that they share: its factors are 1 */
        if (!columns || (folds[i].scaled == USE_ATTN_OUT && d->n_head != d->n_head_kv))
            continue;
        const int64_t n = folds[i].scaled == USE_FFN_DOWN ? d->d_ff : (int64_t)d->n_head * d->head_dim;
        p->fold = columns;
        p->fold_from = folds[i].rows ? t->src.n - n : 0;
    }
}

static void find_place(const struct hf_export *x, const struct model_tensor *t, struct hf_place *p)
{
    const struct model_desc *d = &x->m->d;
    const struct hf_arch *a = hf_arch_of_gguf((struct gguf_str){d->arch->name, strlen(d->arch->name)}, false);
    const struct hf_name *row = hf_name_of(d->arch, t->use);
    char below[96];
    if (t->use == USE_OUTPUT) {
        snprintf(p->module, sizeof p->module, "lm_head");
        p->part = "weight";
    }
    if (!row)
        return;
    snprintf(below, sizeof below, row->module, t->layer);
    snprintf(p->module, sizeof p->module, "model.%s", below);
    p->part = row->part;
    p->plus_one = a && a->norm_plus_one && row->change == HF_NORM;
    if (a && a->pairs_qk && (row->change == HF_ROWS_Q || row->change == HF_ROWS_K)) {
        p->n_head = row->change == HF_ROWS_Q ? d->n_head : d->n_head_kv;
        p->head_dim = d->head_dim;
    }
    find_fold(x, t, p);
}

int64_t hf_row(const struct hf_place *p, int64_t i)
{
    if (!p->n_head)
        return i;
    const int64_t half = p->head_dim / 2, head = i / p->head_dim, at = i % p->head_dim;
    return head * p->head_dim + at % half * 2 + at / half;
}

float hf_row_fold(const struct hf_place *p, int64_t i)
{
    return p->fold && i >= p->fold_from ? p->fold[i - p->fold_from] : 1;
}

/* ---- plain tensors ---- */

static const struct {
    const char *act, *name;
    enum st_dtype type;
} floats[] = {{"f16", "float16", ST_F16}, {"bf16", "bfloat16", ST_BF16}, {"f32", "float32", ST_F32}};

static int float_row(const struct recipe *r)
{
    for (int i = 0; i < 3; i++)
        if (r->act && !strcmp(r->act, floats[i].act))
            return i;
    return 0;
}

enum st_dtype hf_float_type(const struct recipe *r)
{
    return floats[float_row(r)].type;
}

const char *hf_float_name(const struct recipe *r)
{
    return floats[float_row(r)].name;
}

static void to_floats(uint8_t *dst, const float *x, int64_t n, enum st_dtype type)
{
    for (int64_t i = 0; i < n; i++)
        if (type == ST_F32)
            wr_u32le(dst + 4 * i, f32_bits(x[i]));
        else
            wr_u16le(dst + 2 * i, type == ST_F16 ? f32_to_f16(x[i]) : f32_to_bf16(x[i]));
}

/* Halves end at 65504. */
static int check_range(const float *x, int64_t n, enum st_dtype type, const char *name, struct err *e)
{
    for (int64_t i = 0; i < n && type == ST_F16; i++)
        if (x[i] >= 65520 || x[i] <= -65520)
            return err_set(e, ERR_UNSUPPORTED,
                           "%s holds %g, more than float16 can: take @dtype=bf16 where there is one", name,
                           (double)x[i]);
    return 0;
}

struct row {
    float *x;     /* [k] */
    float *y;     /* [k] */
    uint8_t *out; /* [4 k] */
};

/* A vector of n = 1 rows: its values are rows. */
static void order_vector(const struct hf_place *p, float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[hf_row(p, i)] / hf_row_fold(p, i)) - (p->plus_one ? 1.0f : 0.0f);
}

static int put_plain(struct st_sink *s, const struct st_out *t, const struct hf_export *x, const struct row *r,
                     struct err *e)
{
    const struct model_tensor *mt = &x->m->d.tensor[t->tensor];
    const struct hf_place *p = &x->place[t->tensor];
    const struct qmat *q = &x->w->mat[t->tensor];
    const size_t bytes = (size_t)q->k * (t->dtype == ST_F32 ? 4 : 2);
    int rc = 0;
    for (int64_t i = 0; i < q->n && !rc; i++) {
        const int64_t from = mt->matrix ? hf_row(p, i) : i;
        q->codec->decode(r->x, q, from, from + 1);
        if (!mt->matrix)
            order_vector(p, r->y, r->x, q->k);
        else
            for (int64_t k = 0; k < q->k; k++)
                r->y[k] = p->fold ? r->x[k] / hf_row_fold(p, i) : r->x[k];
        if (!(rc = check_range(r->y, q->k, t->dtype, t->name, e))) {
            to_floats(r->out, r->y, q->k, t->dtype);
            rc = st_put(s, r->out, bytes, e);
        }
    }
    return rc;
}

static int fill_plain(struct st_sink *s, const struct st_out *t, const struct hf_export *x, struct err *e)
{
    const size_t k = (size_t)x->w->mat[t->tensor].k;
    struct row r = {mem_alloc_n(k, sizeof *r.x), mem_alloc_n(k, sizeof *r.y), mem_alloc_n(k, 4)};
    int rc = r.x && r.y && r.out ? put_plain(s, t, x, &r, e) : err_nomem(e, 12 * k, "a row of weights");
    mem_free(r.x);
    mem_free(r.y);
    mem_free(r.out);
    return rc;
}

static int fill(struct st_sink *s, const struct st_out *t, void *ctx, struct err *e)
{
    const struct hf_export *x = ctx;
    return t->part == HF_PLAIN ? fill_plain(s, t, x, e) : x->c->fill(s, t, ctx, e);
}

/* ---- all of it ---- */

void hf_add_part(struct hf_export *x, int tensor, int part, const char *suffix, enum st_dtype dtype, int64_t d0,
                 int64_t d1)
{
    struct st_out *o = &x->out[x->n_out++];
    *o = (struct st_out){.dtype = dtype, .n_dims = d1 < 0 ? 1 : 2, .dim = {d0, d1}, .tensor = tensor, .part = part};
    snprintf(o->name, sizeof o->name, "%s.%s", x->place[tensor].module, suffix);
}

static bool is_plain(const struct codec *c)
{
    return !strcmp(c->name, "f16") || !strcmp(c->name, "bf16") || !strcmp(c->name, "f32");
}

static int declare(struct hf_export *x, struct err *e)
{
    const struct model_desc *d = &x->m->d;
    for (int i = 0; i < d->n_tensors; i++) {
        const struct model_tensor *t = &d->tensor[i];
        const struct qmat *q = &x->w->mat[i];
        find_place(x, t, &x->place[i]);
        const struct hf_place *p = &x->place[i];
        if (!p->part)
            continue;
        if (t->matrix && !strcmp(q->codec->name, x->c->codec))
            x->c->declare(x, i);
        else if (!t->matrix || is_plain(q->codec))
            hf_add_part(x, i, HF_PLAIN, p->part, hf_float_type(x->r), t->matrix ? q->n : q->k, t->matrix ? q->k : -1);
        else
            return err_set(e, ERR_UNSUPPORTED, "%s is %s, which no part of this folder can hold", t->name,
                           q->codec->name);
    }
    return 0;
}

static int write_files(struct hf_export *x, const char *folder, struct err *e)
{
    json_t *config = NULL;
    struct sbuf path = {0};
    int rc = hf_make_config(&config, x->m->gguf, x->m->folder, hf_float_name(x->r), e);
    if (rc)
        return rc;
    x->c->settings(x, config);
    sbuf_printf(&path, "%s/model.safetensors", folder);
    rc = path.failed ? err_nomem(e, 64, "a path") : hf_write_json(folder, "config.json", config, e);
    if (!rc)
        rc = hf_write_tokenizer(folder, x->m->gguf, x->m->folder, e);
    if (!rc)
        rc = safetensors_write(path.p, x->c->format, x->out, x->n_out, fill, x, e);
    sbuf_free(&path);
    json_decref(config);
    return rc;
}

int hf_folder_write(const char *path, const struct hf_container *c, const struct model *m, const struct weights *w,
                    const struct recipe *r, struct err *e)
{
    struct hf_export x = {.m = m, .w = w, .r = r, .c = c};
    const size_t n = (size_t)m->d.n_tensors;
    struct dir_out dir;
    int rc = dir_out_open(&dir, path, e);
    if (rc)
        return rc;
    x.place = mem_alloc_n(n, sizeof *x.place);
    x.out = mem_alloc_n(n, HF_MAX_PARTS * sizeof *x.out);
    rc = x.place && x.out ? declare(&x, e) : err_nomem(e, n * sizeof *x.out, "a list of tensors");
    if (!rc)
        rc = write_files(&x, dir.temp, e);
    if (!rc)
        rc = dir_out_commit(&dir, e);
    else
        dir_out_abort(&dir);
    mem_free(x.place);
    mem_free(x.out);
    return rc;
}

static int check_matrices(const struct hf_container *c, const struct model_desc *d, const struct use_assign *a,
                          struct err *e)
{
    int rc = 0;
    for (int i = 0; i < d->n_tensors && !rc; i++)
        if (d->tensor[i].matrix && !strcmp(a[i].codec->name, c->codec) &&
            (rc = c->check(d->tensor[i].src.n, d->tensor[i].src.k, &a[i].par, e)))
            err_context(e, "%s", d->tensor[i].name);
    return rc;
}

int hf_folder_check(const struct hf_container *c, const struct model *m, const struct recipe *r, struct err *e)
{
    if (!m->gguf || !m->vocab)
        return err_set(e, ERR_UNSUPPORTED, "%s: a shape without weights has nothing to write", m->d.name);
    int rc = hf_check_write(m->gguf, m->folder, e);
    struct use_assign *a = rc ? NULL : mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    if (!rc && !a)
        rc = err_nomem(e, (size_t)m->d.n_tensors * sizeof *a, "a plan of formats");
    if (!rc)
        rc = recipe_assign(&m->d, r, NULL, NULL, a, e);
    if (!rc)
        rc = check_matrices(c, &m->d, a, e);
    mem_free(a);
    return rc;
}
