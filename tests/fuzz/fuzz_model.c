/* Models from any bytes: what opens has finite shapes, its engine runs, and nothing is read outside the file. */
#include <stdlib.h>
#include <string.h>
#include "bench/engine/engine.h"
#include "bench/engine/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void run(const struct model *m)
{
    struct weights *w;
    struct engine *g;
    struct err e;
    const struct engine_opts o = {.n_ctx = 3, .n_batch = 2, .kv = KV_BOTH(F32)};
    const int32_t tokens[2] = {0, m->d.n_vocab - 1};
    if (weights_source(&w, m, true, &e))
        return;
    if (engine_new(&g, w, &o, &e) == 0) {
        float *logits = calloc((size_t)m->d.n_vocab, sizeof *logits);
        if (engine_forward(g, tokens, 2, &e) || engine_forward(g, tokens, 1, &e) ||
            (logits && engine_logits(g, 0, 1, logits, &e)) || !engine_forward(g, tokens, 1, &e))
            abort();
        free(logits);
        engine_free(g);
    }
    weights_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct model *m;
    struct err e = {0};
    if (model_open_memory(&m, data, n, "fuzz", &e)) {
        if (!e.text[0])
            abort();
        return 0;
    }
    model_check_finite(m, &e);
    run(m);
    if (model_dither(m, 1, &e) == 0)
        run(m);
    model_close(m);
    return 0;
}
