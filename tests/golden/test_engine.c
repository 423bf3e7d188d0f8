/* The forward pass against llama.cpp: logits and greedy tokens of a tiny random model of each architecture
 * (recorded in tests/golden/arch), perplexity and greedy tokens of the story models, and the engine against
 * itself: batches against single tokens, threads, plain C against SIMD. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/engine/eval.h"
#include "bench/engine/generate.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

enum { N_VOCAB = 96, MAX_TOKENS = 64, N_CTX = 64 };

struct recorded {
    int32_t tokens[MAX_TOKENS], greedy[MAX_TOKENS];
    int n_tokens, n_greedy, n_rows, pos[8];
    float logits[8][N_VOCAB];
};

static int read_ids(char *p, int32_t *ids)
{
    int n = 0;
    for (char *end; n < MAX_TOKENS; p = end) {
        long v = strtol(p, &end, 10);
        if (end == p)
            break;
        ids[n++] = (int32_t)v;
    }
    return n;
}

static const char *arch_path(const char *name, const char *suffix)
{
    static char path[2][1024];
    static int next;
    char *p = path[next++ & 1];
    snprintf(p, sizeof path[0], "%s/tests/golden/arch/%s.%s", SOURCE_ROOT, name, suffix);
    return p;
}

static void read_recorded(const char *name, struct recorded *r)
{
    char *text, *line, *save;
    struct err e;
    memset(r, 0, sizeof *r);
    assert_int_equal(file_read(arch_path(name, "txt"), 1 << 20, &text, NULL, &e), 0);
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "tokens", 6) == 0)
            r->n_tokens = read_ids(line + 6, r->tokens);
        if (strncmp(line, "greedy", 6) == 0)
            r->n_greedy = read_ids(line + 6, r->greedy);
        if (strncmp(line, "logits", 6) != 0)
            continue;
        char *p = line + 6;
        r->pos[r->n_rows] = (int)strtol(p, &p, 10);
        for (int i = 0; i < N_VOCAB; i++)
            r->logits[r->n_rows][i] = strtof(p, &p);
        r->n_rows++;
    }
    mem_free(text);
    assert_int_equal(r->n_tokens, 40);
    assert_int_equal(r->n_greedy, 16);
    assert_int_equal(r->n_rows, 5);
}

/* Feeds the tokens in pieces of `piece` and compares the recorded rows. */
static void check_logits(struct engine *g, const struct recorded *r, int piece, float tolerance)
{
    struct err e = {0};
    float logits[N_VOCAB];
    engine_reset(g);
    for (int t0 = 0; t0 < r->n_tokens; t0 += piece) {
        int n = r->n_tokens - t0 < piece ? r->n_tokens - t0 : piece;
        if (engine_forward(g, r->tokens + t0, n, &e))
            fail_msg("%s", e.text);
        for (int i = 0; i < r->n_rows; i++) {
            if (r->pos[i] < t0 || r->pos[i] >= t0 + n)
                continue;
            assert_int_equal(engine_logits(g, r->pos[i] - t0, 1, logits, &e), 0);
            for (int v = 0; v < N_VOCAB; v++)
                if (!(fabsf(logits[v] - r->logits[i][v]) < tolerance))
                    fail_msg("pieces of %d, position %d, token %d: %.7g, llama.cpp has %.7g", piece, r->pos[i], v,
                             (double)logits[v], (double)r->logits[i][v]);
        }
    }
    assert_int_equal(engine_n_past(g), r->n_tokens);
}

static void check_arch(const char *name, float tolerance)
{
    struct recorded r;
    struct err e;
    read_recorded(name, &r);
    for (int plain = 0; plain < 2; plain++) {
        struct engine_opts o = fixture_opts(N_CTX, 40, NULL);
        o.isa = plain ? 0 : o.isa;
        struct fixture f = fixture_open(arch_path(name, "gguf"), false, &o);
        assert_int_equal(strncmp(engine_model(f.engine)->arch->name, name, strcspn(name, "-")), 0);
        const int pieces[] = {40, 1, 7};
        for (int i = 0; i < 3; i++)
            check_logits(f.engine, &r, pieces[i], tolerance);
        int32_t ids[16];
        int n;
        engine_reset(f.engine);
        assert_int_equal(generate_greedy(f.engine, NULL, r.tokens, r.n_tokens, ids, 16, &n, &e), 0);
        assert_int_equal(n, 16);
        assert_memory_equal(ids, r.greedy, sizeof ids);
        fixture_close(&f);
    }
}

static void llama_logits(void **state)
{
    (void)state;
    check_arch("llama", 5e-5f);
}
static void qwen2_logits(void **state)
{
    (void)state;
    check_arch("qwen2", 5e-5f);
}
static void qwen3_logits(void **state)
{
    (void)state;
    check_arch("qwen3", 5e-5f);
}
static void phi3_logits(void **state)
{
    (void)state;
    check_arch("phi3", 5e-5f);
}
static void bitnet_logits(void **state)
{
    (void)state;
    check_arch("bitnet", 5e-5f);
    check_arch("bitnet-scale", 5e-5f); /* the same with scales of their own */
    check_arch("bitnet-b1.58", 5e-5f); /* squared ReLU: recorded by reference_bitnet.py */
}
/* llama.cpp takes GELU from a table of f16 values: rounding input and output so brings the difference to
 * 6e-5. */
static void gemma3_logits(void **state)
{
    (void)state;
    check_arch("gemma3", 5e-3f);
}

/* ---- perplexity ---- */

/* llama-perplexity of llama.cpp 0c1e570 (gcc 12.2, Zen 4), -c 512 on the text: running values after so many
 * chunks. Reference: -ctk f32 -ctv f32 -fa off. llama.cpp: the defaults of the tool (f16 KV, quantized
 * activations). */
static const struct ppl_row {
    const char *model, *text;
    bool reference;
    int n_chunks;
    double ppl, tolerance; /* relative */
} ppl_rows[] = {
    {"models/stories260K-F32.gguf", "text/stories-ascii.txt", true, 4, 4.1173, 2e-5},
    {"models/TinyStories-656K-F32.gguf", "text/stories-ascii.txt", true, 4, 39.1643, 2e-5},
    {"models/stories260K-F32.gguf", "text/stories-ascii.txt", false, 4, 4.1170, 2e-4},
    {"models/TinyStories-656K-F32.gguf", "text/stories-ascii.txt", false, 4, 39.1663, 2e-4},
};

static double perplexity(const char *model, const char *text, bool reference, int n_chunks, struct pool *pool)
{
    struct err e = {0};
    struct engine_opts o = fixture_opts(512, 512, pool);
    o.kv = reference ? KV_BOTH(F32) : KV_BOTH(F16);
    struct fixture f = fixture_open(model, !reference, &o);
    struct eval_cand c = {.engine = f.engine};
    struct eval_text t = {.n_ctx = 512, .n_chunks = n_chunks};
    struct eval_quality q;
    int32_t *ids;
    struct eval *v;
    t.bos = vocab_adds_bos(f.model->vocab) ? vocab_bos(f.model->vocab) : -1;
    if (eval_tokenize(f.model->vocab, text, 512, &ids, &t.n_tokens, &e))
        fail_msg("%s", e.text);
    t.tokens = ids;
    assert_int_equal(eval_new(&v, &t, NULL, &c, 1, &e), 0);
    for (int i = 0; i < n_chunks; i++)
        if (eval_chunk(v, i, NULL, &e))
            fail_msg("%s", e.text);
    assert_int_equal(eval_result(v, 0, &q, &e), 0);
    assert_int_equal(q.n_scored, (int64_t)n_chunks * 255);
    eval_free(v);
    mem_free(ids);
    fixture_close(&f);
    return q.ppl;
}

static void story_perplexity(void **state)
{
    (void)state;
    struct pool *pool;
    struct err e;
    if (!test_data_there("models/stories260K-F32.gguf"))
        skip();
    assert_int_equal(pool_new(&pool, 2, NULL, &e), 0);
    for (size_t i = 0; i < sizeof ppl_rows / sizeof ppl_rows[0]; i++) {
        const struct ppl_row *r = &ppl_rows[i];
        double ppl = perplexity(test_data(r->model), test_data(r->text), r->reference, r->n_chunks, pool);
        if (!(fabs(ppl / r->ppl - 1) < r->tolerance))
            fail_msg("%s, %s: perplexity %.6f, llama-perplexity has %.4f", r->model,
                     r->reference ? "reference" : "llama.cpp numerics", ppl, r->ppl);
    }
    pool_free(pool);
}

/* ---- greedy continuation: llama.cpp 0c1e570 with its defaults ---- */

static const struct greedy_row {
    const char *model;
    int n_prompt;
    int32_t prompt[8], next[32];
} greedy_rows[] = {
    {"models/stories260K-F32.gguf", 5, {1, 403, 407, 261, 378}, {432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426,
                                                                 338, 401, 396, 267, 337, 410, 408, 419, 292, 411, 322,
                                                                 265, 282, 295, 433, 426, 385, 328, 432, 358, 394}},
    {"models/stories260K-F32.gguf", 6, {1, 291, 280, 294, 262, 294}, {279, 327, 416, 353, 265, 298, 420, 277,
                                                                      264, 426, 346, 397, 355, 267, 262, 411,
                                                                      411, 261, 370, 268, 414, 444, 426, 346,
                                                                      397, 355, 267, 337, 335, 345, 268, 388}},
    {"models/stories260K-F32.gguf", 7, {1, 274, 287, 269, 345, 400, 428}, {432, 392, 412, 444, 432, 263, 415, 414,
                                                                           397, 396, 322, 261, 370, 270, 277, 372,
                                                                           426, 342, 397, 355, 267, 337, 335, 265,
                                                                           315, 267, 422, 419, 269, 352, 379, 261}},
    {"models/TinyStories-656K-F32.gguf",
     6,
     {1, 80, 147, 201, 282, 57},
     {313,  598, 303, 1049, 1468, 267, 628, 333, 94,  1210, 263,  251, 604,  94,  1030, 94,
      1030, 94,  436, 220,  1053, 615, 303, 328, 552, 319,  1269, 163, 1945, 897, 645,  1188}},
    {"models/TinyStories-656K-F32.gguf", 6, {1, 80, 247, 411, 107, 72}, {72,  71,  92,  115,  1869, 238,  1154, 140,
                                                                         328, 552, 319, 1283, 149,  1243, 77,   776,
                                                                         115, 720, 305, 265,  1276, 250,  521,  295,
                                                                         224, 122, 810, 645,  1276, 918,  100,  553}},
    {"models/TinyStories-656K-F32.gguf", 5, {1, 80, 875, 231, 604}, {94,  1030, 94,  1747, 238,  1354, 144,  463,
                                                                     622, 94,   691, 263,  1007, 309,  622,  85,
                                                                     771, 144,  614, 752,  284,  609,  1372, 125,
                                                                     233, 144,  265, 448,  563,  1799, 808,  1372}},
};

static void story_greedy(void **state)
{
    (void)state;
    struct err e = {0};
    if (!test_data_there("models/stories260K-F32.gguf"))
        skip();
    for (size_t i = 0; i < sizeof greedy_rows / sizeof greedy_rows[0]; i++) {
        const struct greedy_row *r = &greedy_rows[i];
        struct engine_opts o = fixture_opts(64, 8, NULL);
        o.kv = KV_BOTH(F16);
        struct fixture f = fixture_open(test_data(r->model), true, &o);
        int32_t ids[32];
        int n;
        assert_int_equal(generate_greedy(f.engine, f.model->vocab, r->prompt, r->n_prompt, ids, 32, &n, &e), 0);
        assert_int_equal(n, 32);
        assert_memory_equal(ids, r->next, sizeof ids);
        fixture_close(&f);
    }
}

/* ---- the engine against itself ---- */

/* Long enough for several blocks of queries and of positions: one batch, odd batches and single tokens agree,
 * on an f16 cache as well, and the thread count changes nothing at all. */
static void batches_agree(void **state)
{
    (void)state;
    enum { N = 300 };
    static float want[N_VOCAB], got[N_VOCAB];
    int32_t tokens[N];
    struct err e = {0};
    struct pool *pool;
    for (int i = 0; i < N; i++)
        tokens[i] = (i * 37 + i / 7) % N_VOCAB;
    assert_int_equal(pool_new(&pool, 3, NULL, &e), 0);
    const char *const names[] = {"llama", "gemma3"};
    for (int m = 0; m < 2; m++)
        for (int f16 = 0; f16 < 2; f16++) {
            const int pieces[] = {N, N, N, 77, 1};
            for (int i = 0; i < 5; i++) {
                struct engine_opts o = fixture_opts(N, pieces[i], i == 1 || i == 4 ? NULL : pool);
                o.prefill_threads = i == 2 ? 2 : 0;
                o.decode_threads = i == 2; /* the head of the last token */
                o.kv = f16 ? KV_BOTH(F16) : KV_BOTH(F32);
                struct fixture f = fixture_open(arch_path(names[m], "gguf"), false, &o);
                for (int t = 0, n; t < N; t += n) {
                    n = N - t < pieces[i] ? N - t : pieces[i];
                    assert_int_equal(engine_forward(f.engine, tokens + t, n, &e), 0);
                    if (t + n == N)
                        assert_int_equal(engine_logits(f.engine, n - 1, 1, i ? got : want, &e), 0);
                }
                for (int v = 0; (i == 1 || i == 2) && v < N_VOCAB; v++)
                    assert_true(got[v] == want[v]);
                /* A few queries over an f16 cache sum in f16, as llama.cpp's kernel does: 300 positions, 11 bits. */
                const float error = !f16 ? 2e-5f : pieces[i] < 64 ? 3e-2f : 5e-3f;
                for (int v = 0; i > 2 && v < N_VOCAB; v++)
                    if (!(fabsf(got[v] - want[v]) < error))
                        fail_msg("%s, pieces of %d: token %d %.7g against %.7g", names[m], pieces[i], v, (double)got[v],
                                 (double)want[v]);
                fixture_close(&f);
            }
        }
    pool_free(pool);
}

/* engine_embed, engine_layer and engine_head by hand give what engine_forward and engine_logits give. */
static void pieces_are_the_forward_pass(void **state)
{
    (void)state;
    struct recorded r;
    struct err e;
    static float x[40 * 32], by_hand[40 * N_VOCAB], logits[40 * N_VOCAB];
    read_recorded("qwen3", &r);
    struct engine_opts o = fixture_opts(N_CTX, 40, NULL);
    struct fixture f = fixture_open(arch_path("qwen3", "gguf"), false, &o);
    engine_embed(f.engine, r.tokens, 40, x);
    for (int l = 0; l < f.model->d.n_layer; l++)
        engine_layer(f.engine, l, x, 0, 40);
    engine_head(f.engine, x, 40, by_hand);
    engine_reset(f.engine);
    assert_int_equal(engine_forward(f.engine, r.tokens, 40, &e), 0);
    assert_int_equal(engine_logits(f.engine, 0, 40, logits, &e), 0);
    assert_memory_equal(by_hand, logits, sizeof logits);
    fixture_close(&f);
}

/* Packed kernels against decoded weights and decoded activations under the same rules: files of llama-quantize with
 * random weights, a batch and single tokens. A last bit that differs may move an activation by a whole 8-bit step. */
static void packed_is_the_same_arithmetic(void **state)
{
    (void)state;
    static const char *const files[] = {"pure-Q4_0",   "pure-Q4_1", "pure-Q5_0",   "pure-Q5_1",
                                        "pure-Q8_0",   "pure-Q2_K", "pure-Q3_K_S", "pure-Q4_K_S",
                                        "pure-Q5_K_S", "pure-Q6_K", "mix-Q4_K_M"};
    enum { N = 6, N_VOCAB_512 = 512 };
    const int32_t tokens[N] = {1, 77, 300, 5, 411, 9};
    static float want[N_VOCAB_512], got[N_VOCAB_512];
    struct err e = {0};
    if (!test_data_there("golden/pure-Q4_0.gguf"))
        skip();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "golden/%s.gguf", files[i]);
        struct engine_opts o = fixture_opts(N, N, NULL);
        struct fixture ref = fixture_open(test_data(name), true, &o);
        assert_string_equal(engine_kernels(ref.engine), "");
        assert_false(engine_is_packed(ref.engine));
        assert_int_equal(engine_forward(ref.engine, tokens, N, &e), 0);
        assert_int_equal(engine_logits(ref.engine, N - 1, 1, want, &e), 0);
        float most = 0;
        for (int v = 0; v < N_VOCAB_512; v++)
            most = fabsf(want[v]) > most ? fabsf(want[v]) : most;
        o.mode = ENGINE_QUALITY; /* packed kernels, the reference's attention: only the order of sums is another */
        struct fixture quality = fixture_open(test_data(name), true, &o);
        assert_non_null(strstr(engine_kernels(quality.engine), "matmul_"));
        assert_false(engine_is_packed(quality.engine));
        assert_int_equal(engine_forward(quality.engine, tokens, N, &e), 0);
        assert_int_equal(engine_logits(quality.engine, N - 1, 1, got, &e), 0);
        for (int v = 0; v < N_VOCAB_512; v++)
            if (!(fabsf(got[v] - want[v]) < 2e-2f * most))
                fail_msg("%s, quality: token %d %.7g against %.7g", files[i], v, (double)got[v], (double)want[v]);
        fixture_close(&quality);
        o.mode = ENGINE_PACKED;
        for (int piece = 1; piece <= N; piece += N - 1) {
            struct fixture f = fixture_open(test_data(name), true, &o);
            for (int t = 0; t < N; t += piece)
                assert_int_equal(engine_forward(f.engine, tokens + t, piece, &e), 0);
            assert_int_equal(engine_logits(f.engine, piece - 1, 1, got, &e), 0);
            for (int v = 0; v < N_VOCAB_512; v++)
                if (!(fabsf(got[v] - want[v]) < 2e-2f * most))
                    fail_msg("%s, pieces of %d, %s: token %d %.7g against %.7g", files[i], piece,
                             engine_kernels(f.engine), v, (double)got[v], (double)want[v]);
            assert_non_null(strstr(engine_kernels(f.engine), "matvec_"));
            int64_t embedding = (int64_t)qmat_bytes(&f.weights->mat[f.model->by_use[USE_TOKEN_EMBD]]), vectors = 0;
            for (int t = 0; t < f.model->d.n_tensors; t++)
                vectors += f.model->d.tensor[t].matrix ? 0 : (int64_t)qmat_bytes(&f.weights->mat[t]);
            const struct model_desc *d = &f.model->d;
            assert_int_equal(engine_bytes_per_token(f.engine, 9),
                             f.weights->bytes - embedding - vectors +
                                 10 * 2 * 4 * d->n_layer * d->n_head_kv * d->head_dim);
            fixture_close(&f);
        }
        fixture_close(&ref);
    }
}

struct seen {
    int n_calls, n_rows;
    double squares[N_TENSOR_USES];
};

static void see_input(void *arg, const struct model_tensor *t, const float *x, int n)
{
    struct seen *s = arg;
    s->n_calls++;
    s->n_rows += n;
    for (int64_t i = 0; i < n * t->src.k; i++)
        s->squares[t->use] += (double)x[i] * (double)x[i];
}

/* The hook sees the input of each matrix once, unrounded; Q, K and V read the same one. */
static void inputs_can_be_watched(void **state)
{
    (void)state;
    struct seen s = {0};
    struct err e;
    const int32_t tokens[5] = {1, 20, 30, 40, 50};
    float logits[N_VOCAB];
    struct engine_opts o = fixture_opts(8, 8, NULL);
    o.on_input = see_input;
    o.on_input_arg = &s;
    struct fixture f = fixture_open(arch_path("qwen3", "gguf"), true, &o);
    assert_int_equal(engine_forward(f.engine, tokens, 5, &e), 0);
    assert_int_equal(s.n_calls, 2 * 7);
    assert_int_equal(s.n_rows, 2 * 7 * 5);
    assert_int_equal(engine_logits(f.engine, 4, 1, logits, &e), 0);
    assert_int_equal(s.n_rows, 2 * 7 * 5 + 1);
    assert_true(s.squares[USE_ATTN_Q] > 0 && s.squares[USE_ATTN_Q] == s.squares[USE_ATTN_V]);
    assert_true(s.squares[USE_FFN_GATE] == s.squares[USE_FFN_UP]);
    assert_true(s.squares[USE_FFN_DOWN] > 0 && s.squares[USE_TOKEN_EMBD] > 0 && s.squares[USE_OUTPUT] == 0);
    fixture_close(&f);
}

static void limits_are_refused(void **state)
{
    (void)state;
    struct err e = {0};
    float logits[N_VOCAB];
    int32_t tokens[64] = {1, 2, 3, 4, 5};
    struct engine_opts o = fixture_opts(8, 4, NULL);
    struct fixture f = fixture_open(arch_path("llama", "gguf"), false, &o);
    assert_int_equal(engine_logits(f.engine, 0, 1, logits, &e), ERR_USAGE);
    assert_int_equal(engine_forward(f.engine, tokens, 5, &e), ERR_USAGE);
    assert_int_equal(engine_forward(f.engine, tokens, 0, &e), ERR_USAGE);
    assert_int_equal(engine_forward(f.engine, tokens, 4, &e), 0);
    assert_int_equal(engine_logits(f.engine, 3, 2, logits, &e), ERR_USAGE);
    assert_int_equal(engine_logits(f.engine, -1, 1, logits, &e), ERR_USAGE);
    assert_int_equal(engine_forward(f.engine, tokens, 4, &e), 0);
    assert_int_equal(engine_forward(f.engine, tokens, 1, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "8 positions is full"));
    engine_reset(f.engine);
    tokens[1] = N_VOCAB;
    assert_int_equal(engine_forward(f.engine, tokens, 4, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "token id 96"));
    tokens[1] = -1;
    assert_int_equal(engine_forward(f.engine, tokens, 4, &e), ERR_USAGE);
    assert_int_equal(engine_n_past(f.engine), 0);
    fixture_close(&f);
    o.n_batch = 9;
    assert_int_equal(model_open(&f.model, arch_path("llama", "gguf"), &e), 0);
    assert_int_equal(weights_source(&f.weights, f.model, false, &e), 0);
    assert_int_equal(engine_new(&f.engine, f.weights, &o, &e), ERR_USAGE);
    weights_free(f.weights);
    model_close(f.model);
}

/* Planned bytes are the bytes taken, for every option; the cache's size has a closed form. */
static void memory_is_what_was_planned(void **state)
{
    (void)state;
    struct err e = {0};
    struct pool *pool;
    const char *const names[] = {"llama", "qwen2", "qwen3", "gemma3", "phi3"};
    assert_int_equal(pool_new(&pool, 3, NULL, &e), 0);
    for (int i = 0; i < 48; i++) {
        struct engine_opts o = fixture_opts(i & 1 ? 512 : 40, i & 2 ? 40 : 3, i & 4 ? pool : NULL);
        o.kv = i & 8 ? KV_BOTH(F32) : KV_BOTH(F16);
        o.mode = (enum engine_mode)(i / 16);
        for (int m = 0; m < 5; m++) {
            struct fixture f = fixture_open(arch_path(names[m], "gguf"), true, &o);
            struct memory_need need;
            assert_int_equal(engine_memory(&f.model->d, &o, &need, &e), 0);
            assert_int_equal(need.kv_bytes + need.scratch_bytes, engine_bytes(f.engine));
            const struct model_desc *d = &f.model->d;
            int64_t per_pos = (int64_t)d->n_layer * d->n_head_kv * d->head_dim * (i & 8 ? 4 : 2);
            assert_int_equal(need.kv_bytes, per_pos * (2 * o.n_ctx + 32));
            assert_int_equal(need.weights_bytes, d->n_params * 4);
            fixture_close(&f);
        }
    }
    pool_free(pool);
}

/* From the second token on nothing is allocated: allocations that would fail are not even tried. */
static void token_loop_allocates_nothing(void **state)
{
    (void)state;
    struct err e = {0};
    float logits[N_VOCAB];
    int32_t token = 3;
    struct engine_opts o = fixture_opts(32, 4, NULL);
    struct fixture f = fixture_open(arch_path("gemma3", "gguf"), true, &o);
    size_t before = engine_bytes(f.engine);
    mem_fail_from(1);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(engine_forward(f.engine, &token, 1, &e), 0);
        assert_int_equal(engine_logits(f.engine, 0, 1, logits, &e), 0);
        token = argmax(logits, N_VOCAB);
        assert_true(token >= 0);
    }
    mem_fail_from(0);
    assert_int_equal(engine_bytes(f.engine), before);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_logits),
        cmocka_unit_test(qwen2_logits),
        cmocka_unit_test(qwen3_logits),
        cmocka_unit_test(gemma3_logits),
        cmocka_unit_test(phi3_logits),
        cmocka_unit_test(bitnet_logits),
        cmocka_unit_test(story_perplexity),
        cmocka_unit_test(story_greedy),
        cmocka_unit_test(batches_agree),
        cmocka_unit_test(pieces_are_the_forward_pass),
        cmocka_unit_test(packed_is_the_same_arithmetic),
        cmocka_unit_test(inputs_can_be_watched),
        cmocka_unit_test(limits_are_refused),
        cmocka_unit_test(memory_is_what_was_planned),
        cmocka_unit_test(token_loop_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
