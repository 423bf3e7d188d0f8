/* The tokens of an evaluation: a text as llama-perplexity takes it. */
#include "base/mem.h"
#include "bench/engine/eval.h"

int eval_encode(const struct vocab *v, const char *text, size_t n_text, const char *name, int n_ctx, int32_t **tokens,
                int64_t *n, struct err *e)
{
    size_t n_ids;
    if (vocab_adds_eos(v))
        return err_set(e, ERR_UNSUPPORTED,
                       "this vocabulary ends every text with EOS: perplexity is not defined for it");
    if (n_text > 0 && text[n_text - 1] == '\n')
        n_text--;
    int rc = vocab_encode(v, text, n_text, true, false, tokens, &n_ids, e);
    if (rc)
        return err_context(e, "%s", name), rc;
    *n = (int64_t)n_ids;
    if (*n >= 2 * (int64_t)n_ctx)
        return 0;
    mem_free(*tokens);
    *tokens = NULL;
    return err_set(e, ERR_USAGE,
                   "%s has %lld tokens and a context of %d needs at least %d: take a longer text, or a "
                   "context of at most %lld",
                   name, (long long)*n, n_ctx, 2 * n_ctx, (long long)(*n / 2));
}

int eval_tokenize(const struct vocab *v, const char *path, int n_ctx, int32_t **tokens, int64_t *n, struct err *e)
{
    char *text;
    size_t n_text;
    int rc = file_read(path, (size_t)1 << 30, &text, &n_text, e);
    if (rc)
        return rc;
    rc = eval_encode(v, text, n_text, path, n_ctx, tokens, n, e);
    mem_free(text);
    return rc;
}
