/* The folder that mlx_lm loads: the planes of the codecs are those of the file (bench/artifact/hf_mlx.c). */
#include <string.h>
#include "bench/export/hf_folder.h"

enum { WEIGHT, SCALES, BIASES };

static bool is_affine(const struct qmat *q)
{
    return !strcmp(q->codec->name, "mlx_affine");
}

static enum st_dtype scale_type(const struct qmat *q)
{
    switch ((enum number_type)q->seg->q.scale_type) {
    case NUMBER_F16:
        return ST_F16;
    case NUMBER_BF16:
        return ST_BF16;
    case NUMBER_F32:
        return ST_F32;
    default:
        return ST_U8; /* E8M0, E4M3 */
    }
}

static void declare(struct hf_export *x, int tensor)
{
    const struct qmat *q = &x->w->mat[tensor];
    const int64_t n_groups = q->k / q->seg->q.group;
    hf_add_part(x, tensor, WEIGHT, "weight", ST_U32, q->n, q->k * q->seg->q.bits / 32);
    hf_add_part(x, tensor, SCALES, "scales", scale_type(q), q->n, n_groups);
    if (is_affine(q))
        hf_add_part(x, tensor, BIASES, "biases", scale_type(q), q->n, n_groups);
}

static int fill(struct st_sink *s, const struct st_out *t, void *ctx, struct err *e)
{
    static const enum plane planes[] = {PLANE_CODE, PLANE_SCALE, PLANE_BIAS};
    const struct hf_export *x = ctx;
    const struct qmat *q = &x->w->mat[t->tensor];
    const enum plane p = planes[t->part];
    const size_t stride = q->plane[p].row_stride;
    int rc = 0;
    for (int64_t i = 0; i < q->n && !rc; i++)
        rc = st_put(s, q->plane[p].p + (size_t)hf_row(&x->place[t->tensor], i) * stride, stride, e);
    return rc;
}

static int check(int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    (void)n;
    if (par->group <= 0 || k % par->group || k * par->bits % 32)
        return err_set(e, ERR_UNSUPPORTED, "MLX has no rows of %lld in groups of %d", (long long)k, (int)par->group);
    return 0;
}

static json_t *parameters(const struct qpar *par)
{
    const char *mode = par->scale_type == NUMBER_E8M0   ? par->bits == 4 ? "mxfp4" : "mxfp8"
                       : par->scale_type == NUMBER_E4M3 ? "nvfp4"
                                                        : "affine";
    return json_pack("{si si ss}", "group_size", (int)par->group, "bits", (int)par->bits, "mode", mode);
}

/* What most modules have, and by name what others have, false where they are not quantized. */
static void settings(const struct hf_export *x, json_t *config)
{
    json_t *o = parameters(&x->r->par);
    for (int i = 0; i < x->m->d.n_tensors; i++) {
        const struct qmat *q = &x->w->mat[i];
        const struct qpar *usual = &x->r->par;
        if (!x->m->d.tensor[i].matrix || !x->place[i].part)
            continue;
        if (strcmp(q->codec->name, x->c->codec))
            json_put(o, x->place[i].module, json_false());
        else if (q->seg->q.bits != usual->bits || q->seg->q.group != usual->group)
            json_put(o, x->place[i].module, parameters(&q->seg->q));
    }
    json_object_set(config, "quantization_config", o);
    json_put(config, "quantization", o);
}

#define CONTAINER(id)                                                                                                  \
    static const struct hf_container id = {                                                                            \
        .format = "mlx", .codec = "mlx_" #id, .check = check, .declare = declare, .fill = fill, .settings = settings}
CONTAINER(affine);
CONTAINER(fp);

static const struct hf_container *container_of(const struct recipe *r)
{
    return !strcmp(r->codec, "mlx_fp") ? &fp : &affine;
}

static bool takes(const struct recipe *r)
{
    return !strcmp(r->codec, "mlx_affine") || !strcmp(r->codec, "mlx_fp");
}

static int check_model(const struct model *m, const struct recipe *r, struct err *e)
{
    return hf_folder_check(container_of(r), m, r, e);
}

static int write(const char *path, const struct model *m, const struct weights *w, const struct recipe *r,
                 struct err *e)
{
    return hf_folder_write(path, container_of(r), m, w, r, e);
}

const struct exporter exporter_mlx = {.name = "mlx",
                                      .suffix = "",
                                      .doc = "the folder that mlx_lm loads",
                                      .takes = takes,
                                      .check = check_model,
                                      .write = write};
