/* Perplexity and KL divergence: closed forms of every statistic, the comparison of two models against sums in double,
 * the _logits_ file both ways, against one that llama-perplexity wrote, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "bench/engine/generate.h"
#include "bench/engine/kld.h"
#include "bench/engine/logits_file.h"
#include "kernels/vec.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

#define TINY  SOURCE_ROOT "/tests/golden/arch/llama.gguf"
#define OTHER SOURCE_ROOT "/tests/golden/arch/qwen2.gguf"

static void close_to(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.12g, expected %.12g within %g", got, want, tolerance);
}

/* ---- rows ---- */

static void exp_is_exp(void **state)
{
    (void)state;
    for (double x = -87; x < 88; x += 0.00371)
        close_to((double)vec_exp((float)x) / exp((double)(float)x), 1, 1.2e-7);
    assert_true(vec_exp(0.0f) == 1.0f);
    assert_true(vec_exp(-1000.0f) > 0 && vec_exp(-1000.0f) < 2e-38f);
    assert_true(isfinite(vec_exp(1000.0f)));
    assert_true(isnan(vec_exp(NAN)));
}

static void two_tiny_distributions(void **state)
{
    (void)state;
    /* p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4), each shifted: KLD = 1/2 ln 2 - 1/4 ln 2 = ln(2)/4. */
    const float p[3] = {logf(0.5f) + 3, logf(0.25f) + 3, logf(0.25f) + 3};
    const float q[3] = {logf(0.25f) - 7, logf(0.5f) - 7, logf(0.25f) - 7};
    struct row_norm rp = row_normalize(p, 3), rq = row_normalize(q, 3);
    close_to(rp.log_sum, log(2.0), 2e-7);
    assert_int_equal(rp.top, 0);
    assert_int_equal(rq.top, 1);
    close_to(row_kld(p, &rp, q, &rq, 3), log(2.0) / 4, 1e-6);
    assert_true(row_kld(p, &rp, p, &rp, 3) == 0);

    float base[3] = {logf(0.5f), logf(0.25f), logf(0.25f)};
    struct token_score s = row_score_base(base, q, &rq, 3, 1);
    close_to(s.nll, log(2.0), 1e-6);
    close_to(s.nll_base, log(4.0), 1e-6);
    close_to(s.kld, log(2.0) / 4, 1e-6);
    close_to(s.dp, 0.25, 1e-6);
    assert_false(s.same_top);
    /* Log-probabilities at or below -16 take no part, as in llama-perplexity. */
    base[2] = -16.0f;
    s = row_score_base(base, q, &rq, 3, 0);
    close_to(s.kld, 0.5 * log(2.0) - 0.25 * log(2.0), 1e-6);
    assert_true(s.dp < 0);
}

/* Random rows of awkward lengths against plain sums in double. */
static void long_rows(void **state)
{
    (void)state;
    static float p[5000], q[5000];
    unsigned seed = 1;
    for (int n = 1; n <= 5000; n = n * 3 + 1) {
        for (int i = 0; i < n; i++) {
            p[i] = (float)(rand_r(&seed) % 20000) / 1000 - 10;
            q[i] = p[i] + (float)(rand_r(&seed) % 1000) / 1000;
        }
        double zp = 0, zq = 0, kld = 0;
        int top = 0;
        for (int i = 0; i < n; i++) {
            zp += exp((double)p[i]);
            zq += exp((double)q[i]);
            top = p[i] > p[top] ? i : top;
        }
        for (int i = 0; i < n; i++)
            kld += exp((double)p[i]) / zp * ((double)p[i] - log(zp) - (double)q[i] + log(zq));
        struct row_norm rp = row_normalize(p, n), rq = row_normalize(q, n);
        close_to((double)rp.max + rp.log_sum, log(zp), 1e-6);
        assert_int_equal(rp.top, top);
        close_to(row_kld(p, &rp, q, &rq, n), kld, 1e-7 + 1e-6 * kld);
    }
}

/* ---- statistics ---- */

static void mean_and_its_error(void **state)
{
    (void)state;
    double mean, unc;
    mean_unc(45, 285, 10, &mean, &unc); /* 0..9: too few for an error */
    assert_true(mean == 4.5 && unc == 0);
    mean_unc(55, 385, 11, &mean, &unc); /* 0..10: variance 10 */
    close_to(mean, 5, 0);
    close_to(unc, 1, 1e-15);
    mean_unc(11, 11, 11, &mean, &unc); /* constant */
    assert_true(mean == 1 && unc == 0);
}

static void percentiles_interpolate(void **state)
{
    (void)state;
    const float v[5] = {0, 1, 2, 3, 40};
    assert_true(percentile(v, 5, 0.25f) == 1);
    close_to((double)percentile(v, 5, 0.1f), 0.4, 1e-6);
    close_to((double)percentile(v, 5, 0.9f), 3 + 0.6 * 37, 1e-4);
    assert_true(percentile(v, 5, 1.0f) == 40 && percentile(v, 1, 0.5f) == 0);
    assert_true(median(v, 5) == 2 && median(v, 4) == 1.5f);
}

/* 200 tokens in two chunks whose every sum has a closed form. */
static void all_statistics(void **state)
{
    (void)state;
    enum { N = 200 };
    static float values[3][N];
    double chunks[2][2];
    struct eval_acc a = {.has_base = true,
                         .kld_values = values[0],
                         .dp_values = values[1],
                         .chunk_kld = chunks[0],
                         .chunk_nll = chunks[1]};
    for (int i = 0; i < N; i++) {
        struct token_score s = {.nll = i % 2 ? 1.5 : 0.5,
                                .nll_base = i % 2 ? 1.2 : 0.4,
                                .kld = i / 199.0,
                                .dp = i % 2 ? 0.1 : -0.3,
                                .same_top = i % 4 != 0};
        acc_add(&a, &s);
        if (i % 100 == 99)
            acc_end_chunk(&a);
    }
    struct eval_quality q;
    acc_result(&a, &q, values[2]);
    const double t = 1e-6, u = sqrt(0.25 / 199), ub = sqrt(0.16 / 199), cov = 0.2 / 199;
    assert_int_equal(q.n_chunks, 2);
    assert_int_equal(q.n_scored, N);
    close_to(q.ppl, exp(1.0), t);
    close_to(q.ppl_err, exp(1.0) * u, t);
    close_to(q.ppl_base, exp(0.8), t);
    close_to(q.ppl_base_err, exp(0.8) * ub, t);
    close_to(q.cor_ln_ppl, 1, t);
    close_to(q.ln_ppl_ratio, 0.2, t);
    close_to(q.ln_ppl_ratio_err, 0.1 / sqrt(199), t);
    close_to(q.ppl_ratio, exp(0.2), t);
    close_to(q.ppl_ratio_err, exp(0.2) * 0.1 / sqrt(199), t);
    close_to(q.ppl_diff, exp(1.0) - exp(0.8), t);
    close_to(q.ppl_diff_err, sqrt(exp(2) * u * u + exp(1.6) * ub * ub - 2 * exp(1.8) * cov), t);
    close_to(q.kld, 0.5, t);
    close_to(q.kld_err, sqrt((200.0 * 200 - 1) / 12 / (199.0 * 199) / 199), t); /* of 200 equidistant values */
    close_to(q.kld_max, 1, t);
    close_to(q.kld_p999, 0.999, t);
    close_to(q.kld_p90, 0.9, t);
    close_to(q.kld_p50, 0.5, t);
    close_to(q.kld_p01, 0.01, t);
    close_to(q.kld_min, 0, t);
    close_to(q.dp_mean, -0.1, t);
    close_to(q.dp_mean_err, 0.2 / sqrt(199), t);
    close_to(q.dp_max, 0.1, t);
    close_to(q.dp_p50, -0.1, t);
    close_to(q.dp_p25, -0.3, t);
    close_to(q.dp_min, -0.3, t);
    close_to(q.rms_dp, sqrt(0.05), t);
    close_to(q.rms_dp_err, 0.5 / sqrt(0.05) * 0.04 / sqrt(199), t);
    close_to(q.top1_agreement, 0.75, t);
    close_to(q.top1_agreement_err, sqrt(0.75 * 0.25 / 199), t);
    close_to(chunks[0][0], 49.5 / 199, t);
    close_to(chunks[0][1], 149.5 / 199, t);
    assert_true(q.kld_lo <= 0.5 && q.kld_hi >= 0.5);
    /* Both chunks have the same mean NLL: resampling them gives it again. */
    close_to(q.ppl_lo, exp(1.0), t);
    close_to(q.ppl_hi, exp(1.0), t);
}

static void without_a_base_nothing_is_invented(void **state)
{
    (void)state;
    double chunks[2][1];
    struct eval_acc a = {.chunk_kld = chunks[0], .chunk_nll = chunks[1]};
    struct eval_quality q;
    acc_result(&a, &q, NULL);
    assert_true(isnan(q.ppl) && isnan(q.kld) && isnan(q.top1_agreement_err));
    acc_add(&a, &(struct token_score){.nll = 2});
    acc_end_chunk(&a);
    acc_result(&a, &q, NULL);
    close_to(q.ppl, exp(2.0), 1e-12);
    assert_true(isnan(q.ppl_lo) && isnan(q.ppl_base) && isnan(q.kld) && isnan(q.dp_mean) && isnan(q.rms_dp));
    assert_true(isnan(chunks[0][0]));
}

/* ---- two models ---- */

enum { N_TOKENS = 3 * 16 + 5, N_CTX = 16, N_VOCAB = 96, N_SCORED = N_CTX - 1 - N_CTX / 2 };

static void make_text(int32_t *tokens, struct eval_text *t)
{
    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = (i * 29 + i * i % 11) % (N_VOCAB - 3) + 3;
    *t = (struct eval_text){.tokens = tokens, .n_tokens = N_TOKENS, .n_ctx = N_CTX, .bos = 1};
}

static void run_all(struct eval *v)
{
    struct err e = {0};
    for (int i = 0; i < eval_n_chunks(v); i++)
        if (eval_chunk(v, i, NULL, &e))
            fail_msg("%s", e.text);
}

/* The whole protocol again with plain loops: chunks, BOS, scored half, sums in double. */
static void sums_in_double(struct engine *ref, struct engine *cand, const int32_t *tokens, double *nll, double *kld)
{
    static float l[2][N_CTX * N_VOCAB];
    struct err e;
    *nll = *kld = 0;
    for (int c = 0; c < 3; c++) {
        int32_t chunk[N_CTX];
        memcpy(chunk, tokens + c * N_CTX, sizeof chunk);
        chunk[0] = 1;
        struct engine *g[2] = {ref, cand};
        for (int j = 0; j < 2; j++) {
            engine_reset(g[j]);
            assert_int_equal(engine_forward(g[j], chunk, N_CTX, &e), 0);
            assert_int_equal(engine_logits(g[j], 0, N_CTX, l[j], &e), 0);
        }
        for (int i = N_CTX / 2; i < N_CTX - 1; i++) {
            double z[2] = {0, 0};
            for (int j = 0; j < 2; j++)
                for (int t = 0; t < N_VOCAB; t++)
                    z[j] += exp((double)l[j][i * N_VOCAB + t]);
            *nll += log(z[1]) - (double)l[1][i * N_VOCAB + tokens[c * N_CTX + i + 1]];
            for (int t = 0; t < N_VOCAB; t++) {
                double p = (double)l[0][i * N_VOCAB + t] - log(z[0]), q = (double)l[1][i * N_VOCAB + t] - log(z[1]);
                *kld += exp(p) * (p - q);
            }
        }
    }
    *nll /= 3 * N_SCORED;
    *kld /= 3 * N_SCORED;
}

static void compares_two_models(void **state)
{
    (void)state;
    int32_t tokens[N_TOKENS];
    struct eval_text t;
    struct err e = {0};
    struct pool *pool;
    make_text(tokens, &t);
    assert_int_equal(pool_new(&pool, 2, NULL, &e), 0);
    struct engine_opts o = fixture_opts(N_CTX, N_CTX, pool), small = fixture_opts(N_CTX + 9, 5, NULL);
    struct fixture a = fixture_open(TINY, false, &o), b = fixture_open(OTHER, false, &o),
                   c = fixture_open(OTHER, false, &small);
    double nll, kld;
    sums_in_double(a.engine, b.engine, tokens, &nll, &kld);

    /* Candidates: the other model, itself, the other model in batches of 5 (which all then run in). */
    struct eval_cand cand[3] = {{.engine = b.engine}, {.engine = a.engine}, {.engine = c.engine}};
    struct fixture ref = fixture_open(TINY, false, &o);
    struct eval *v;
    struct eval_quality q;
    for (int n_cand = 1; n_cand <= 3; n_cand++) {
        assert_int_equal(eval_new(&v, &t, ref.engine, cand, n_cand, &e), 0);
        assert_int_equal(eval_n_chunks(v), 3);
        run_all(v);
        assert_int_equal(eval_chunk(v, 0, NULL, &e), ERR_USAGE);
        for (int j = 0; j < n_cand; j++) {
            assert_int_equal(eval_result(v, j, &q, &e), 0);
            assert_int_equal(q.n_scored, 3 * N_SCORED);
            if (j == 1) {
                close_to(q.kld, 0, 1e-9);
                close_to(q.top1_agreement, 1, 0);
                close_to(q.ln_ppl_ratio, 0, 1e-9);
            } else {
                close_to(log(q.ppl), nll, 1e-5);
                close_to(q.kld, kld, 1e-5);
            }
        }
        const double *ks, *ns;
        assert_int_equal(eval_series(v, 0, &ks, &ns), 3);
        close_to((ks[0] + ks[1] + ks[2]) / 3, kld, 1e-5);
        close_to((ns[0] + ns[1] + ns[2]) / 3, nll, 1e-5);
        eval_free(v);
    }

    /* Figures of a chunk stored and loaded into another evaluation are the figures of having run it. */
    struct eval *loaded;
    struct sbuf stored = {0};
    const bool first_only[2] = {true, false};
    assert_int_equal(eval_new(&v, &t, ref.engine, cand, 2, &e), 0);
    assert_int_equal(eval_new(&loaded, &t, ref.engine, cand + 2, 1, &e), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(eval_chunk(v, i, first_only, &e), 0);
        stored.n = 0;
        assert_int_equal(eval_chunk_save(v, 0, i, &stored), 0);
        assert_int_equal(eval_chunk_save(v, 0, i + 1, &stored), ERR_USAGE);
        assert_int_equal(eval_chunk_load(loaded, 0, i, stored.p, stored.n - 1, &e), ERR_FORMAT);
        assert_int_equal(eval_chunk_load(loaded, 0, i, stored.p, stored.n, &e), 0);
    }
    assert_int_equal(eval_chunk_load(loaded, 0, 0, stored.p, stored.n, &e), ERR_USAGE);
    struct eval_quality ran;
    assert_int_equal(eval_result(v, 0, &ran, &e), 0);
    assert_int_equal(eval_result(loaded, 0, &q, &e), 0);
    assert_memory_equal(&ran, &q, sizeof q);
    sbuf_free(&stored);
    eval_free(v);
    eval_free(loaded);

    /* A candidate that is dropped keeps its figures; chunks may come in any order. */
    assert_int_equal(eval_new(&v, &t, ref.engine, cand, 2, &e), 0);
    assert_int_equal(eval_chunk(v, 2, NULL, &e), 0);
    const bool only_first[2] = {true, false};
    assert_int_equal(eval_chunk(v, 0, only_first, &e), 0);
    assert_int_equal(eval_result(v, 1, &q, &e), 0);
    assert_int_equal(q.n_scored, N_SCORED);
    assert_int_equal(eval_result(v, 0, &q, &e), 0);
    assert_int_equal(q.n_scored, 2 * N_SCORED);
    assert_int_equal(eval_chunk(v, 3, NULL, &e), ERR_USAGE);
    eval_free(v);
    fixture_close(&a);
    fixture_close(&b);
    fixture_close(&c);
    fixture_close(&ref);
    pool_free(pool);
}

/* ---- the _logits_ file ---- */

static const char *temp_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/test_eval-%d.kld", (int)getpid());
    return path;
}

static void write_base(struct engine *g, const struct eval_text *t)
{
    struct err e = {0};
    struct eval_cand c = {.engine = g};
    struct eval *v;
    assert_int_equal(eval_new(&v, t, NULL, &c, 1, &e), 0);
    assert_int_equal(eval_write_base_file(v, temp_path(), &e), 0);
    assert_int_equal(eval_chunk(v, 1, NULL, &e), ERR_USAGE); /* out of order */
    run_all(v);
    eval_free(v);
}

static void file_round_trip(void **state)
{
    (void)state;
    int32_t tokens[N_TOKENS];
    struct eval_text t;
    struct err e = {0};
    make_text(tokens, &t);
    struct engine_opts o = fixture_opts(N_CTX, N_CTX, NULL);
    struct fixture a = fixture_open(TINY, false, &o), b = fixture_open(OTHER, false, &o);
    write_base(a.engine, &t);

    struct logits_file f;
    assert_int_equal(logits_file_open(&f, temp_path(), &e), 0);
    assert_int_equal(f.n_ctx, N_CTX);
    assert_int_equal(f.n_vocab, N_VOCAB);
    assert_int_equal(f.n_chunks, 3);
    assert_int_equal(f.map.n, 8 + 12 + 3 * N_CTX * 4 + 3 * N_SCORED * (N_VOCAB + 4) * 2);
    for (int i = 0; i < 3 * N_CTX; i++)
        assert_int_equal(logits_file_token(&f, i), tokens[i]); /* the text's own, not BOS */

    /* Row 2 of chunk 1 is position 10, within half a step of the log-softmax; 16 below the top is the floor. */
    static float logits[N_CTX * N_VOCAB], row[N_VOCAB];
    int32_t chunk[N_CTX];
    memcpy(chunk, tokens + N_CTX, sizeof chunk);
    chunk[0] = 1;
    engine_reset(a.engine);
    assert_int_equal(engine_forward(a.engine, chunk, N_CTX, &e), 0);
    assert_int_equal(engine_logits(a.engine, 10, 1, logits, &e), 0);
    struct row_norm n = row_normalize(logits, N_VOCAB);
    logits_file_row(&f, 1, 2, row);
    for (int i = 0; i < N_VOCAB; i++) {
        double want = (double)(logits[i] - n.max), step = 16.0 / 65535;
        close_to((double)row[i], (want < -16 ? -16 : want) - n.log_sum, step / 2 + 1e-5);
    }
    logits_file_close(&f);

    /* Against the file and against the model itself: the same divergence but for the 16 bits. */
    struct eval_quality q, qf;
    struct eval_cand c = {.engine = b.engine};
    struct eval *v;
    assert_int_equal(eval_new(&v, &t, a.engine, &c, 1, &e), 0);
    run_all(v);
    assert_int_equal(eval_result(v, 0, &q, &e), 0);
    eval_free(v);
    for (int with_text = 0; with_text < 2; with_text++) {
        struct eval_text none = {.bos = 1};
        assert_int_equal(eval_new(&v, with_text ? &t : &none, NULL, &c, 1, &e), 0);
        if (eval_use_base_file(v, temp_path(), &e))
            fail_msg("%s", e.text);
        assert_int_equal(eval_n_chunks(v), 3);
        run_all(v);
        assert_int_equal(eval_result(v, 0, &qf, &e), 0);
        close_to(qf.kld, q.kld, 2e-4);
        close_to(qf.ppl, q.ppl, 1e-4 * q.ppl);
        close_to(qf.ppl_base, q.ppl_base, 2e-4 * q.ppl_base);
        assert_true(qf.top1_agreement == q.top1_agreement);
        eval_free(v);
    }
    fixture_close(&a);
    fixture_close(&b);
    unlink(temp_path());
}

static void encode_extremes(void **state)
{
    (void)state;
    float l[3] = {5, 5, 5}, row[3];
    uint8_t bytes[2 * (4 + 4)];
    assert_int_equal(logits_row_bytes(3), sizeof bytes); /* padded to an even count */
    struct row_norm n = row_normalize(l, 3);
    logits_row_encode(bytes, l, 3, n.max, n.log_sum);
    struct logits_file f = {.n_vocab = 3, .rows = bytes, .row_bytes = sizeof bytes, .rows_per_chunk = 1};
    logits_file_row(&f, 0, 0, row);
    /* All equal: m' = max - 16 is lower than the minimum, so the codes are the top of the scale. */
    for (int i = 0; i < 3; i++)
        close_to((double)row[i], -log(3.0), 1e-5);
    l[1] = -100;
    n = row_normalize(l, 3);
    logits_row_encode(bytes, l, 3, n.max, n.log_sum);
    logits_file_row(&f, 0, 0, row);
    close_to((double)row[0], -log(2.0), 1e-5);
    close_to((double)row[1], -16 - log(2.0), 1e-4);
}

/* llama-perplexity's own file: its perplexity, and log-probabilities that are ours to 16 bits. */
static void file_of_llama_perplexity(void **state)
{
    (void)state;
    const char *path = SOURCE_ROOT "/tests/golden/logits/stories260K-c32.kld";
    struct err e = {0};
    struct engine_opts o = fixture_opts(32, 32, NULL);
    if (!test_data_there("models/stories260K-F32.gguf"))
        skip();
    struct fixture f = fixture_open(test_data("models/stories260K-F32.gguf"), false, &o);
    struct eval_cand c = {.engine = f.engine};
    struct eval_text none = {.bos = vocab_bos(f.model->vocab)};
    struct eval_quality q;
    struct eval *v;
    assert_int_equal(eval_new(&v, &none, NULL, &c, 1, &e), 0);
    assert_int_equal(eval_use_base_file(v, path, &e), 0);
    run_all(v);
    assert_int_equal(eval_result(v, 0, &q, &e), 0);
    eval_free(v);
    assert_int_equal(q.n_scored, 30);
    close_to(q.ppl, 3.7203, 5e-5);
    close_to(q.ppl_base, 3.7203, 2e-4);
    close_to(q.kld, 0, 1e-5);
    assert_true(q.kld_max < 1e-4 && q.kld_min > -1e-4);
    assert_true(q.top1_agreement == 1);

    /* Ours of the same text: header and tokens byte for byte, codes within a step. */
    char *theirs, *ours;
    size_t n, m;
    struct logits_file lf;
    assert_int_equal(logits_file_open(&lf, path, &e), 0);
    int32_t tokens[64];
    for (int i = 0; i < 64; i++)
        tokens[i] = logits_file_token(&lf, i);
    logits_file_close(&lf);
    struct eval_text t = {.tokens = tokens, .n_tokens = 64, .n_ctx = 32, .bos = vocab_bos(f.model->vocab)};
    assert_int_equal(eval_new(&v, &t, NULL, &c, 1, &e), 0);
    assert_int_equal(eval_write_base_file(v, temp_path(), &e), 0);
    run_all(v);
    eval_free(v);
    assert_int_equal(file_read(path, 1 << 20, &theirs, &n, &e), 0);
    assert_int_equal(file_read(temp_path(), 1 << 20, &ours, &m, &e), 0);
    assert_int_equal(n, m);
    size_t head = 20 + 64 * 4, row = logits_row_bytes(512);
    assert_memory_equal(ours, theirs, head);
    for (size_t r = head; r < n; r += row)
        for (size_t i = 8; i < row; i += 2) {
            int a = rd_u16le(ours + r + i), b = rd_u16le(theirs + r + i);
            if (abs(a - b) > 1)
                fail_msg("row %zu, code %zu: %d, llama-perplexity has %d", (r - head) / row, i / 2 - 4, a, b);
        }
    mem_free(theirs);
    mem_free(ours);
    unlink(temp_path());
    fixture_close(&f);
}

/* ---- what is refused ---- */

static void bad_base_files(void **state)
{
    (void)state;
    int32_t tokens[N_TOKENS], other[N_TOKENS];
    struct eval_text t, wrong;
    struct err e = {0};
    struct logits_file f;
    char *text;
    size_t n;
    make_text(tokens, &t);
    struct engine_opts o = fixture_opts(32, N_CTX, NULL);
    struct fixture a = fixture_open(TINY, false, &o);
    write_base(a.engine, &t);
    assert_int_equal(file_read(temp_path(), 1 << 20, &text, &n, &e), 0);

    struct eval_cand c = {.engine = a.engine};
    struct eval *v;
    make_text(other, &wrong);
    wrong.tokens = other;
    other[20]++;
    assert_int_equal(eval_new(&v, &wrong, NULL, &c, 1, &e), 0);
    assert_int_equal(eval_use_base_file(v, temp_path(), &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "token 20 differs"));
    eval_free(v);
    wrong = t;
    wrong.n_ctx = 17;
    assert_int_equal(eval_new(&v, &wrong, NULL, &c, 1, &e), 0);
    assert_int_equal(eval_use_base_file(v, temp_path(), &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "context of 16, not 17"));
    eval_free(v);

    for (size_t cut = 0; cut < n; cut += cut < 40 ? 1 : 97) {
        assert_int_equal(file_write(temp_path(), text, cut, &e), 0);
        assert_true(logits_file_open(&f, temp_path(), &e) < 0);
    }
    const struct {
        int at;
        uint32_t v;
    } lies[] = {{0, 0},           {8, 0},        {8, 0xffffffff}, {8, 1 << 30},     {12, 0},
                {12, 0xfffffff0}, {12, 1 << 23}, {16, 0},         {16, 0x7fffffff}, {16, 4}};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        char *copy = mem_strndup(text, 0);
        copy = mem_resize(copy, n);
        memcpy(copy, text, n);
        wr_u32le(copy + lies[i].at, lies[i].v);
        assert_int_equal(file_write(temp_path(), copy, n, &e), 0);
        assert_int_equal(logits_file_open(&f, temp_path(), &e), ERR_FORMAT);
        mem_free(copy);
    }
    mem_free(text);
    unlink(temp_path());
    fixture_close(&a);
}

static void contradictory_requests(void **state)
{
    (void)state;
    int32_t tokens[N_TOKENS];
    struct eval_text t;
    struct err e = {0};
    struct eval *v;
    make_text(tokens, &t);
    struct engine_opts o = fixture_opts(N_CTX - 1, N_CTX - 1, NULL);
    struct fixture a = fixture_open(TINY, false, &o);
    struct eval_cand c = {.engine = a.engine};
    assert_int_equal(eval_new(&v, &t, NULL, &c, 1, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "15 positions cannot run chunks of 16"));
    t.n_ctx = 100;
    assert_int_equal(eval_new(&v, &t, NULL, &c, 1, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "53 tokens holds no chunk of 100"));
    fixture_close(&a);
}

static void text_too_short(void **state)
{
    (void)state;
    struct err e = {0};
    int32_t *ids;
    int64_t n;
    if (!test_data_there("models/stories260K-F32.gguf"))
        skip();
    struct model *m;
    assert_int_equal(model_open(&m, test_data("models/stories260K-F32.gguf"), &e), 0);
    assert_int_equal(file_write(temp_path(), "Once upon a time\n", 17, &e), 0);
    assert_int_equal(eval_tokenize(m->vocab, temp_path(), 512, &ids, &n, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "has 5 tokens"));
    assert_non_null(strstr(e.text, "at least 1024"));
    /* One trailing newline goes, not two: the ids of "Once upon a time" are llama-tokenize's. */
    const int32_t want[5] = {1, 403, 407, 261, 378};
    assert_int_equal(eval_tokenize(m->vocab, temp_path(), 2, &ids, &n, &e), 0);
    assert_int_equal(n, 5);
    assert_memory_equal(ids, want, sizeof want);
    mem_free(ids);
    assert_int_equal(file_write(temp_path(), "Once upon a time\n\n", 18, &e), 0);
    assert_int_equal(eval_tokenize(m->vocab, temp_path(), 2, &ids, &n, &e), 0);
    assert_true(n > 5);
    mem_free(ids);
    unlink(temp_path());
    assert_int_equal(eval_tokenize(m->vocab, temp_path(), 2, &ids, &n, &e), ERR_MISSING);
    model_close(m);
}

/* A model whose logits are NaN: fatal for the reference, a result for a candidate. */
static void nan_logits(void **state)
{
    (void)state;
    int32_t tokens[N_TOKENS];
    struct eval_text t;
    struct err e = {0};
    struct eval_quality q;
    struct eval *v;
    make_text(tokens, &t);
    struct engine_opts o = fixture_opts(N_CTX, N_CTX, NULL);
    struct fixture a = fixture_open(TINY, false, &o), b = fixture_open(TINY, false, &o),
                   bad = fixture_open(TINY, false, &o);
    engine_free(bad.engine);
    const struct model_tensor *norm = model_tensor(bad.model, USE_OUTPUT_NORM, -1);
    static float nans[32];
    for (int i = 0; i < 32; i++)
        nans[i] = NAN;
    bad.weights->mat[norm - bad.model->d.tensor].plane[PLANE_CODE].p = (uint8_t *)nans;
    assert_int_equal(engine_new(&bad.engine, bad.weights, &o, &e), 0);

    struct eval_cand cand[2] = {{.engine = bad.engine}, {.engine = b.engine}};
    assert_int_equal(eval_new(&v, &t, a.engine, cand, 2, &e), 0);
    run_all(v);
    assert_int_equal(eval_result(v, 0, &q, &e), ERR_DATA);
    assert_int_equal(eval_result(v, 1, &q, &e), 0);
    close_to(q.kld, 0, 1e-9);
    eval_free(v);
    assert_int_equal(eval_new(&v, &t, bad.engine, cand + 1, 1, &e), 0);
    assert_int_equal(eval_chunk(v, 0, NULL, &e), ERR_DATA);
    eval_free(v);
    int32_t id;
    int n;
    engine_reset(bad.engine);
    assert_int_equal(generate_greedy(bad.engine, NULL, tokens, 4, &id, 1, &n, &e), ERR_DATA);
    fixture_close(&a);
    fixture_close(&b);
    fixture_close(&bad);
}

/* Somebody else's rows: the engine's own, one of them changed. */
struct other_maker {
    struct engine *engine;
    float logits[N_CTX * N_VOCAB];
};

static int rows_of_other(void *arg, const int32_t *tokens, int n, const float **rows, int *n_vocab, struct err *e)
{
    struct other_maker *o = arg;
    engine_reset(o->engine);
    int rc = engine_forward(o->engine, tokens, n, e);
    if (rc == 0)
        rc = engine_logits(o->engine, 0, n, o->logits, e);
    o->logits[3] += 9; /* no row that is scored */
    o->logits[(N_CTX - 2) * N_VOCAB + 7] -= 0.25f;
    *rows = o->logits;
    *n_vocab = N_VOCAB;
    return rc;
}

static void largest_difference_of_logits(void **state)
{
    (void)state;
    int32_t tokens[N_TOKENS];
    struct eval_text t;
    struct err e = {0};
    struct eval_quality q;
    struct eval *v;
    make_text(tokens, &t);
    struct engine_opts o = fixture_opts(N_CTX, N_CTX, NULL);
    struct fixture a = fixture_open(TINY, false, &o), b = fixture_open(TINY, false, &o);
    static struct other_maker other;
    other.engine = b.engine;
    const struct eval_source source = {rows_of_other, &other};
    struct eval_cand cand[2] = {{.engine = b.engine}, {.source = &source}};
    assert_int_equal(eval_new(&v, &t, a.engine, cand, 2, &e), 0);
    run_all(v);
    assert_int_equal(eval_result(v, 0, &q, &e), 0);
    assert_true(isnan(q.logit_diff_max));
    assert_int_equal(eval_result(v, 1, &q, &e), 0);
    close_to(q.logit_diff_max, 0.25, 1e-6);
    assert_true(q.kld > 0);
    eval_free(v);
    fixture_close(&a);
    fixture_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_exp),
        cmocka_unit_test(two_tiny_distributions),
        cmocka_unit_test(long_rows),
        cmocka_unit_test(mean_and_its_error),
        cmocka_unit_test(percentiles_interpolate),
        cmocka_unit_test(all_statistics),
        cmocka_unit_test(without_a_base_nothing_is_invented),
        cmocka_unit_test(compares_two_models),
        cmocka_unit_test(file_round_trip),
        cmocka_unit_test(encode_extremes),
        cmocka_unit_test(file_of_llama_perplexity),
        cmocka_unit_test(bad_base_files),
        cmocka_unit_test(contradictory_requests),
        cmocka_unit_test(text_too_short),
        cmocka_unit_test(nan_logits),
        cmocka_unit_test(largest_difference_of_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
