/* bitsandbytes folders. 4 bits: weight uint8 [N*K/2][1], flat, high nibble first; absmax per block, f32, or 8-bit codes
 * of a map with a scale per 256 of them and an offset (nested); quant_state, JSON in bytes, says which. 8 bits: weight
 * int8 [N][K] and SCB f32 [N]. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/half.h"
#include "bench/artifact/hf_quant.h"

int hf_check_bnb(const json_t *settings, struct err *e);
int hf_read_bnb(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);

enum { NESTED = 1, NESTED_BLOCK = 256 };

int hf_check_bnb(const json_t *settings, struct err *e)
{
    if (!json_is_true(json_object_get(settings, "load_in_4bit")) &&
        !json_is_true(json_object_get(settings, "load_in_8bit")))
        return err_set(e, ERR_UNSUPPORTED, "bitsandbytes with neither load_in_4bit nor load_in_8bit is not supported");
    return 0;
}

static int read_int8(struct qmat *out, struct hf *h, const char *module, const struct st_tensor *w, struct arena *a,
                     struct err *e)
{
    const struct st_tensor *scale, *format;
    hf_part(&format, h, module, "weight_format", ST_U8, 0, -1, -1, NULL); /* always row-major in files */
    int rc = hf_part(&scale, h, module, "SCB", ST_F32, 1, w->dim[0], -1, e);
    if (rc || w->n_dims != 2)
        return rc == ERR_MISSING || !rc ? err_set(e, ERR_FORMAT, "it has no SCB, or its weight is no matrix") : rc;
    if ((rc = codec_find("bnb_int8")->layout(out, w->dim[0], w->dim[1], NULL, e)) || (rc = hf_planes(out, a, e)))
        return rc;
    memcpy(out->plane[PLANE_CODE].p, w->data, w->bytes);
    memcpy(out->plane[PLANE_SCALE].p, scale->data, scale->bytes);
    return 0;
}

struct state {
    const char *codec, *suffix;
    int64_t n, k, block;
    double offset; /* NaN: not nested */
};

static int read_state(struct state *s, const struct st_tensor *t, struct err *e)
{
    json_t *json;
    int rc = t->dtype == ST_U8 ? json_parse(&json, (const char *)t->data, t->bytes, t->name, e)
                               : err_set(e, ERR_FORMAT, "its quant_state is not text");
    if (rc)
        return rc;
    const json_t *shape = json_object_get(json, "shape");
    s->n = json_integer_value(json_array_get(shape, 0));
    s->k = json_integer_value(json_array_get(shape, 1));
    s->block = json_integer_value(json_object_get(json, "blocksize"));
    s->offset = json_get_num(json, "nested_offset");
    if (json_array_size(shape) != 2 || s->n < 1 || s->k < 1 || s->n > INT32_MAX || s->k > INT32_MAX)
        rc = err_set(e, ERR_FORMAT, "its quant_state has no shape of a matrix");
    else if (s->block < 32 || s->block > 4096 || s->block % 8)
        rc = err_set(e, ERR_UNSUPPORTED, "blocks of %lld weights are not supported", (long long)s->block);
    else if (!isnan(s->offset) && json_integer_value(json_object_get(json, "nested_blocksize")) != NESTED_BLOCK)
        rc = err_set(e, ERR_UNSUPPORTED, "scales in blocks of other than %d are not supported", NESTED_BLOCK);
    json_decref(json);
    return rc;
}

/* The map of 256 values must be the one that the codec knows: rising, from -0.99 to 1. */
static int check_map(struct hf *h, const char *module, const char *suffix, int64_t n, struct err *e)
{
    const struct st_tensor *map;
    int rc = hf_part(&map, h, module, suffix, ST_F32, 1, n, -1, e);
    if (rc)
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    const float last = f32_from_bits(rd_u32le(map->data + 4 * (n - 1)));
    if (n == 256 && last != 1)
        return err_set(e, ERR_UNSUPPORTED, "its nested_quant_map is not the dynamic map");
    return 0;
}

static int read_scales(struct qmat *q, struct hf *h, const char *module, const struct state *s, struct err *e)
{
    const struct st_tensor *absmax, *nested;
    const bool is_nested = !isnan(s->offset);
    const int64_t blocks = s->n * (s->k / s->block), n_nested = (blocks + NESTED_BLOCK - 1) / NESTED_BLOCK;
    int rc = hf_part(&absmax, h, module, "weight.absmax", is_nested ? ST_U8 : ST_F32, 1, blocks, -1, e);
    if (!rc)
        rc = check_map(h, module, "weight.quant_map", 16, e);
    if (!rc)
        memcpy(q->plane[PLANE_SCALE].p, absmax->data, absmax->bytes);
    if (rc || !is_nested)
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    if ((rc = hf_part(&nested, h, module, "weight.nested_absmax", ST_F32, 1, n_nested, -1, e)) ||
        (rc = check_map(h, module, "weight.nested_quant_map", 256, e)))
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    memcpy(q->plane[PLANE_BIAS].p, nested->data, nested->bytes);
    wr_u32le(q->plane[PLANE_TENSOR].p, f32_bits((float)s->offset));
    return 0;
}

int hf_read_bnb(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    static const char *const kinds[2][2] = {{"bnb_nf4", "weight.quant_state.bitsandbytes__nf4"},
                                            {"bnb_fp4", "weight.quant_state.bitsandbytes__fp4"}};
    struct state s = {0};
    char name[256];
    const struct st_tensor *w, *state = NULL;
    snprintf(name, sizeof name, "%s.weight", module);
    if (!(w = hf_tensor(h, name)))
        return err_set(e, ERR_MISSING, "tensor %s is missing", name);
    if (w->dtype == ST_I8)
        return read_int8(out, h, module, w, a, e);
    for (int i = 0; i < 2 && !state; i++) {
        snprintf(name, sizeof name, "%s.%s", module, kinds[i][1]);
        s.codec = kinds[i][0];
        state = hf_tensor(h, name);
    }
    if (!state || w->dtype != ST_U8)
        return err_set(e, ERR_FORMAT, "its weight holds %s, and there is no quant_state", st_dtype_name(w->dtype));
    int rc = read_state(&s, state, e);
    if (rc)
        return rc;
    const struct qpar par = {.bits = 4, .group = (int32_t)s.block, .scale_type = isnan(s.offset) ? 0 : NESTED};
    if ((rc = codec_find(s.codec)->layout(out, s.n, s.k, &par, e)) || (rc = hf_planes(out, a, e)))
        return rc;
    if (w->bytes != out->plane[PLANE_CODE].bytes)
        return err_set(e, ERR_FORMAT, "its weight holds %zu bytes where %zu are needed", w->bytes,
                       out->plane[PLANE_CODE].bytes);
    memcpy(out->plane[PLANE_CODE].p, w->data, w->bytes);
    return read_scales(out, h, module, &s, e);
}
