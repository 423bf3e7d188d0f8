/* Importance matrices from any bytes, for a small model: what is read can be looked at to its last mean. */
#include <math.h>
#include <stdlib.h>
#include "bench/quant/imatrix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct model *small_model(void)
{
    struct model_desc d = {.arch = &archs[ARCH_LLAMA],
                           .n_layer = 1,
                           .d_model = 4,
                           .d_ff = 8,
                           .n_head = 1,
                           .n_head_kv = 1,
                           .head_dim = 4,
                           .n_ctx_train = 8,
                           .n_vocab = 4,
                           .rope_dim = 4,
                           .norm_eps = 1e-5,
                           .rope_base = 1e4,
                           .rope_scale = 1,
                           .attn_scale = 0.5,
                           .tied = true};
    struct model *m;
    return model_from_shape(&m, &d, NULL) == 0 ? m : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct model *m;
    struct calibration *c;
    struct err e = {0};
    m = m ? m : small_model();
    if (!m)
        abort();
    if (imatrix_read_memory(&c, data, n, "fuzz", &m->d, &e) == 0) {
        for (int i = 0; i < m->d.n_tensors; i++)
            for (int64_t j = 0; c->tensor[i] && j < m->d.tensor[i].src.k; j++)
                if (!(c->tensor[i]->importance[j] >= 0))
                    abort();
        calibration_free(c);
    } else if (!e.text[0]) {
        abort();
    }
    return 0;
}
