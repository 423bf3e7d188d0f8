/* A model with its weights and an engine, opened in one line, for the tests of the engine and of evaluation.
 */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif
#include "base/isa.h"
#include "bench/engine/engine.h"
#include "bench/engine/model.h"
#include "bench/engine/weights.h"

struct fixture {
    struct model *model;
    struct weights *weights;
    struct engine *engine;
};

/* What kernels this machine may run. */
static inline uint64_t fixture_isa(void)
{
    uint64_t isa = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
        isa |= ISA(AVX) | ISA(AVX2) | ISA(FMA) | ISA(F16C);
    if (isa && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        isa |= ISA(AVX512F) | ISA(AVX512BW) | ISA(AVX512VL) | ISA(AVX512DQ);
    if ((isa & ISA(AVX512F)) && __builtin_cpu_supports("avx512vnni"))
        isa |= ISA(AVX512_VNNI);
#elif defined(__aarch64__)
    const unsigned long hw = getauxval(AT_HWCAP);
    isa |= ISA(NEON) | (hw & HWCAP_ASIMDHP ? ISA(FP16) : 0) | (hw & HWCAP_ASIMDDP ? ISA(DOTPROD) : 0);
#endif
    return isa;
}

static inline struct engine_opts fixture_opts(int n_ctx, int n_batch, struct pool *pool)
{
    return (struct engine_opts){.mode = ENGINE_REFERENCE,
                                .n_ctx = n_ctx,
                                .n_batch = n_batch,
                                .kv = KV_BOTH(F32),
                                .isa = fixture_isa(),
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
