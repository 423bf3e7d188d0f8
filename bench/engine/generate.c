/* Greedy continuation, for checking against other implementations. */
#include "bench/engine/generate.h"

#include "base/mem.h"

int32_t argmax(const float *logits, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 0; i < n; i++) {
        if (logits[i] != logits[i])
            return -1;
        if (logits[i] > logits[best])
            best = i;
    }
    return best;
}

static int feed(struct engine *g, const int32_t *tokens, int n, float *logits, struct err *e)
{
    int n_batch = engine_options(g)->n_batch, rc = 0, last = 0;
    for (int i = 0; i < n && rc == 0; i += last) {
        last = n - i < n_batch ? n - i : n_batch;
        rc = engine_forward(g, tokens + i, last, e);
    }
    return rc ? rc : engine_logits(g, last - 1, 1, logits, e);
}

int generate_greedy(struct engine *g, const struct vocab *v, const int32_t *prompt, int n_prompt,
                    int32_t *ids, int n_gen, int *n_ids, struct err *e)
{
    int32_t n_vocab = engine_model(g)->n_vocab;
    *n_ids = 0;
    if (n_prompt < 1)
        return err_set(e, ERR_USAGE, "an empty prompt: there is nothing to continue");
    float *logits = mem_alloc_n((size_t)n_vocab, sizeof *logits);
    if (!logits)
        return err_nomem(e, (unsigned long long)n_vocab * sizeof *logits, "logits");
    int rc = feed(g, prompt, n_prompt, logits, e);
    while (rc == 0 && *n_ids < n_gen) {
        int32_t id = argmax(logits, n_vocab);
        if (id < 0) {
            rc = err_set(e, ERR_DATA, "the model gives NaN logits after %d tokens", *n_ids);
            break;
        }
        ids[(*n_ids)++] = id;
        if ((v && vocab_is_end(v, id)) || *n_ids == n_gen)
            break;
        rc = feed(g, &id, 1, logits, e);
    }
    mem_free(logits);
    return rc;
}
