/* answers_raw MODEL DITHER_SEED FORMAT NUMERICS TEXT N_CTX N_CHUNKS N_GEN: what the own engine answers, for comparison
 * with real frameworks that run the exported model (tests/equivalence). A line "name bytes" and the bytes of each:
 * tokens i32[N_CHUNKS][N_CTX], greedy i32[N_GEN] behind the first half of the first chunk, logits
 * f32[N_CHUNKS][N_CTX][n_vocab]. DITHER_SEED 0: weights as they are; NUMERICS: as eval --numerics, "-": the format's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rng.h"
#include "bench/engine/eval.h"
#include "bench/engine/generate.h"
#include "bench/quant/recipe.h"
#include "kernels/kernels.h"

struct answer {
    int n_ctx, n_chunks, n_gen;
    const int32_t *tokens;
};

static void put(const char *name, const void *p, size_t bytes)
{
    printf("%s %zu\n", name, bytes);
    fwrite(p, 1, bytes, stdout);
}

static int put_answers(const struct weights *w, struct kv_pair kv, const struct answer *a, struct err *e)
{
    const struct engine_opts o = {
        .mode = ENGINE_REFERENCE, .n_ctx = a->n_ctx + a->n_gen, .n_batch = a->n_ctx, .kv = kv};
    size_t row = (size_t)w->model->d.n_vocab * sizeof(float);
    struct engine *g = NULL;
    int32_t *ids = mem_alloc_n((size_t)a->n_gen + 1, sizeof *ids);
    float *logits = mem_alloc_n((size_t)a->n_ctx, row);
    int n = 0, rc = ids && logits ? engine_new(&g, w, &o, e) : ERR_NOMEM;
    if (rc == 0)
        rc = generate_greedy(g, NULL, a->tokens, a->n_ctx, ids, a->n_gen, &n, e);
    if (rc == 0) {
        put("greedy", ids, (size_t)n * sizeof *ids);
        printf("logits %zu\n", (size_t)a->n_chunks * (size_t)a->n_ctx * row);
    }
    for (int i = 0; i < a->n_chunks && rc == 0; i++) {
        engine_reset(g);
        rc = engine_forward(g, a->tokens + (size_t)i * (size_t)a->n_ctx, a->n_ctx, e);
        if (rc == 0)
            rc = engine_logits(g, 0, a->n_ctx, logits, e);
        if (rc == 0)
            fwrite(logits, row, (size_t)a->n_ctx, stdout);
    }
    engine_free(g);
    mem_free(logits);
    mem_free(ids);
    return rc;
}

static int encode(struct weights **w, struct kv_pair *kv, const struct model *m, const char *format, const char *asked,
                  struct err *e)
{
    struct recipe r;
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    int rc = a ? recipe_resolve(&r, format, e) : ERR_NOMEM;
    asked = strcmp(asked, "-") == 0 ? NULL : asked;
    if (rc == 0)
        rc = recipe_assign(&m->d, &r, asked, NULL, a, e);
    if (rc == 0)
        rc = weights_encode(w, m, a, NULL, 0, NULL, e);
    if (rc == 0)
        *kv = numerics_kv(recipe_numerics(&r, asked));
    mem_free(a);
    return rc;
}

static int take_tokens(int32_t **tokens, const struct model *m, const char *path, const struct answer *a, struct err *e)
{
    int64_t n = (int64_t)a->n_ctx * a->n_chunks, have = n;
    if (strcmp(path, "random") == 0) {
        struct rng r;
        rng_seed(&r, 42);
        *tokens = mem_alloc_n((size_t)n, sizeof **tokens);
        for (int64_t i = 0; *tokens && i < n; i++)
            (*tokens)[i] = (int32_t)rng_below(&r, (uint64_t)m->d.n_vocab);
        return *tokens ? 0 : ERR_NOMEM;
    }
    int rc = eval_tokenize(m->vocab, path, a->n_ctx, tokens, &have, e);
    if (rc == 0 && have < n)
        rc = err_set(e, ERR_USAGE, "the text has %lld tokens", (long long)have);
    return rc;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct model *m = NULL;
    struct weights *w = NULL;
    struct kv_pair kv;
    int32_t *tokens = NULL;
    if (argc != 9)
        return 2;
    struct answer a = {.n_ctx = atoi(argv[6]), .n_chunks = atoi(argv[7]), .n_gen = atoi(argv[8])};
    int rc = model_open(&m, argv[1], &e);
    if (rc == 0 && atoi(argv[2]))
        rc = model_dither(m, (uint64_t)atoi(argv[2]), &e);
    if (rc == 0)
        rc = take_tokens(&tokens, m, argv[5], &a, &e);
    a.tokens = tokens;
    if (rc == 0)
        put("tokens", tokens, (size_t)a.n_ctx * (size_t)a.n_chunks * sizeof *tokens);
    if (rc == 0)
        rc = encode(&w, &kv, m, argv[3], argv[4], &e);
    if (rc == 0)
        rc = put_answers(w, kv, &a, &e);
    if (rc)
        fprintf(stderr, "%s\n", e.text);
    weights_free(w);
    mem_free(tokens);
    model_close(m);
    return rc ? 1 : fflush(stdout) != 0;
}
