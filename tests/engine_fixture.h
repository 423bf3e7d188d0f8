/* A model with its weights and an engine, opened in one line, for the tests of the engine and of evaluation.
 */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bench/engine/engine.h"
#include "bench/engine/model.h"
#include "bench/engine/weights.h"
#include "tests/host_isa.h"

struct fixture {
    struct model *model;
    struct weights *weights;
    struct engine *engine;
};

static inline struct engine_opts fixture_opts(int n_ctx, int n_batch, struct pool *pool)
{
    return (struct engine_opts){.mode = ENGINE_REFERENCE,
                                .n_ctx = n_ctx,
                                .n_batch = n_batch,
                                .kv = KV_BOTH(F32),
                                .isa = host_isa(),
                                .pool = pool};
}

static inline struct fixture fixture_open(const char *path, bool activation_rules,
                                          const struct engine_opts *o)
{
    struct fixture f = {0};
    struct err e = {0};
    if (model_open(&f.model, path, &e) || weights_source(&f.weights, f.model, activation_rules, &e) ||
        engine_new(&f.engine, f.weights, o, &e))
        fail_msg("%s", e.text);
    return f;
}

static inline void fixture_close(struct fixture *f)
{
    engine_free(f->engine);
    weights_free(f->weights);
    model_close(f->model);
}
#endif
