/* Formats of the torch world and BitNet: the linear layers are quantized, embedding and head stay floats (high_codec).
 * A tensor whose rows the groups do not divide stays float as well, as torchao has it; AutoAWQ stops (all_linear); GPTQ
 * and EXL2 have a shorter last group. */
#include <stdio.h>
#include <string.h>
#include "bench/quant/algorithm.h"
#include "bench/quant/recipe_family.h"

static bool is_linear(const struct model_tensor *t)
{
    return t->matrix && t->use != USE_TOKEN_EMBD && t->use != USE_OUTPUT;
}

static bool fits(const struct model_tensor *t, const struct recipe *r, struct err *e)
{
    struct qmat q;
    return codec_find(r->codec)->layout(&q, t->src.n, t->src.k, &r->par, e) == 0;
}

static int assign(const struct model_desc *m, const struct recipe *r, const struct recipe_known *known,
                  struct use_assign out[], struct err *e)
{
    (void)known, (void)e;
    const struct algorithm *algo = r->algorithm ? algorithm_find(r->algorithm) : NULL;
    for (int i = 0; i < m->n_tensors; i++) {
        const struct model_tensor *t = &m->tensor[i];
        struct err why = {0};
        if (!t->matrix)
            continue;
        recipe_put(&out[i], r->high_codec, NULL);
        if (!is_linear(t))
            continue;
        if (fits(t, r, &why)) {
            recipe_put(&out[i], r->codec, &r->par);
            out[i].algorithm = algo;
            out[i].bpw = r->bpw;
        } else if (r->all_linear) {
            return err_set(e, ERR_UNSUPPORTED,
                           "%s does not exist for this model: groups of %d do not divide its rows of %lld, and the "
                           "package stops there; take smaller groups",
                           r->name, (int)r->par.group, (long long)t->src.k);
        } else {
            out[i].wanted = codec_find(r->codec);
            snprintf(out[i].why, sizeof out[i].why, "rows of %lld do not divide: %s instead of %s", (long long)t->src.k,
                     out[i].codec->name, out[i].wanted->name);
        }
    }
    return 0;
}

#define FAMILY(id) const struct recipe_family family_##id = {.name = #id, .assign = assign}
FAMILY(awq);
FAMILY(gptq);
FAMILY(exl2);
FAMILY(hqq);
FAMILY(bnb);
FAMILY(torchao);
FAMILY(fp8);
FAMILY(bitnet);
