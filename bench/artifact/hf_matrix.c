/* Weights of a Hugging Face folder: plain floats are only pointed to, quantized ones go to their method's reader. */
#include <stdio.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/hf_quant.h"

#define HF_QUANT(method, name, pad)                                                                                    \
    int hf_read_##name(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);            \
    int hf_check_##name(const json_t *settings, struct err *e);
#include "bench/artifact/hf_quants.def"
#undef HF_QUANT

static const struct hf_quant quants[] = {
#define HF_QUANT(method, name, pad) {method, hf_check_##name, hf_read_##name, pad},
#include "bench/artifact/hf_quants.def"
#undef HF_QUANT
};
enum { N_QUANTS = sizeof quants / sizeof *quants };

int hf_find_quant(const struct hf_quant **out, const json_t **settings, const json_t *config, struct err *e)
{
    const json_t *mlx = json_object_get(config, "quantization"),
                 *other = json_object_get(config, "quantization_config");
    const char *method = json_get_str(other, "quant_method", json_is_object(mlx) ? "mlx" : NULL);
    struct sbuf known = {0};
    *out = NULL;
    *settings = json_is_object(other) && json_object_get(other, "quant_method") ? other : mlx;
    if (!method && !json_is_object(other))
        return 0;
    if (!method)
        return err_set(e, ERR_UNSUPPORTED, "config.json has a quantization_config without quant_method");
    for (int i = 0; i < N_QUANTS; i++) {
        if (!strcmp(quants[i].method, method)) {
            *out = &quants[i];
            sbuf_free(&known);
            return quants[i].check(*settings, e);
        }
        sbuf_printf(&known, "%s%s", i ? ", " : "", quants[i].method);
    }
    int rc =
        err_set(e, ERR_UNSUPPORTED, "quant_method \"%.40s\" of config.json is not supported: this program reads %s",
                method, sbuf_str(&known));
    sbuf_free(&known);
    return rc;
}

int hf_setting(const json_t *settings, const char *key, int64_t otherwise, int64_t *out, struct err *e)
{
    const json_t *v = json_object_get(settings, key);
    *out = v && !json_is_null(v) ? json_integer_value(v) : otherwise;
    if (v && !json_is_null(v) && (!json_is_integer(v) || *out < -1 || *out > INT32_MAX))
        return err_set(e, ERR_FORMAT, "%s of the quantization in config.json is not a size", key);
    return 0;
}

int hf_part(const struct st_tensor **out, struct hf *h, const char *module, const char *suffix, enum st_dtype dtype,
            int n_dims, int64_t d0, int64_t d1, struct err *e)
{
    char name[256];
    snprintf(name, sizeof name, "%s.%s", module, suffix);
    const struct st_tensor *t = *out = hf_tensor(h, name);
    if (!t)
        return err_set(e, ERR_MISSING, "tensor %s is missing", name);
    if (t->dtype != dtype)
        return err_set(e, ERR_FORMAT, "tensor %s holds %s where %s is expected", name, st_dtype_name(t->dtype),
                       st_dtype_name(dtype));
    if (t->n_dims != n_dims || t->n < 1 || (d0 >= 0 && t->dim[0] != d0) || (d1 >= 0 && t->dim[1] != d1))
        return err_set(e, ERR_FORMAT, "tensor %s is %lld x %lld, which does not fit the other parts of its module",
                       name, (long long)t->dim[0], (long long)t->dim[1]);
    return 0;
}

int hf_planes(struct qmat *q, struct arena *a, struct err *e)
{
    for (int p = 0; p < N_PLANES; p++)
        if (q->plane[p].bytes && !(q->plane[p].p = arena_alloc(a, q->plane[p].bytes)))
            return err_nomem(e, q->plane[p].bytes, "weights");
    return 0;
}

int hf_plain(struct qmat *out, const char *codec, int64_t n, int64_t k, const void *data, struct arena *a,
             struct err *e)
{
    int rc = codec_find(codec)->layout(out, n, k, NULL, e);
    if (rc)
        return rc;
    if (!data)
        return hf_planes(out, a, e);
    out->plane[PLANE_CODE].p = (uint8_t *)(uintptr_t)data; /* read-only mapping: nobody writes to it */
    return 0;
}

/* The codec that plain values are; NULL: they are none that weights are kept in. */
static const char *plain_codec(enum st_dtype d)
{
    return d == ST_F32 ? "f32" : d == ST_F16 ? "f16" : d == ST_BF16 ? "bf16" : NULL;
}

int hf_read_f32(float *out, const struct st_tensor *t, struct err *e)
{
    if (!plain_codec(t->dtype))
        return err_set(e, ERR_UNSUPPORTED, "tensor %.100s holds %s where floats are needed", t->name,
                       st_dtype_name(t->dtype));
    for (int64_t i = 0; i < t->n; i++)
        out[i] = t->dtype == ST_F32   ? f32_from_bits(rd_u32le(t->data + 4 * i))
                 : t->dtype == ST_F16 ? f16_to_f32(rd_u16le(t->data + 2 * i))
                                      : bf16_to_f32(rd_u16le(t->data + 2 * i));
    return 0;
}

static int read_plain(struct qmat *out, const struct st_tensor *t, struct err *e)
{
    const char *codec = plain_codec(t->dtype);
    if (!codec)
        return err_set(e, ERR_UNSUPPORTED, "tensor %.100s holds %s, but config.json says nothing of a quantization",
                       t->name, st_dtype_name(t->dtype));
    if (t->n_dims != 2)
        return err_set(e, ERR_FORMAT, "tensor %.100s has %d dimensions where a matrix has 2", t->name, t->n_dims);
    int rc = hf_plain(out, codec, t->dim[0], t->dim[1], t->data, NULL, e);
    return rc ? err_context(e, "tensor %.100s", t->name) : 0;
}

int64_t hf_padded(const struct hf *h, int64_t n)
{
    const int64_t pad = h->quant ? h->quant->pad : 1;
    return (n + pad - 1) / pad * pad;
}

int hf_read_matrix(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", module);
    const struct st_tensor *t = hf_tensor(h, name);
    if (t && (!h->quant || plain_codec(t->dtype)))
        return read_plain(out, t, e);
    if (!h->quant)
        return err_set(e, ERR_MISSING, "tensor %s is missing", name);
    int rc = h->quant->read(out, h, module, a, e);
    if (rc && rc != ERR_MISSING)
        err_context(e, "module %s", module);
    return rc;
}
