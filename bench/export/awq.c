/* The folder that AutoAWQ made (version "gemm") and that transformers and vLLM load. qweight int32 [K][N/8] and qzeros
 * int32 [K/g][N/8], eight outputs in the nibbles of a word in the order 0 2 4 6 1 3 5 7; scales f16 [K/g][N]. The
 * factors of columns are folded into the layer before: scales of its rows, or its norm, are rounded to f16 once more.
 */
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/export/hf_folder.h"
#include "kernels/formats/group.h"

enum { QWEIGHT, QZEROS, SCALES, OUTPUTS = 8 };
static const int nibble_of[OUTPUTS] = {0, 4, 1, 5, 2, 6, 3, 7};

static void declare(struct hf_export *x, int tensor)
{
    const struct qmat *q = &x->w->mat[tensor];
    const int64_t n_groups = q->k / group_size(q);
    hf_add_part(x, tensor, QWEIGHT, "qweight", ST_I32, q->k, q->n / OUTPUTS);
    hf_add_part(x, tensor, QZEROS, "qzeros", ST_I32, n_groups, q->n / OUTPUTS);
    hf_add_part(x, tensor, SCALES, "scales", ST_F16, n_groups, q->n);
}

/* Nibble i of a row goes to word row i of the file, into the place of output n. */
static void put_nibbles(uint8_t *dst, const uint8_t *row, int64_t n_nibbles, int64_t n, int64_t n_rows)
{
    const int shift = 4 * nibble_of[n % OUTPUTS];
    for (int64_t i = 0; i < n_nibbles; i++) /* half a byte of a little-endian word */
        dst[i * n_rows / 2 + n / OUTPUTS * 4 + shift / 8] |= (uint8_t)(bits_get(row, i, 4) << shift % 8);
}

static void put_scales(uint8_t *dst, const struct qmat *q, const struct hf_place *p, int64_t n, int64_t n_groups)
{
    const uint8_t *row = group_scales(q, hf_row(p, n));
    for (int64_t g = 0; g < n_groups; g++)
        wr_u16le(dst + 2 * (g * q->n + n), f32_to_f16(f16_to_f32(rd_u16le(row + 2 * g)) / hf_row_fold(p, n)));
}

static int fill(struct st_sink *s, const struct st_out *t, void *ctx, struct err *e)
{
    const struct hf_export *x = ctx;
    const struct qmat *q = &x->w->mat[t->tensor];
    const struct hf_place *p = &x->place[t->tensor];
    const size_t bytes = (size_t)t->dim[0] * (size_t)t->dim[1] * (t->dtype == ST_F16 ? 2 : 4);
    uint8_t *all = mem_alloc(bytes);
    if (!all)
        return err_nomem(e, bytes, t->name);
    for (int64_t n = 0; n < q->n; n++) {
        const int64_t row = hf_row(p, n);
        if (t->part == SCALES)
            put_scales(all, q, p, n, t->dim[0]);
        else if (t->part == QZEROS)
            put_nibbles(all, group_zeros(q, row), t->dim[0], n, q->n);
        else
            put_nibbles(all, q->plane[PLANE_CODE].p + (size_t)row * q->plane[PLANE_CODE].row_stride, t->dim[0], n,
                        q->n);
    }
    int rc = st_put(s, all, bytes, e);
    mem_free(all);
    return rc;
}

static int check(int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    const int64_t group = par->group > 0 ? par->group : k;
    if (n % OUTPUTS || k % group || k % 2)
        return err_set(e, ERR_UNSUPPORTED,
                       "AWQ folders pack outputs by 8, and %lld x %lld in groups of %lld does not fit", (long long)n,
                       (long long)k, (long long)group);
    return 0;
}

static void settings(const struct hf_export *x, json_t *config)
{
    const struct qpar *par = &x->r->par;
    json_put(config, "quantization_config",
             json_pack("{ss si si sb ss sn}", "quant_method", "awq", "bits", (int)par->bits, "group_size",
                       par->group > 0 ? (int)par->group : -1, "zero_point", 1, "version", "gemm",
                       "modules_to_not_convert"));
}

static const struct hf_container container = {.format = "pt",
                                              .codec = "awq",
                                              .folds = true,
                                              .check = check,
                                              .declare = declare,
                                              .fill = fill,
                                              .settings = settings};

static bool takes(const struct recipe *r)
{
    return !strcmp(r->codec, "awq");
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

const struct exporter exporter_awq = {.name = "awq",
                                      .suffix = "",
                                      .doc = "the folder that AutoAWQ makes",
                                      .takes = takes,
                                      .check = check_model,
                                      .write = write};
