/* The folder that GPTQModel and AutoGPTQ make. qweight int32 [K*b/32][N], a stream of codes down each column; qzeros
 * int32 [K/g][N*b/32], a stream along N; scales f16 [K/g][N]; g_idx int32 [K], the group of each input.
 *
 * Symmetric ones are checkpoint_format "gptq", which every loader reads and which stores zeros less one. With zeros of
 * 0 among them that is ambiguous (loaders disagree about the borrow): asymmetric ones are "gptq_v2", zeros as they are.
 */
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/export/hf_folder.h"
#include "kernels/formats/group.h"

enum { QWEIGHT, QZEROS, SCALES, G_IDX, WORD = 32 };

static bool is_v1(const struct recipe *r)
{
    return r->par.sym;
}

static int64_t n_groups(const struct qmat *q)
{
    return (q->k + group_size(q) - 1) / group_size(q);
}

static void declare(struct hf_export *x, int tensor)
{
    const struct qmat *q = &x->w->mat[tensor];
    const int bits = q->seg->q.bits;
    hf_add_part(x, tensor, QWEIGHT, "qweight", ST_I32, q->k * bits / WORD, q->n);
    hf_add_part(x, tensor, QZEROS, "qzeros", ST_I32, n_groups(q), q->n * bits / WORD);
    hf_add_part(x, tensor, SCALES, "scales", ST_F16, n_groups(q), q->n);
    hf_add_part(x, tensor, G_IDX, "g_idx", ST_I32, q->k, -1);
}

/* Code i of a stream whose words are `stride` words apart; what is there is zero. */
static void put_code(uint8_t *dst, int64_t i, int bits, int64_t stride, unsigned code)
{
    const int64_t at = i * bits, word = at / WORD;
    const uint64_t v = (uint64_t)code << at % WORD;
    uint8_t *p = dst + 4 * word * stride;
    wr_u32le(p, rd_u32le(p) | (uint32_t)v);
    if (v >> WORD)
        wr_u32le(p + 4 * stride, rd_u32le(p + 4 * stride) | (uint32_t)(v >> WORD));
}

/* The column that stands at position i. */
static int64_t column_at(const struct qmat *q, int64_t i)
{
    return q->plane[PLANE_PERM].bytes ? rd_u32le(q->plane[PLANE_PERM].p + 4 * i) : i;
}

static void put_codes(uint8_t *all, const struct qmat *q, int64_t row, int64_t n)
{
    const uint8_t *codes = q->plane[PLANE_CODE].p + (size_t)row * q->plane[PLANE_CODE].row_stride;
    const int bits = q->seg->q.bits;
    for (int64_t i = 0; i < q->k; i++)
        put_code(all + 4 * n, column_at(q, i), bits, q->n, bits_get(codes, i, bits));
}

static void put_zeros(uint8_t *all, const struct qmat *q, int64_t row, int64_t n, bool less_one)
{
    const int bits = q->seg->q.bits;
    const unsigned mask = (1u << bits) - 1;
    for (int64_t g = 0; g < n_groups(q); g++)
        put_code(all + g * q->n * bits / 8, n, bits, 1, (bits_get(group_zeros(q, row), g, bits) - less_one) & mask);
}

static void put_order(uint8_t *all, const struct qmat *q)
{
    for (int64_t i = 0; i < q->k; i++)
        wr_u32le(all + 4 * column_at(q, i), (uint32_t)(i / group_size(q)));
}

static int fill(struct st_sink *s, const struct st_out *t, void *ctx, struct err *e)
{
    const struct hf_export *x = ctx;
    const struct qmat *q = &x->w->mat[t->tensor];
    const size_t bytes = (size_t)t->dim[0] * (t->n_dims > 1 ? (size_t)t->dim[1] : 1) * (t->dtype == ST_F16 ? 2 : 4);
    uint8_t *all = mem_alloc(bytes);
    if (!all)
        return err_nomem(e, bytes, t->name);
    if (t->part == G_IDX)
        put_order(all, q);
    for (int64_t n = 0; n < q->n && t->part != G_IDX; n++) {
        const int64_t row = hf_row(&x->place[t->tensor], n);
        if (t->part == QWEIGHT)
            put_codes(all, q, row, n);
        else if (t->part == QZEROS)
            put_zeros(all, q, row, n, is_v1(x->r));
        else
            for (int64_t g = 0; g < t->dim[0]; g++)
                memcpy(all + 2 * (g * q->n + n), group_scales(q, row) + 2 * g, 2);
    }
    int rc = st_put(s, all, bytes, e);
    mem_free(all);
    return rc;
}

static int check(int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    (void)par;
    if (n % WORD || k % WORD)
        return err_set(e, ERR_UNSUPPORTED,
                       "GPTQ folders need inputs and outputs that are multiples of 32, and this is "
                       "%lld x %lld",
                       (long long)n, (long long)k);
    return 0;
}

static void settings(const struct hf_export *x, json_t *config)
{
    const struct qpar *par = &x->r->par;
    bool ordered = false;
    for (int i = 0; i < x->m->d.n_tensors; i++)
        ordered |= x->w->mat[i].plane[PLANE_PERM].bytes != 0;
    json_put(config, "quantization_config",
             json_pack("{ss si si sb sb sb ss ss}", "quant_method", "gptq", "bits", (int)par->bits, "group_size",
                       par->group > 0 ? (int)par->group : -1, "sym", (int)par->sym, "desc_act", (int)ordered, "lm_head",
                       0, "checkpoint_format", is_v1(x->r) ? "gptq" : "gptq_v2", "pack_dtype", "int32"));
}

static const struct hf_container container = {
    .format = "pt", .codec = "gptq", .check = check, .declare = declare, .fill = fill, .settings = settings};

static bool takes(const struct recipe *r)
{
    return !strcmp(r->codec, "gptq");
}

static int check_model(const struct model *m, const struct recipe *r, struct err *e)
{
    return hf_folder_check(&container, m, r, e);
}

static int write(const char *path, const struct model *m, const struct weights *w, const struct recipe *r,
                 struct err *e)
{
    return hf_folder_write(path, &container, m, w, r, e);
}

const struct exporter exporter_gptq = {.name = "gptq",
                                       .suffix = "",
                                       .doc = "the folder that GPTQModel and AutoGPTQ make",
                                       .takes = takes,
                                       .check = check_model,
                                       .write = write};
