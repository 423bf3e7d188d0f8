/* KV cache formats against llama-perplexity's KL divergence from its own f16 cache (golden/kv/llama-perplexity.csv):
 * our codecs, rotation, rounding of Q and sums over V. Quick: the embedded model. Given "full" also SmolLM2 at 512 and
 * 2048 tokens, where WHICHQUANT_TEST_MODELS names a folder that has it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/eval.h"
#include "bench/engine/kv_peaks.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

enum { MAX_ROWS = 16 };
#define HERE         SOURCE_ROOT "/tests/golden/kv/llama-perplexity.csv"
#define DEFAULT      SOURCE_ROOT "/datasets/models/default.gguf"
#define DEFAULT_TEXT SOURCE_ROOT "/datasets/text/eval.txt"

struct row {
    char name[48];
    double ppl, ppl_err, kld, kld_err, top1, top1_err;
};

static int read_rows(const char *model, int n_ctx, struct row *rows, int *n_chunks)
{
    char *text, *save;
    struct err e;
    int n = 0;
    assert_int_equal(file_read(HERE, 1 << 16, &text, NULL, &e), 0);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct row r;
        char name[16], k[16], v[16];
        int ctx, chunks;
        if (sscanf(line, "%15[^,],%d,%d,%15[^,],%15[^,],%lf,%lf,%lf,%lf,%lf,%lf", name, &ctx, &chunks, k, v, &r.ppl,
                   &r.ppl_err, &r.kld, &r.kld_err, &r.top1, &r.top1_err) != 11 ||
            strcmp(name, model) || ctx != n_ctx)
            continue;
        snprintf(r.name, sizeof r.name, "%s/%s", k, v);
        assert_true(n < MAX_ROWS);
        rows[n++] = r;
        *n_chunks = chunks;
    }
    mem_free(text);
    return n;
}

static void near(const struct row *r, const char *what, double got, double want, double error)
{
    if (!(fabs(got - want) <= error))
        fail_msg("%s: %s %.6f, llama-perplexity has %.6f +- %.6f", r->name, what, got, want, error);
}

/* noise: of 16-bit log-probabilities and printed digits, and of weights whose activations are rounded too. */
static void check_model(const char *model, const char *path, const char *text, int n_ctx, double noise)
{
    struct row rows[MAX_ROWS];
    struct err e = {0};
    struct pool *pool;
    int n_chunks = 0, n = read_rows(model, n_ctx, rows, &n_chunks);
    assert_true(n >= 2);
    assert_int_equal(pool_new(&pool, 2, NULL, &e), 0);
    struct engine_opts o = fixture_opts(n_ctx, 512, pool);
    o.kv = KV_BOTH(F16);
    struct fixture ref = fixture_open(path, true, &o);
    struct eval_cand cand[MAX_ROWS] = {0};
    for (int i = 0; i < n; i++) {
        assert_int_equal(kv_parse(&o.kv, rows[i].name, &e), 0);
        if (engine_new(&cand[i].engine, ref.weights, &o, &e))
            fail_msg("%s", e.text);
    }
    int32_t *ids;
    struct eval_text t = {.n_ctx = n_ctx, .n_chunks = n_chunks, .bos = -1};
    t.bos = vocab_adds_bos(ref.model->vocab) ? vocab_bos(ref.model->vocab) : -1;
    if (eval_tokenize(ref.model->vocab, text, n_ctx, &ids, &t.n_tokens, &e))
        fail_msg("%s", e.text);
    t.tokens = ids;
    struct eval *v;
    assert_int_equal(eval_new(&v, &t, ref.engine, cand, n, &e), 0);
    for (int i = 0; i < n_chunks; i++)
        assert_int_equal(eval_chunk(v, i, NULL, &e), 0);
    for (int i = 0; i < n; i++) {
        struct eval_quality q;
        assert_int_equal(eval_result(v, i, &q, &e), 0);
        print_message("%s %d %s: KLD %.6f, llama-perplexity %.6f +- %.6f\n", model, n_ctx, rows[i].name, q.kld,
                      rows[i].kld, rows[i].kld_err);
        /* Weights whose activations are rounded draw other outliers in each program: the errors of both count. */
        near(&rows[i], "mean KLD", q.kld, rows[i].kld, rows[i].kld_err + (noise > 1e-4 ? q.kld_err : 0) + noise);
        near(&rows[i], "top token", 100 * q.top1_agreement, rows[i].top1, rows[i].top1_err + 0.2);
        /* Each draws its own error of ln PPL: its variance is that of the log-ratios, twice the KLD, over the tokens.
         */
        double ratio_err = sqrt(2 * fmax(rows[i].kld, 0) / (double)q.n_scored);
        near(&rows[i], "PPL", q.ppl, rows[i].ppl, (1e-3 + 2 * ratio_err) * rows[i].ppl);
        engine_free(cand[i].engine);
    }
    eval_free(v);
    mem_free(ids);
    fixture_close(&ref);
    pool_free(pool);
}

static void embedded_model(void **state)
{
    (void)state;
    check_model("default", DEFAULT, DEFAULT_TEXT, 512, 1e-5);
}

static void smollm2(void **state)
{
    (void)state;
    const char *dir = getenv("WHICHQUANT_TEST_MODELS");
    char path[4096];
    snprintf(path, sizeof path, "%s/SmolLM2-135M-Instruct.Q4_1.gguf", dir ? dir : "");
    if (!dir || access(path, R_OK) || !test_data_there("text/wiki.test.raw"))
        skip();
    check_model("smol", path, test_data("text/wiki.test.raw"), 512, 2e-4);
    check_model("smol", path, test_data("text/wiki.test.raw"), 2048, 2e-4);
}

static struct kv_peaks *peaks_of_text(void)
{
    enum { CTX = 256, MOST = 2 * CTX };
    struct err e = {0};
    struct kv_peaks *peaks;
    struct kv_peaks_text text = {.n_ctx = CTX, .bos = -1};
    struct engine_opts o = fixture_opts(CTX, CTX, NULL);
    struct fixture m = fixture_open(DEFAULT, false, &o);
    int32_t *ids;
    assert_int_equal(eval_tokenize(m.model->vocab, DEFAULT_TEXT, CTX, &ids, &text.n_tokens, &e), 0);
    text.tokens = ids;
    text.n_tokens = text.n_tokens < MOST ? text.n_tokens : MOST;
    assert_int_equal(kv_peaks_collect(&peaks, m.weights, &text, o.isa, NULL, &e), 0);
    assert_int_equal(peaks->n_tokens, MOST);
    mem_free(ids);
    fixture_close(&m);
    return peaks;
}

/* One batch, odd batches and single tokens: the same cache, so nearly the same logits, in both modes. */
static void batches_agree(void **state)
{
    (void)state;
    enum { N = 70, MOST = 8192 };
    static float want[MOST], got[MOST];
    int32_t tokens[N];
    struct err e = {0};
    struct kv_peaks *peaks = peaks_of_text();
    for (int f = 0; f < n_kv_formats; f++) {
        const int pieces[] = {N, 37, 1};
        for (int i = 0; i < 3; i++) {
            struct engine_opts o = fixture_opts(N, pieces[i], NULL);
            o.mode = i == 2 ? ENGINE_PACKED : ENGINE_REFERENCE;
            assert_int_equal(kv_parse(&o.kv, kv_formats[f].name, &e), 0);
            o.kv_peaks = peaks;
            struct fixture m = fixture_open(DEFAULT, i == 2, &o);
            int n_vocab = m.model->d.n_vocab;
            assert_true(n_vocab <= MOST);
            for (int t = 0; t < N; t++)
                tokens[t] = (t * 37 + t / 7) % n_vocab;
            for (int t = 0, n; t < N; t += n) {
                n = N - t < pieces[i] ? N - t : pieces[i];
                assert_int_equal(engine_forward(m.engine, tokens + t, n, &e), 0);
                if (t + n == N)
                    assert_int_equal(engine_logits(m.engine, n - 1, 1, i ? got : want, &e), 0);
            }
            double square = 0, error = 0;
            for (int v = 0; i > 0 && v < n_vocab; v++) {
                square += (double)want[v] * (double)want[v];
                error += pow((double)(got[v] - want[v]), 2);
            }
            /* A value that rounds the other way moves what follows by a code: a few per cent of 2 bits. */
            if (i > 0 && !(sqrt(error / square) < (kv_formats[f].par.bits == 2 ? 0.1 : 0.03)))
                fail_msg("%s, pieces of %d: %g of the logits differ", kv_formats[f].name, pieces[i],
                         sqrt(error / square));
            struct memory_need need;
            assert_int_equal(engine_memory(&m.model->d, &o, &need, &e), 0);
            assert_int_equal(need.kv_bytes + need.scratch_bytes, engine_bytes(m.engine));
            fixture_close(&m);
        }
    }
    kv_peaks_free(peaks);
}

/* By hand: values of 2 heads of 64, K and V, in 3 layers. */
static void bytes_of_a_token(void **state)
{
    (void)state;
    const struct model_desc d = {.n_layer = 3, .n_head_kv = 2, .head_dim = 64};
    const struct {
        const char *name;
        double bytes;
    } row[] = {{"f32", 256},
               {"f16", 128},
               {"q8_0", 2 * 34},
               {"q5_1", 2 * 24},
               {"q5_0", 2 * 22},
               {"q4_1", 2 * 20},
               {"q4_0", 2 * 18},
               {"iq4_nl", 2 * 18},
               {"mlx-8bit-g64", 64 + 4},
               {"mlx-4bit-g64", 32 + 4},
               {"mlx-3bit-g64", 24 + 4},
               {"mlx-4bit-g32", 32 + 8},
               {"fp8_e4m3", 64},
               {"u8", 64 + 8},
               {"u8-g32", 64 + 16},
               {"u4", 32 + 8},
               {"onnx-int8", 64},
               {"onnx-int4-channel", 32},
               {"quanto-2bit", 16 + 4},
               {"hqq-1bit", 8 + 4},
               {"exl2-q4", 32 + 4},
               {"quanto-4bit-channel", 32 + 4},
               {"u8-channel", 64 + 8}};
    struct kv_pair p;
    struct err e = {0};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        assert_int_equal(kv_parse(&p, row[i].name, &e), 0);
        assert_true(kv_bytes_per_token(p, &d) == 3 * 2 * 2 * row[i].bytes);
    }
    assert_int_equal(kv_parse(&p, "q8_0/q4_0", &e), 0);
    assert_true(kv_bytes_per_token(p, &d) == 3 * 2 * (2 * 34 + 2 * 18));
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    struct kv_pair p;
    struct err e = {0};
    const struct model_desc d = {.n_layer = 1, .n_head_kv = 2, .head_dim = 80};
    const char *const unknown[] = {"", "/", "q9_0", "q8_0/", "/q8_0", "q8_0/q9_0", "q8_0/q4_0/q4_0", "Q8_0"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_int_equal(kv_parse(&p, unknown[i], &e), ERR_USAGE);
        assert_non_null(strstr(e.text, "list kv"));
    }
    assert_int_equal(kv_parse(&p, "f16/q8_0", &e), 0);
    assert_int_equal(kv_check(p, &d, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "80"));
    assert_int_equal(kv_check_framework(p, "onnxruntime", &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "onnxruntime has no KV cache of q8_0"));
    assert_int_equal(kv_check_framework(p, "llama.cpp", &e), 0);
    assert_int_equal(kv_check_framework(p, "weights-only", &e), 0);
    assert_int_equal(kv_parse(&p, "mlx-4bit-g64", &e), 0);
    assert_int_equal(kv_check_framework(p, "llama.cpp", &e), ERR_UNSUPPORTED);
    assert_int_equal(kv_check(p, &d, &e), ERR_UNSUPPORTED);
    assert_int_equal(kv_parse(&p, "u8/u8-channel", &e), 0);
    assert_int_equal(kv_check(p, &d, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "u8-channel/u8"));
    assert_int_equal(kv_parse(&p, "u8-channel", &e), 0);
    assert_true(p.v == &kv_formats[KV_ID_U8]);
    assert_int_equal(kv_parse(&p, "f16/onnx-int8", &e), 0);
    assert_int_equal(kv_check_peaks(p, NULL, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "--calibration"));
    struct engine_opts o = fixture_opts(8, 8, NULL);
    struct fixture m = fixture_open(DEFAULT, false, &o);
    struct engine *g;
    o.kv = p;
    assert_int_equal(engine_new(&g, m.weights, &o, &e), ERR_UNSUPPORTED);
    fixture_close(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest quick[] = {cmocka_unit_test(embedded_model), cmocka_unit_test(batches_agree),
                                       cmocka_unit_test(bytes_of_a_token),

                                       cmocka_unit_test(says_what_is_wrong)};
    const struct CMUnitTest full[] = {cmocka_unit_test(smollm2)};
    return argc > 1 && strcmp(argv[1], "full") == 0 ? cmocka_run_group_tests(full, NULL, NULL)
                                                    : cmocka_run_group_tests(quick, NULL, NULL);
}
