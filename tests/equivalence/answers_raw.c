/* answers_raw MODEL DITHER_SEED FORMAT NUMERICS TEXT N_CTX N_CHUNKS N_GEN [OUT]: what the own engine answers, for
 * comparison with real frameworks that run the exported model (tests/equivalence). A line "name bytes" and the bytes of
 * each: tokens i32[N_CHUNKS][N_CTX], greedy i32[N_GEN] behind the first half of the first chunk, logits
 * f32[N_CHUNKS][N_CTX][n_vocab]. DITHER_SEED 0: weights as they are; FORMAT "-": the file as it is; NUMERICS: as eval
 * --numerics, "-": the format's; TEXT "random": seeded ids; OUT: where the artifact is written, too.
 *
 * answers_raw ids MODEL: for every line of standard input, a text as a JSON string, the list of its ids (special tokens
 * in it are recognised). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench/engine/eval.h"
#include "bench/engine/generate.h"
#include "bench/export/export.h"
#include "tests/host_isa.h"

enum { N_CALIBRATION = 4 }; /* chunks, for formats that want any */

struct job {
    const char *format, *numerics, *text;
    int n_ctx, n_chunks, n_gen;
    struct model *m;
    struct recipe recipe;
    struct use_assign *assign;
    struct weights *source, *w;
    struct calibration *cal;
    struct pool *pool;
    struct engine *engine;
    struct kv_pair kv;
    int32_t *tokens;
    int64_t n_tokens;
};

static void put(const char *name, const void *p, size_t bytes)
{
    printf("%s %zu\n", name, bytes);
    fwrite(p, 1, bytes, stdout);
}

static int put_greedy(struct job *j, struct err *e)
{
    int n = 0;
    int32_t *ids = mem_alloc_n((size_t)j->n_gen + 1, sizeof *ids);
    int rc = ids ? generate_greedy(j->engine, NULL, j->tokens, j->n_ctx / 2, ids, j->n_gen, &n, e) : ERR_NOMEM;
    if (rc == 0)
        put("greedy", ids, (size_t)n * sizeof *ids);
    mem_free(ids);
    return rc;
}

static int put_logits(struct job *j, struct err *e)
{
    const size_t row = (size_t)j->m->d.n_vocab * sizeof(float), n = (size_t)j->n_ctx;
    float *logits = mem_alloc_n(n, row);
    int rc = logits ? 0 : ERR_NOMEM;
    printf("logits %zu\n", (size_t)j->n_chunks * n * row);
    for (int i = 0; i < j->n_chunks && rc == 0; i++) {
        engine_reset(j->engine);
        rc = engine_forward(j->engine, j->tokens + (size_t)i * n, j->n_ctx, e);
        if (rc == 0)
            rc = engine_logits(j->engine, 0, j->n_ctx, logits, e);
        if (rc == 0)
            fwrite(logits, row, n, stdout);
    }
    mem_free(logits);
    return rc;
}

static int calibrate(struct job *j, struct err *e)
{
    struct calib_text text = {
        .tokens = j->tokens, .n_tokens = j->n_tokens, .n_ctx = j->n_ctx, .n_chunks = N_CALIBRATION, .bos = -1};
    int rc = weights_source(&j->source, j->m, false, e);
    return rc ? rc
              : calibration_collect(&j->cal, j->source, recipe_statistics(&j->format, 1), &text, host_isa(), j->pool,
                                    e);
}

static int encode(struct job *j, const char *out, struct err *e)
{
    int rc = recipe_resolve(&j->recipe, j->format, e);
    if (rc == 0 && recipe_needs(&j->recipe))
        rc = calibrate(j, e);
    struct recipe_known known = {j->cal != NULL, j->cal};
    j->assign = mem_alloc_n((size_t)j->m->d.n_tensors, sizeof *j->assign);
    const struct exporter *x = rc == 0 && out ? exporter_find(&j->recipe) : NULL;
    if (rc == 0 && out && !x)
        rc = err_set(e, ERR_UNSUPPORTED, "%s: no container", j->format);
    if (rc == 0 && x)
        rc = x->check(j->m, &j->recipe, e);
    if (rc == 0)
        rc = recipe_assign(&j->m->d, &j->recipe, j->numerics, &known, j->assign, e);
    if (rc == 0)
        rc = weights_encode(&j->w, j->m, j->assign, j->cal, host_isa(), j->pool, e);
    if (rc == 0)
        j->kv = recipe_kv(&j->recipe, j->numerics);
    return rc == 0 && x ? x->write(out, j->m, j->w, &j->recipe, e) : rc;
}

/* The file as it is: in llama.cpp's arithmetic, or weights-only. */
static int take_weights(struct job *j, const char *out, struct err *e)
{
    if (strcmp(j->format, "-") != 0)
        return encode(j, out, e);
    const char *numerics = j->numerics ? j->numerics : "llama.cpp";
    j->kv = numerics_kv(numerics);
    return weights_source(&j->w, j->m, strcmp(numerics, "weights-only") != 0, e);
}

static int take_tokens(struct job *j, struct err *e)
{
    struct rng r;
    int64_t n = (int64_t)j->n_ctx * j->n_chunks;
    if (strcmp(j->text, "random") != 0) {
        int rc = eval_tokenize(j->m->vocab, j->text, j->n_ctx, &j->tokens, &j->n_tokens, e);
        return rc == 0 && j->n_tokens < n ? err_set(e, ERR_USAGE, "%s has %lld tokens", j->text, (long long)j->n_tokens)
                                          : rc;
    }
    rng_seed(&r, 42);
    j->n_tokens = (int64_t)j->n_ctx * (j->n_chunks > N_CALIBRATION ? j->n_chunks : N_CALIBRATION);
    j->tokens = mem_alloc_n((size_t)j->n_tokens, sizeof *j->tokens);
    for (int64_t i = 0; j->tokens && i < j->n_tokens; i++)
        j->tokens[i] = (int32_t)rng_below(&r, (uint64_t)j->m->d.n_vocab);
    return j->tokens ? 0 : err_nomem(e, (size_t)j->n_tokens * sizeof *j->tokens, "token ids");
}

static int run(struct job *j, const char *model, uint64_t seed, const char *out, struct err *e)
{
    int rc = model_open(&j->m, model, e);
    if (rc == 0 && seed)
        rc = model_dither(j->m, seed, e);
    if (rc == 0)
        rc = take_tokens(j, e);
    if (rc == 0)
        rc = take_weights(j, out, e);
    if (rc)
        return rc;
    put("tokens", j->tokens, (size_t)j->n_ctx * (size_t)j->n_chunks * sizeof *j->tokens);
    const struct engine_opts o = {.mode = ENGINE_QUALITY,
                                  .n_ctx = j->n_ctx + j->n_gen,
                                  .n_batch = j->n_ctx,
                                  .kv = j->kv,
                                  .isa = host_isa(),
                                  .pool = j->pool};
    rc = engine_new(&j->engine, j->w, &o, e);
    if (rc == 0)
        rc = put_greedy(j, e);
    return rc ? rc : put_logits(j, e);
}

static int put_ids(struct model *m, const char *line, struct err *e)
{
    int32_t *ids = NULL;
    size_t n = 0;
    json_t *v = json_loads(line, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    int rc = json_is_string(v)
                 ? vocab_encode(m->vocab, json_string_value(v), json_string_length(v), true, true, &ids, &n, e)
                 : err_set(e, ERR_USAGE, "a line that is no JSON string");
    for (size_t i = 0; i < n && rc == 0; i++)
        printf("%s%d", i ? ", " : "[", ids[i]);
    if (rc == 0)
        puts(n ? "]" : "[]");
    mem_free(ids);
    json_decref(v);
    return rc;
}

static int run_ids(struct job *j, const char *model, struct err *e)
{
    char *line = NULL;
    size_t room = 0;
    int rc = model_open(&j->m, model, e);
    while (rc == 0 && getline(&line, &room, stdin) > 1)
        rc = put_ids(j->m, line, e);
    free(line);
    return rc;
}

static int run_answers(struct job *j, int argc, char **argv, struct err *e)
{
    j->format = argv[3];
    j->numerics = strcmp(argv[4], "-") ? argv[4] : NULL;
    j->text = argv[5];
    j->n_ctx = atoi(argv[6]);
    j->n_chunks = atoi(argv[7]);
    j->n_gen = atoi(argv[8]);
    int rc = pool_new(&j->pool, 2, NULL, e);
    return rc ? rc : run(j, argv[1], strtoull(argv[2], NULL, 10), argc == 10 ? argv[9] : NULL, e);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct job j = {0};
    bool ids = argc == 3 && strcmp(argv[1], "ids") == 0;
    if (!ids && argc != 9 && argc != 10) {
        fputs("answers_raw MODEL DITHER_SEED FORMAT NUMERICS TEXT N_CTX N_CHUNKS N_GEN [OUT] | ids MODEL\n", stderr);
        return 2;
    }
    int rc = ids ? run_ids(&j, argv[2], &e) : run_answers(&j, argc, argv, &e);
    if (rc)
        fprintf(stderr, "%s\n", e.text);
    engine_free(j.engine);
    weights_free(j.w);
    weights_free(j.source);
    calibration_free(j.cal);
    pool_free(j.pool);
    mem_free(j.assign);
    mem_free(j.tokens);
    model_close(j.m);
    return rc || fflush(stdout) ? 1 : 0;
}
