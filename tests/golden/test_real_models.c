/* Real models, where they are at hand (WHICHQUANT_TEST_MODELS names their folder): perplexity and greedy tokens of
 * llama.cpp 0c1e570 with its defaults (f16 KV, quantized activations), gcc 12.2, Zen 4. Files by SHA-256:
 * SmolLM2-135M-Instruct.Q4_1.gguf b179c952..., gemma3-270m.Q4_K_M.gguf a5fd3b62... */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "bench/engine/eval.h"
#include "bench/engine/generate.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

enum { N_GEN = 32 };

static const struct real {
    const char *file, *sha256;
    int n_chunks;
    double ppl, tolerance; /* on wiki.test.raw, -c 512; relative */
    struct {
        const char *text;
        int32_t ids[N_GEN];
    } prompt[3];
} real[] = {
    {"SmolLM2-135M-Instruct.Q4_1.gguf",
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
     4,
     22.8855,
     0.003,
     {{"The capital of France is",
       {7042, 30,  198, 198, 504, 1797, 1918, 553,  253, 2155, 282,  4723, 216,  35,  33, 33,
        2215, 701, 30,  198, 198, 504,  1797, 1918, 553, 253,  2155, 282,  4723, 216, 35, 33}},
      {"def fibonacci(n):", {472,   585, 304, 1758, 216, 32, 42, 448, 1003, 216,  33, 472,   1003,  304, 1672, 3987,
                             46477, 24,  94,  731,  216, 33, 25, 198, 198,  3272, 24, 38572, 46477, 24,  33,   32}},
      {"Once upon a time, there was",
       {253,   1165, 3102,  32047, 281, 260, 1911, 282, 253,  14055, 2240, 30,   378,  3102, 436, 1217,
        22317, 581,  22340, 926,   28,  284, 357,  436, 4248, 327,   624,  9077, 6734, 30,   198, 198}}}},
    {"gemma3-270m.Q4_K_M.gguf",
     "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
     8,
     18.1556,
     0.003,
     {{"The capital of France is",
       {506,  5279, 529, 506,  2891, 529, 7001, 236761, 1030, 563,    506,  7488, 3207, 528,  7001, 236761,
        1030, 563,  506, 5279, 529,  506, 2891, 529,    7001, 236761, 1030, 563,  506,  7488, 3207, 528}},
      {"def fibonacci(n):", {107,    140,    584,    538,    1251,  236743, 236771, 236787, 107,    144,    2060,
                             236743, 236771, 107,    140,    36208, 538,    1251,   236743, 236770, 236787, 107,
                             144,    2060,   236743, 236770, 107,   140,    36208,  538,    1251,   236743}},
      {"Once upon a time, there was",
       {496,  1944, 5148, 528,    506,  6029, 529, 35194, 236761, 1030, 691, 496,  1944, 5148, 607,    496,
        2606, 529,  1331, 236761, 1030, 691,  496, 1944,  5148,   607,  496, 2606, 529,  1331, 236761, 1030}}}},
};

static const char *model_path(const struct real *r)
{
    static char path[1024];
    const char *folder = getenv("WHICHQUANT_TEST_MODELS");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "", r->file);
    return path;
}

static struct pool *pool;

static void perplexity(const struct real *r, struct fixture *f)
{
    struct err e = {0};
    struct eval_cand c = {.engine = f->engine};
    struct eval_text t = {.n_ctx = 512, .n_chunks = r->n_chunks};
    struct eval_quality q;
    int32_t *ids;
    struct eval *v;
    t.bos = vocab_adds_bos(f->model->vocab) ? vocab_bos(f->model->vocab) : -1;
    if (eval_tokenize(f->model->vocab, test_data("text/wiki.test.raw"), 512, &ids, &t.n_tokens, &e))
        fail_msg("%s", e.text);
    t.tokens = ids;
    assert_int_equal(eval_new(&v, &t, NULL, &c, 1, &e), 0);
    for (int i = 0; i < r->n_chunks; i++)
        assert_int_equal(eval_chunk(v, i, NULL, &e), 0);
    assert_int_equal(eval_result(v, 0, &q, &e), 0);
    print_message("%s: perplexity %.4f, llama-perplexity %.4f\n", r->file, q.ppl, r->ppl);
    if (!(fabs(q.ppl / r->ppl - 1) < r->tolerance))
        fail_msg("%s: perplexity %.4f, llama-perplexity has %.4f", r->file, q.ppl, r->ppl);
    eval_free(v);
    mem_free(ids);
}

/* Activations of 8 bits scatter the logits of such small models by about 0.1, so that near ties fall either way, in
 * llama.cpp's own batches too. So its tokens are fed, and at each step its choice must be ours or a near tie of it. */
static void greedy(const struct real *r, struct fixture *f)
{
    struct err e = {0};
    int32_t n_vocab = f->model->d.n_vocab;
    float *logits = mem_alloc_n((size_t)n_vocab, sizeof *logits);
    for (int i = 0; i < 3; i++) {
        const char *text = r->prompt[i].text;
        const int32_t *want = r->prompt[i].ids;
        int32_t *prompt;
        size_t n_prompt;
        int same = 0;
        float worst = 0;
        assert_int_equal(vocab_encode(f->model->vocab, text, strlen(text), true, false, &prompt, &n_prompt, &e), 0);
        engine_reset(f->engine);
        for (int step = 0; step < N_GEN; step++) {
            const int32_t *feed = step ? &want[step - 1] : prompt;
            int n = step ? 1 : (int)n_prompt;
            assert_int_equal(engine_forward(f->engine, feed, n, &e), 0);
            assert_int_equal(engine_logits(f->engine, n - 1, 1, logits, &e), 0);
            int32_t ours = argmax(logits, n_vocab);
            float behind = logits[ours] - logits[want[step]];
            worst = behind > worst ? behind : worst;
            same += ours == want[step];
        }
        mem_free(prompt);
        print_message("%s, \"%s\": %d of %d tokens as llama.cpp, the worst %.3f behind\n", r->file, text, same, N_GEN,
                      (double)worst);
        assert_true(same >= N_GEN - 4 && worst < 0.4f);
    }
    mem_free(logits);
}

static void check(const struct real *r)
{
    struct engine_opts o = fixture_opts(512, 512, pool);
    struct err e = {0};
    if (access(model_path(r), R_OK) != 0 || !test_data_there("text/wiki.test.raw")) {
        fprintf(stderr, "SKIP: %s is not there (set WHICHQUANT_TEST_MODELS)\n", model_path(r));
        skip();
    }
    o.kv = KV_BOTH(F16);
    struct fixture f = fixture_open(model_path(r), true, &o);
    assert_int_equal(model_hash(f.model, &e), 0);
    assert_string_equal(f.model->sha256, r->sha256);
    perplexity(r, &f);
    fixture_close(&f);
    o.mode = ENGINE_PACKED;
    o.n_ctx = o.n_batch = 64;
    f = fixture_open(model_path(r), true, &o);
    greedy(r, &f);
    fixture_close(&f);
}

static void smollm2(void **state)
{
    (void)state;
    check(&real[0]);
}
static void gemma3(void **state)
{
    (void)state;
    check(&real[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smollm2),
        cmocka_unit_test(gemma3),
    };
    struct err e;
    if (access(model_path(&real[0]), R_OK) != 0 && access(model_path(&real[1]), R_OK) != 0) {
        fprintf(stderr, "SKIP: no real models (set WHICHQUANT_TEST_MODELS)\n");
        return TEST_SKIPPED;
    }
    if (pool_new(&pool, 2, NULL, &e))
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pool_free(pool);
    return rc;
}
