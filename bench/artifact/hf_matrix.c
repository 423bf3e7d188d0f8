/* Weights of a Hugging Face folder as plain floats: those stored so are only pointed to (hf.h). */
#include <stdio.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/hf.h"

/* GGUF's number of a plain float type; -1: it is none that weights are kept in. */
static int gguf_type_of(enum st_dtype d)
{
    return d == ST_F32 ? 0 : d == ST_F16 ? 1 : d == ST_BF16 ? 30 : -1;
}

int hf_read_f32(float *out, const struct st_tensor *t, struct err *e)
{
    if (gguf_type_of(t->dtype) < 0)
        return err_set(e, ERR_UNSUPPORTED, "tensor %.100s holds %s where floats are needed", t->name,
                       st_dtype_name(t->dtype));
    for (int64_t i = 0; i < t->n; i++)
        out[i] = t->dtype == ST_F32   ? f32_from_bits(rd_u32le(t->data + 4 * i))
                 : t->dtype == ST_F16 ? f16_to_f32(rd_u16le(t->data + 2 * i))
                                      : bf16_to_f32(rd_u16le(t->data + 2 * i));
    return 0;
}

static int read_plain(struct hf_matrix *out, const struct st_tensor *t, struct err *e)
{
    const int type = gguf_type_of(t->dtype);
    if (type < 0)
        return err_set(e, ERR_UNSUPPORTED, "tensor %.100s holds %s, but config.json says nothing of a quantization",
                       t->name, st_dtype_name(t->dtype));
    if (t->n_dims != 2)
        return err_set(e, ERR_FORMAT, "tensor %.100s has %d dimensions where a matrix has 2", t->name, t->n_dims);
    *out = (struct hf_matrix){.type = (uint32_t)type, .n = t->dim[0], .k = t->dim[1], .data = t->data};
    return 0;
}

int hf_read_matrix(struct hf_matrix *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    char name[256];
    (void)a;
    snprintf(name, sizeof name, "%s.weight", module);
    const struct st_tensor *t = hf_tensor(h, name);
    return t ? read_plain(out, t, e) : err_set(e, ERR_MISSING, "tensor %s is missing", name);
}
