/* Records what llama.cpp computes, for the golden files: run once by hand, not part of the build.
 * usage: record MODEL ids N ID...   or   record MODEL text N TEXT...
 * Prints "# build", "tokens ...", "logits POS v..." of a few positions (ids only), "greedy ..." (N tokens).
 * ids: f32 KV cache, no flash attention. text: the defaults of the command line tools (f16 KV cache). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "llama.h"

#ifndef BUILD
#define BUILD "unknown build"
#endif

static void quiet(enum ggml_log_level level, const char *text, void *arg)
{
    (void)arg;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static void feed(struct llama_context *ctx, const int32_t *ids, int n, int pos0)
{
    struct llama_batch b = llama_batch_init(n, 0, 1);
    b.n_tokens = n;
    for (int i = 0; i < n; i++) {
        b.token[i] = ids[i];
        b.pos[i] = pos0 + i;
        b.n_seq_id[i] = 1;
        b.seq_id[i][0] = 0;
        b.logits[i] = 1;
    }
    if (llama_decode(ctx, b) != 0)
        exit(1);
    llama_batch_free(b);
}

static int32_t best(const float *v, int n)
{
    int32_t b = 0;
    for (int i = 1; i < n; i++)
        if (v[i] > v[b])
            b = i;
    return b;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    int by_ids = strcmp(argv[2], "ids") == 0, n_gen = atoi(argv[3]), n = 0;
    int32_t ids[512];
    llama_log_set(quiet, NULL);
    llama_backend_init();
    struct llama_model *m = llama_model_load_from_file(argv[1], llama_model_default_params());
    struct llama_context_params p = llama_context_default_params();
    p.n_ctx = p.n_batch = p.n_ubatch = 512;
    p.n_threads = p.n_threads_batch = 2;
    if (by_ids) {
        p.type_k = p.type_v = GGML_TYPE_F32;
        p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
        p.swa_full = true;
    }
    struct llama_context *ctx = m ? llama_init_from_model(m, p) : NULL;
    if (!ctx)
        return 1;
    const struct llama_vocab *v = llama_model_get_vocab(m);
    int n_vocab = llama_vocab_n_tokens(v);
    for (int i = 4; by_ids && i < argc; i++)
        ids[n++] = atoi(argv[i]);
    if (!by_ids)
        n = llama_tokenize(v, argv[4], (int)strlen(argv[4]), ids, 512, true, false);
    feed(ctx, ids, n, 0);
    printf("# %s\ntokens", BUILD);
    for (int i = 0; i < n; i++)
        printf(" %d", ids[i]);
    printf("\n");
    const int pos[] = {0, 7, 8, 20, 39};
    for (int i = 0; by_ids && i < 5; i++) {
        const float *l = llama_get_logits_ith(ctx, pos[i]);
        printf("logits %d", pos[i]);
        for (int t = 0; t < n_vocab; t++)
            printf(" %.9g", l[t]);
        printf("\n");
    }
    printf("greedy");
    int32_t id = best(llama_get_logits_ith(ctx, n - 1), n_vocab);
    for (int i = 0; i < n_gen; i++) {
        printf(" %d", id);
        feed(ctx, &id, 1, n + i);
        id = best(llama_get_logits_ith(ctx, 0), n_vocab);
    }
    printf("\n");
    return 0;
}
