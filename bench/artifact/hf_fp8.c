/* FP8 folders: weight E4M3 or E5M2 [N][K] and a factor: one, one per row, or one per block of rows and columns. It is
 * called weight_scale, or weight_scale_inv, which is a factor as well. */
#include <stdio.h>
#include <string.h>
#include "base/float8.h"
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/hf_quant.h"

int hf_check_fp8(const json_t *settings, struct err *e);
int hf_read_fp8(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);
int hf_check_compressed(const json_t *settings, struct err *e);
int hf_read_compressed(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);

int hf_check_fp8(const json_t *settings, struct err *e)
{
    (void)settings, (void)e;
    return 0;
}

int hf_check_compressed(const json_t *settings, struct err *e)
{
    const char *format = json_get_str(settings, "format", "");
    if (strcmp(format, "float-quantized"))
        return err_set(e, ERR_UNSUPPORTED,
                       "compressed-tensors of format \"%.40s\" are not supported: float-quantized ones "
                       "are",
                       format);
    return 0;
}

/* Factors per block of rows and columns have no codec: f32 weights. */
static int read_blocks(struct qmat *out, const struct st_tensor *w, const float *scale, int64_t n_scales,
                       int64_t k_scales, struct arena *a, struct err *e)
{
    const int64_t n = w->dim[0], k = w->dim[1], rows = (n + n_scales - 1) / n_scales,
                  columns = (k + k_scales - 1) / k_scales;
    int rc = hf_plain(out, "f32", n, k, NULL, a, e);
    for (int64_t i = 0; i < n && !rc; i++)
        for (int64_t j = 0; j < k; j++) {
            const uint8_t code = w->data[i * k + j];
            float v = w->dtype == ST_F8_E4M3 ? e4m3_to_f32(code) : e5m2_to_f32(code);
            wr_u32le(out->plane[PLANE_CODE].p + 4 * (i * k + j),
                     f32_bits(v * scale[i / rows * k_scales + j / columns]));
        }
    return rc;
}

static int read_scaled(struct qmat *out, const struct st_tensor *w, const float *scale, const struct st_tensor *s,
                       struct arena *a, struct err *e)
{
    const struct qpar par = {.bits = 8, .group = s->n == 1 ? -1 : 0};
    if (s->n != 1 && !(s->dim[0] == w->dim[0] && s->n == s->dim[0]))
        return read_blocks(out, w, scale, s->dim[0], s->dim[1], a, e);
    int rc = codec_find(w->dtype == ST_F8_E4M3 ? "fp8_e4m3" : "fp8_e5m2")->layout(out, w->dim[0], w->dim[1], &par, e);
    if (rc || (rc = hf_planes(out, a, e)))
        return rc;
    memcpy(out->plane[PLANE_CODE].p, w->data, w->bytes);
    for (int64_t i = 0; i < s->n; i++)
        wr_u32le(out->plane[PLANE_SCALE].p + 4 * i, f32_bits(scale[i]));
    return 0;
}

int hf_read_fp8(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    static const char *const names[] = {"weight_scale", "weight_scale_inv"};
    char name[256];
    const struct st_tensor *w, *s = NULL;
    snprintf(name, sizeof name, "%s.weight", module);
    if (!(w = hf_tensor(h, name)))
        return err_set(e, ERR_MISSING, "tensor %s is missing", name);
    for (int i = 0; i < 2 && !s; i++) {
        snprintf(name, sizeof name, "%s.%s", module, names[i]);
        s = hf_tensor(h, name);
    }
    snprintf(name, sizeof name, "%s.input_scale", module); /* of activations: their rule is the codec's */
    hf_tensor(h, name);
    if (w->n_dims != 2 || w->n < 1 || (w->dtype != ST_F8_E4M3 && w->dtype != ST_F8_E5M2))
        return err_set(e, ERR_FORMAT, "its weight is no matrix of 8-bit floats");
    if (!s || s->n_dims > 2 || s->n < 1 || s->dim[0] > w->dim[0] || s->dim[1] > w->dim[1])
        return err_set(e, ERR_FORMAT, "its weight_scale is missing, or is none of that matrix");
    float *scale = mem_alloc_n((size_t)s->n, sizeof *scale);
    if (!scale)
        return err_nomem(e, (size_t)s->n * sizeof *scale, "scales");
    int rc = hf_read_f32(scale, s, e);
    if (!rc)
        rc = read_scaled(out, w, scale, s, a, e);
    mem_free(scale);
    return rc;
}

int hf_read_compressed(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    return hf_read_fp8(out, h, module, a, e);
}
