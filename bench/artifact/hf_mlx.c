/* MLX folders: weight uint32 [N][K*bits/32], a stream of codes along each row; scales and, in affine mode, biases
 * [N][K/g]. The codec has the same bytes, so that the planes are those of the file. */
#include <string.h>
#include "bench/artifact/hf_quant.h"

int hf_check_mlx(const json_t *settings, struct err *e);
int hf_read_mlx(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);

static const struct mode {
    const char *name;
    int bits, group, scale; /* bits 0: as the settings say */
} modes[] = {
    {"affine", 0, 0, -1}, {"mxfp4", 4, 32, NUMBER_E8M0}, {"mxfp8", 8, 32, NUMBER_E8M0}, {"nvfp4", 4, 16, NUMBER_E4M3}};

static const struct mode *find_mode(const json_t *settings, struct err *e)
{
    const char *name = json_get_str(settings, "mode", "affine");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(modes[i].name, name))
            return &modes[i];
    err_set(e, ERR_UNSUPPORTED, "MLX mode \"%.20s\" is not supported: affine, mxfp4, mxfp8 and nvfp4 are", name);
    return NULL;
}

int hf_check_mlx(const json_t *settings, struct err *e)
{
    return find_mode(settings, e) ? 0 : ERR_UNSUPPORTED;
}

/* A module's own settings, or those of all. */
static const json_t *settings_of(const struct hf *h, const char *module)
{
    const json_t *own = json_object_get(h->quant_settings, module);
    return json_is_object(own) ? own : h->quant_settings;
}

static int point(struct qmat *q, enum plane p, const struct st_tensor *t, struct err *e)
{
    if (t->bytes != q->plane[p].bytes)
        return err_set(e, ERR_FORMAT, "tensor %.100s holds %zu bytes where %zu are needed", t->name, t->bytes,
                       q->plane[p].bytes);
    q->plane[p].p = (uint8_t *)(uintptr_t)t->data; /* read-only mapping: nobody writes to it */
    return 0;
}

static int read_affine(struct qmat *q, struct hf *h, const char *module, const struct st_tensor *w, int64_t bits,
                       int64_t group, struct err *e)
{
    char name[256];
    const struct st_tensor *scales, *biases;
    snprintf(name, sizeof name, "%s.scales", module);
    if (!(scales = hf_tensor(h, name)))
        return err_set(e, ERR_FORMAT, "tensor %s is missing", name);
    const int64_t n = w->dim[0], n_groups = scales->dim[1], k = n_groups > INT32_MAX ? -1 : n_groups * group;
    const enum number_type type = scales->dtype == ST_F16    ? NUMBER_F16
                                  : scales->dtype == ST_BF16 ? NUMBER_BF16
                                                             : NUMBER_F32;
    const struct qpar par = {
        .bits = (uint8_t)bits, .group = (int32_t)group, .scale_type = (uint8_t)type, .zero_type = ZERO_FLOAT};
    int rc = codec_find("mlx_affine")->layout(q, n, k, &par, e);
    if (rc ||
        (rc = hf_part(&scales, h, module, "scales", type == NUMBER_F32 ? ST_F32 : scales->dtype, 2, n, n_groups, e)) ||
        (rc = hf_part(&biases, h, module, "biases", scales->dtype, 2, n, n_groups, e)) ||
        (rc = point(q, PLANE_CODE, w, e)) || (rc = point(q, PLANE_SCALE, scales, e)))
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    return point(q, PLANE_BIAS, biases, e);
}

static int read_floats(struct qmat *q, struct hf *h, const char *module, const struct st_tensor *w,
                       const struct mode *mode, struct err *e)
{
    const struct st_tensor *scales;
    const struct qpar par = {.bits = (uint8_t)mode->bits, .group = mode->group, .scale_type = (uint8_t)mode->scale};
    int rc = hf_part(&scales, h, module, "scales", ST_U8, 2, w->dim[0], -1, e);
    if (rc)
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    const int64_t k = scales->dim[1] > INT32_MAX ? -1 : scales->dim[1] * mode->group;
    if ((rc = codec_find("mlx_fp")->layout(q, w->dim[0], k, &par, e)) || (rc = point(q, PLANE_CODE, w, e)))
        return rc;
    return point(q, PLANE_SCALE, scales, e);
}

int hf_read_mlx(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    const struct st_tensor *w;
    const json_t *settings = settings_of(h, module);
    const struct mode *mode = find_mode(settings, e);
    int64_t bits, group;
    (void)a;
    if (!mode)
        return ERR_UNSUPPORTED;
    int rc = hf_part(&w, h, module, "weight", ST_U32, 2, -1, -1, e);
    if (rc || (rc = hf_setting(settings, "bits", 4, &bits, e)) ||
        (rc = hf_setting(settings, "group_size", 64, &group, e)))
        return rc;
    if (mode->bits)
        return read_floats(out, h, module, w, mode, e);
    if (bits < 1 || bits > 8 || group < 8)
        return err_set(e, ERR_UNSUPPORTED, "MLX with %lld bits in groups of %lld is not supported", (long long)bits,
                       (long long)group);
    return read_affine(out, h, module, w, bits, group, e);
}
