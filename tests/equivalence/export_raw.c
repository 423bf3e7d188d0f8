/* export_raw MODEL FORMAT OUT TEXT N_CTX N_CHUNKS N_GREEDY DITHER: writes the model in a format as the container that
 * its framework loads, and to stdout what our own engine makes of the same weights, for comparison with that framework
 * (tests/equivalence). For every part a line "name bytes" and the bytes: i32 tokens of the chunks, f32 logits of all
 * positions chunk by chunk, i32 ids that follow the first half of the first chunk greedily. DITHER 1: of a quantized
 * source. TEXT "random": seeded ids, for models whose vocabulary is no matter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rng.h"
#include "bench/engine/eval.h"
#include "bench/engine/generate.h"
#include "bench/export/export.h"
#include "tests/host_isa.h"

struct job {
    struct model *m;
    struct weights *source, *w;
    struct calibration *cal;
    struct recipe recipe;
    struct use_assign *assign;
    struct pool *pool;
    struct engine *engine;
    int32_t *tokens, *greedy;
    int64_t n_tokens;
    int n_ctx, n_chunks, n_greedy;
};

static int calibrate(struct job *j, const char *format, struct err *e)
{
    struct calib_text text = {
        .tokens = j->tokens, .n_tokens = j->n_tokens, .n_ctx = j->n_ctx, .n_chunks = 4, .bos = -1};
    int rc = weights_source(&j->source, j->m, false, e);
    return rc ? rc
              : calibration_collect(&j->cal, j->source, recipe_statistics(&format, 1), &text, host_isa(), j->pool, e);
}

static int encode(struct job *j, const char *format, const char *out, struct err *e)
{
    int rc = recipe_resolve(&j->recipe, format, e);
    if (rc == 0 && recipe_needs(&j->recipe))
        rc = calibrate(j, format, e);
    struct recipe_known known = {j->cal != NULL, j->cal};
    j->assign = mem_alloc_n((size_t)j->m->d.n_tensors, sizeof *j->assign);
    if (rc == 0)
        rc = recipe_assign(&j->m->d, &j->recipe, NULL, &known, j->assign, e);
    const struct exporter *x = exporter_find(&j->recipe);
    if (rc == 0 && !x)
        rc = err_set(e, ERR_UNSUPPORTED, "%s: no container", format);
    if (rc == 0)
        rc = x->check(j->m, &j->recipe, e);
    if (rc == 0)
        rc = weights_encode(&j->w, j->m, j->assign, j->cal, host_isa(), j->pool, e);
    return rc ? rc : x->write(out, j->m, j->w, &j->recipe, e);
}

static int put_chunks(struct job *j, struct err *e)
{
    const size_t n_vocab = (size_t)j->m->d.n_vocab, n = (size_t)j->n_ctx;
    float *logits = mem_alloc_n(n, n_vocab * sizeof *logits);
    int rc = logits ? 0 : ERR_NOMEM;
    printf("tokens %zu\n", 4 * n * (size_t)j->n_chunks);
    fwrite(j->tokens, 4, n * (size_t)j->n_chunks, stdout);
    printf("logits %zu\n", 4 * n * n_vocab * (size_t)j->n_chunks);
    for (int i = 0; i < j->n_chunks && rc == 0; i++) {
        engine_reset(j->engine);
        rc = engine_forward(j->engine, j->tokens + i * j->n_ctx, j->n_ctx, e);
        if (rc == 0)
            rc = engine_logits(j->engine, 0, j->n_ctx, logits, e);
        fwrite(logits, 4, n * n_vocab, stdout);
    }
    mem_free(logits);
    return rc;
}

static int put_greedy(struct job *j, struct err *e)
{
    int n = 0;
    engine_reset(j->engine);
    j->greedy = mem_alloc_n((size_t)j->n_greedy, sizeof *j->greedy);
    int rc = generate_greedy(j->engine, NULL, j->tokens, j->n_ctx / 2, j->greedy, j->n_greedy, &n, e);
    printf("greedy %zu\n", 4 * (size_t)n);
    fwrite(j->greedy, 4, (size_t)n, stdout);
    return rc;
}

static int take_text(struct job *j, const char *path, struct err *e)
{
    struct rng r;
    if (strcmp(path, "random") != 0)
        return eval_tokenize(j->m->vocab, path, j->n_ctx, &j->tokens, &j->n_tokens, e);
    rng_seed_text(&r, 42, path);
    j->n_tokens = (int64_t)j->n_ctx * (j->n_chunks > 4 ? j->n_chunks : 4);
    j->tokens = mem_alloc_n((size_t)j->n_tokens, sizeof *j->tokens);
    for (int64_t i = 0; j->tokens && i < j->n_tokens; i++)
        j->tokens[i] = (int32_t)rng_below(&r, (uint64_t)j->m->d.n_vocab);
    return j->tokens ? 0 : err_nomem(e, (size_t)j->n_tokens * sizeof *j->tokens, "token ids");
}

static int run(struct job *j, char **arg, struct err *e)
{
    int rc = model_open(&j->m, arg[0], e);
    if (rc == 0 && atoi(arg[7]))
        rc = model_dither(j->m, 42, e);
    if (rc == 0)
        rc = take_text(j, arg[3], e);
    if (rc == 0 && j->n_tokens < (int64_t)j->n_ctx * j->n_chunks)
        rc = err_set(e, ERR_USAGE, "%s has %lld tokens only", arg[3], (long long)j->n_tokens);
    if (rc == 0)
        rc = encode(j, arg[1], arg[2], e);
    if (rc)
        return rc;
    struct engine_opts o = {.mode = ENGINE_QUALITY,
                            .n_ctx = j->n_ctx + j->n_greedy,
                            .n_batch = j->n_ctx,
                            .kv = numerics_kv(j->recipe.framework),
                            .isa = host_isa(),
                            .pool = j->pool};
    rc = engine_new(&j->engine, j->w, &o, e);
    if (rc == 0)
        rc = put_chunks(j, e);
    return rc ? rc : put_greedy(j, e);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct job j = {0};
    if (argc != 9) {
        fputs("export_raw MODEL FORMAT OUT TEXT N_CTX N_CHUNKS N_GREEDY DITHER\n", stderr);
        return 2;
    }
    j.n_ctx = atoi(argv[5]);
    j.n_chunks = atoi(argv[6]);
    j.n_greedy = atoi(argv[7]);
    int rc = pool_new(&j.pool, 2, NULL, &e);
    if (rc == 0)
        rc = run(&j, argv + 1, &e);
    if (rc)
        fprintf(stderr, "%s\n", e.text);
    engine_free(j.engine);
    weights_free(j.w);
    weights_free(j.source);
    calibration_free(j.cal);
    pool_free(j.pool);
    mem_free(j.assign);
    mem_free(j.tokens);
    mem_free(j.greedy);
    model_close(j.m);
    return rc || fflush(stdout) ? 1 : 0;
}
