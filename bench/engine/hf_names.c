/* See hf_names.h. */
#include "bench/engine/hf_names.h"

#include <stddef.h>

const struct hf_name hf_names[] = {
#define HF_NAME(use, module, part, models, change) {USE_##use, module, part, HF_IN_##models, HF_##change},
#include "bench/engine/hf_names.def"
#undef HF_NAME
};
const int n_hf_names = sizeof hf_names / sizeof *hf_names;

bool hf_name_is_in(const struct hf_name *n, const struct arch *a)
{
    return n->models == HF_IN_ANY || (n->models == HF_IN_SANDWICH) == a->post_norms;
}

const struct hf_name *hf_name_of(const struct arch *a, enum tensor_use use)
{
    const struct hf_name *found = NULL;
    for (int i = 0; i < n_hf_names; i++)
        if (hf_names[i].use == use && hf_name_is_in(&hf_names[i], a) && (!found || a->fused))
            found = &hf_names[i];
    return found;
}
