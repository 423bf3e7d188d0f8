/* MLX: every linear layer and the embedding in one codec; a tied head uses the embedding's. Tensors whose rows do not
 * divide into groups stay in the model's float type. The mixed recipes give more bits to the head and, in half of the
 * layers, to the value and down matrices. */
#include <stdio.h>
#include <string.h>
#include "bench/quant/recipe_family.h"

static bool gets_high(const struct model_desc *m, const struct model_tensor *t)
{
    if (t->use == USE_OUTPUT)
        return true;
    /* by name: "qkv_proj" has "v_proj" in it */
    bool heavy = t->use == USE_ATTN_V || t->use == USE_ATTN_QKV || t->use == USE_FFN_DOWN;
    return heavy && recipe_spread_half(t->layer, m->n_layer, m->n_layer / 8);
}

static int assign(const struct model_desc *m, const struct recipe *r, const struct recipe_known *known,
                  struct use_assign out[], struct err *e)
{
    (void)known, (void)e;
    const struct codec *floats = codec_find(r->act); /* the type of the activations is that of the model */
    for (int i = 0; i < m->n_tensors; i++) {
        const struct model_tensor *t = &m->tensor[i];
        if (!t->matrix)
            continue;
        bool high = r->high_codec && gets_high(m, t);
        recipe_put(&out[i], high ? r->high_codec : r->codec, high ? &r->high : &r->par);
        if (t->src.k % out[i].par.group == 0)
            continue;
        snprintf(out[i].why, sizeof out[i].why, "rows of %lld do not divide into groups of %d: MLX leaves it as it is",
                 (long long)t->src.k, (int)out[i].par.group);
        out[i].codec = floats;
        out[i].par = (struct qpar){0};
    }
    return 0;
}

const struct recipe_family family_mlx = {.name = "mlx", .assign = assign};
