/* ONNX Runtime. MatMulNBits touches matrix products only: the embedding stays float, and a tied head is a quantized
 * copy beside it. quantize_dynamic and quantize_static take the embedding too, as uint8 of its own. The builder's mixed
 * placements give 8 bits to the head ("last"), and to the query, key, value and down matrices of half of the layers
 * ("mixed"): it fuses the first three into one product unless it is told not to. */
#include <math.h>
#include <string.h>
#include "bench/quant/recipe_family.h"

static const struct qpar embedding_u8 = {.bits = 8, .scale_type = NUMBER_F32, .zero_type = ZERO_CODE, .group = -1};

/* The builder divides in floating point and rounds half to even, unlike llama.cpp and MLX. */
static bool builder_prefers(int layer, int n_layer)
{
    int first = (int)rint(n_layer / 8.0);
    return 8 * layer < n_layer || 8 * layer >= 7 * n_layer || (layer - first) % 3 == 2;
}

static bool gets_high(const struct model_desc *m, const struct recipe *r, const struct model_tensor *t)
{
    if (!r->high_codec)
        return false;
    if (t->use == USE_OUTPUT || t->use == USE_TOKEN_EMBD)
        return true;
    bool heavy = t->use == USE_ATTN_Q || t->use == USE_ATTN_K || t->use == USE_ATTN_V || t->use == USE_ATTN_QKV ||
                 t->use == USE_FFN_DOWN;
    return strcmp(r->mix, "mixed") == 0 && heavy && builder_prefers(t->layer, m->n_layer);
}

static void put_embedding(const struct model_desc *m, const struct recipe *r, struct use_assign *a)
{
    bool high = r->high_codec;
    if (strcmp(r->codec, "onnx_int8") == 0)
        recipe_put(a, "onnx_int8", &embedding_u8);
    else
        recipe_put(a,
                   r->par.scale_type == NUMBER_F16    ? "f16"
                   : r->par.scale_type == NUMBER_BF16 ? "bf16"
                                                      : "f32",
                   NULL);
    if (!m->tied)
        return;
    a->head = codec_find(high ? r->high_codec : r->codec);
    a->head_par = high ? r->high : r->par;
}

static int assign(const struct model_desc *m, const struct recipe *r, const struct recipe_known *known,
                  struct use_assign out[], struct err *e)
{
    (void)known, (void)e;
    for (int i = 0; i < m->n_tensors; i++) {
        const struct model_tensor *t = &m->tensor[i];
        if (!t->matrix)
            continue;
        bool high = gets_high(m, r, t);
        if (t->use == USE_TOKEN_EMBD)
            put_embedding(m, r, &out[i]);
        else
            recipe_put(&out[i], high ? r->high_codec : r->codec, high ? &r->high : &r->par);
    }
    return 0;
}

const struct recipe_family family_onnx = {.name = "onnx", .assign = assign};
