/* bench/import on recorded output of real programs (llama.cpp 0c1e57098; the two older llama-bench tables are from its
 * documentation of September 2023 and April 2025), and on files that are wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/import.h"
#include "tests/unit/record_sample.h"

static struct record *rec;
static int n_rec;

static void import_fixture(const char *name, const char *device)
{
    char path[512];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/tests/fixtures/import/%s", SOURCE_ROOT, name);
    if (import_file(path, device, &rec, &n_rec, &e) < 0)
        fail_msg("%s", e.text);
}

static void import_string(const char *text, const char *said)
{
    struct err e = {0};
    int rc = import_text(text, strlen(text), "test", "box", &rec, &n_rec, &e);
    if (said && (rc >= 0 || !strstr(e.text, said)))
        fail_msg("returned %d and said \"%s\", not \"%s\"", rc, e.text, said);
    if (!said && rc < 0)
        fail_msg("%s", e.text);
}

static int drop(void **state)
{
    (void)state;
    mem_free(rec);
    rec = NULL;
    return 0;
}

static void close_to(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9 * fabs(b)))
        fail_msg("%.12g is not %.12g", a, b);
}

static void check_identity(const struct record *r)
{
    assert_string_equal(r->framework.name, "llama.cpp");
    assert_string_equal(r->framework.version, "b1-0c1e57098");
    assert_string_equal(r->framework.backend, "cpu");
    assert_int_equal(r->framework.gpu_layers, 0); /* whatever its n_gpu_layers says */
    assert_string_equal(r->model.name, "stories260K-F32.gguf");
    assert_string_equal(r->model.arch, "llama");
    assert_string_equal(r->format.name, "base/f32");
    assert_string_equal(r->workload.kv_type, "f16");
    assert_int_equal(r->model.n_params, 260032);
    assert_int_equal(r->format.bytes, 1040128);
    assert_int_equal(r->workload.threads, 2);
    assert_int_equal(r->status, STATUS_OK);
    assert_int_equal(r->speed_from, FROM_MEASURED);
    assert_true(r->speed.low_confidence); /* three repetitions */
    assert_int_equal(strlen(r->cell_id), 64);
}

/* Six rows, pp64 pp128 tg16 at two depths: each tg joins the first pp of its depth. */
static void check_rows(const int tokens[4][3])
{
    assert_int_equal(n_rec, 4);
    for (int i = 0; i < 4; i++) {
        check_identity(&rec[i]);
        assert_int_equal(rec[i].workload.n_prompt, tokens[i][0]);
        assert_int_equal(rec[i].workload.n_gen, tokens[i][1]);
        assert_int_equal(rec[i].workload.n_depth, tokens[i][2]);
    }
}
static const int expected_rows[4][3] = {{64, 16, 0}, {128, 0, 0}, {64, 16, 32}, {128, 0, 32}};

static void jsonl(void **state)
{
    (void)state;
    import_fixture("llama-bench.jsonl", NULL);
    check_rows(expected_rows);
    assert_string_equal(rec[0].device, "AMD EPYC");
    /* the middle of three samples, where the mean is led astray by one slow repetition */
    close_to(rec[0].speed.prefill_tok_s.v, 64e9 / 1902015);
    close_to(rec[0].speed.decode_tok_s.v, 16e9 / 54578609);
    close_to(rec[0].speed.ttft_ms.v, 1.902015);
    close_to(rec[0].speed.tpot_p50_ms, 54.578609 / 16);
    close_to(rec[3].speed.prefill_tok_s.v, 128e9 / 27987223);
    assert_true(isnan(rec[3].speed.decode_tok_s.v) && isnan(rec[3].speed.tpot_p50_ms));
    assert_int_equal(rec[2].speed.decode_ns.n, 3);
    close_to(rec[2].speed.decode_ns.x[1], 31177425);
    assert_true(rec[0].speed.prefill_tok_s.lo <= rec[0].speed.prefill_tok_s.v &&
                rec[0].speed.prefill_tok_s.hi >= rec[0].speed.prefill_tok_s.v);
}

static void json_with_a_device(void **state)
{
    (void)state;
    import_fixture("llama-bench.json", "rpi5-8g");
    check_rows(expected_rows);
    assert_string_equal(rec[1].device, "rpi5-8g");
    close_to(rec[0].speed.decode_tok_s.v, 16e9 / 2448384);
}

/* csv and sql hold no samples: the mean of the rates, without an interval. */
static void csv_and_sql(void **state)
{
    import_fixture("llama-bench.csv", NULL);
    check_rows(expected_rows);
    close_to(rec[0].speed.prefill_tok_s.v, 12483.931117);
    close_to(rec[2].speed.decode_tok_s.v, 1554.539587);
    assert_true(isnan(rec[0].speed.prefill_tok_s.lo) && rec[0].speed.prefill_ns.n == 0);
    drop(state);
    import_fixture("llama-bench.sql", NULL);
    check_rows(expected_rows);
    close_to(rec[0].speed.prefill_tok_s.v, 66.310906);
    close_to(rec[3].speed.prefill_tok_s.v, 8015.663853);
}

static void sql_with_an_apostrophe(void **state)
{
    (void)state;
    import_string("INSERT INTO llama_bench (model_filename, model_type, n_prompt, n_gen, avg_ts) VALUES "
                  "('/home/o'brien/m.gguf', 'llama 1B Q8_0', '512', '0', '100.5');\n",
                  NULL);
    assert_string_equal(rec[0].model.name, "m.gguf");
    assert_string_equal(rec[0].format.name, "gguf/q8_0");
    close_to(rec[0].speed.prefill_tok_s.v, 100.5);
}

static void older_tables(void **state)
{
    import_fixture("llama-bench-2025-04.csv", NULL);
    assert_int_equal(n_rec, 1);
    assert_string_equal(rec[0].format.name, "gguf/q4_k_m");
    assert_string_equal(rec[0].framework.backend, "cuda");
    assert_int_equal(rec[0].framework.gpu_layers, 99);
    assert_string_equal(rec[0].framework.version, "b5163-8cf427ff");
    assert_string_equal(rec[0].device, "AMD Ryzen 7 7800X3D 8-Core Processor, NVIDIA GeForce RTX 4080");
    assert_string_equal(rec[0].date, "2025-04-24T11:57:09Z");
    close_to(rec[0].speed.prefill_tok_s.v, 7285.676949);
    close_to(rec[0].speed.decode_tok_s.v, 119.915244);
    close_to(rec[0].format.bits_per_weight, 8 * 4677120000.0 / 7615616512.0);
    drop(state);
    import_fixture("llama-bench-2023-09.json", NULL);
    assert_int_equal(n_rec, 1);
    assert_string_equal(rec[0].framework.backend, "cuda"); /* "cuda": true, before there was a list */
    assert_string_equal(rec[0].format.name, "gguf/q4_0");
    assert_string_equal(rec[0].workload.kv_type, "");
    close_to(rec[0].speed.prefill_tok_s.v, 512e9 / 212328053);
    assert_false(rec[0].speed.low_confidence);
}

static void mixed_phases_cannot_be_told_apart(void **state)
{
    (void)state;
    import_fixture("llama-bench-pg.jsonl", NULL);
    assert_int_equal(n_rec, 1);
    assert_int_equal(rec[0].status, STATUS_UNSUPPORTED);
    assert_non_null(strstr(rec[0].reason, "pp32+tg8"));
    assert_true(isnan(rec[0].speed.prefill_tok_s.v) && isnan(rec[0].speed.decode_tok_s.v));
}

static void rows_that_cannot_be_used_say_why(void **state)
{
    (void)state;
    import_string(
        "{\"n_prompt\": 512, \"n_gen\": 0}\nnoise\n{\"avg_ns\": 5}\n{\"n_prompt\": 4, \"n_gen\": 0, \"avg_ns\": -1}\n"
        "{\"n_prompt\": 4, \"n_gen\": 0, \"avg_ns\": \"x\", \"samples_ns\": [\"a\", 0, -4, 2e9]}\n{\"n_prompt\":",
        NULL);
    assert_int_equal(n_rec, 4);
    assert_int_equal(rec[0].status, STATUS_FAILED);
    assert_non_null(strstr(rec[0].reason, "tells no time"));
    assert_non_null(strstr(rec[1].reason, "names no tokens"));
    assert_int_equal(rec[2].status, STATUS_FAILED);
    assert_int_equal(rec[3].status, STATUS_OK);
    close_to(rec[3].speed.prefill_tok_s.v, 2);
}

static void perplexity(void **state)
{
    import_fixture("llama-perplexity.txt", "box");
    assert_int_equal(n_rec, 1);
    close_to(rec[0].quality.ppl, 4.4598);
    close_to(rec[0].quality.ppl_err, 0.34997);
    assert_int_equal(rec[0].quality.n_chunks, 8);
    assert_int_equal(rec[0].quality.n_scored, 8 * 63);
    assert_int_equal(rec[0].workload.n_ctx, 128);
    assert_true(isnan(rec[0].quality.kld));
    assert_int_equal(rec[0].quality_from, FROM_MEASURED);
    drop(state);
    import_fixture("llama-perplexity-kld.txt", NULL);
    const struct eval_quality *q = &rec[0].quality;
    const double got[] = {q->ppl,
                          q->ppl_err,
                          q->ppl_base,
                          q->cor_ln_ppl,
                          q->ln_ppl_ratio,
                          q->ln_ppl_ratio_err,
                          q->ppl_ratio,
                          q->ppl_diff,
                          q->ppl_diff_err,
                          q->kld,
                          q->kld_err,
                          q->kld_max,
                          q->kld_p999,
                          q->kld_p99,
                          q->kld_p95,
                          q->kld_p90,
                          q->kld_p50,
                          q->kld_p10,
                          q->kld_p05,
                          q->kld_p01,
                          q->kld_p001,
                          q->kld_min,
                          q->dp_mean,
                          q->dp_mean_err,
                          q->dp_max,
                          q->dp_p999,
                          q->dp_p99,
                          q->dp_p95,
                          q->dp_p90,
                          q->dp_p75,
                          q->dp_p50,
                          q->dp_p25,
                          q->dp_p10,
                          q->dp_p05,
                          q->dp_p01,
                          q->dp_p001,
                          q->dp_min,
                          q->rms_dp,
                          q->rms_dp_err,
                          q->top1_agreement,
                          q->top1_agreement_err};
    const double printed[] = {4.432508,  0.346492, 4.459848, 0.9994,   -0.006149, 0.002649, 0.993870,
                              -0.027340, 0.012208, 0.000777, 0.000049, 0.013515,  0.010909, 0.005095,
                              0.002430,  0.001680, 0.000487, 0.000011, 0.000002,  -0.0,     -0.000001,
                              -0.000002, 0.00049,  0.00038,  0.04409,  0.04083,   0.02795,  0.01493,
                              0.00883,   0.00261,  0,        -0.00179, -0.00746,  -0.01337, -0.02679,
                              -0.03228,  -0.03254, 0.00859,  0.00051,  0.98611,   0.00522};
    for (size_t i = 0; i < sizeof got / sizeof *got; i++)
        if (!(fabs(got[i] - printed[i]) < 1e-12))
            fail_msg("figure %zu is %.9g, printed was %.9g", i, got[i], printed[i]);
}

static void perplexity_names_the_model(void **state)
{
    (void)state;
    import_string("llama_model_loader: - kv   2:  general.name str  = SmolLM2 135M\n"
                  "print_info: file type   = Q4_K - Medium\r\nFinal estimate: PPL = 17.2 +/- 0.1\n",
                  NULL);
    assert_string_equal(rec[0].model.name, "SmolLM2 135M");
    assert_string_equal(rec[0].format.name, "gguf/q4_k_m");
    close_to(rec[0].quality.ppl, 17.2);
}

static void metrics(void **state)
{
    (void)state;
    import_string(
        "\xef\xbb\xbfmetric,unit,value\r\nmodel,,\"a \"\"b\"\", c\"\r\nformat,,gguf/q8_0\r\nframework.version,,9.1\r\n"
        "kld,nat,0.25\r\nspeed.decode_tok_s,tok/s,41.5\r\npeak_rss_bytes,B,123456789012\r\nn_prompt,,64\r\n"
        "wattage,W,7\r\nppl,1,much\r\n",
        NULL);
    assert_int_equal(n_rec, 1);
    assert_string_equal(rec[0].model.name, "a \"b\", c");
    assert_string_equal(rec[0].format.name, "gguf/q8_0");
    assert_string_equal(rec[0].framework.version, "9.1");
    assert_string_equal(rec[0].device, "box");
    close_to(rec[0].quality.kld, 0.25);
    close_to(rec[0].speed.decode_tok_s.v, 41.5);
    assert_int_equal(rec[0].memory.peak_rss_bytes, 123456789012);
    assert_int_equal(rec[0].workload.n_prompt, 64);
    assert_string_equal(rec[0].reason, "not understood: wattage, ppl");
    assert_true(rec[0].quality_from == FROM_MEASURED && rec[0].speed_from == FROM_MEASURED &&
                rec[0].speed.low_confidence);
}

static void own_records_come_back(void **state)
{
    (void)state;
    struct sbuf b = {0};
    struct record r;
    for (int i = 0; i < 2; i++) {
        sample_record(&r, i);
        json_t *j = record_to_json(&r);
        json_print(&b, j, 0);
        sbuf_puts(&b, "\n\n");
        json_decref(j);
    }
    import_string(sbuf_str(&b), NULL);
    assert_int_equal(n_rec, 2);
    memset(r.device, 0, sizeof r.device);
    strcpy(r.device, "box");
    assert_memory_equal(&rec[1], &r, sizeof r);
    sbuf_free(&b);
}

static void wrong_files_get_a_sentence(void **state)
{
    (void)state;
    import_string("", "nothing that can be imported");
    import_string("hello", "nothing that can be imported");
    import_string("[]", "nothing that can be imported");
    import_string("[{\"n_prompt\": 1]", "holds nothing");
    import_string("metric,value\n", "no metric");
    import_string("metric,value\nfoo,1\n", "no metric");
    import_string("metric,value\nkld\n", "has 1 cells");
    import_string("value_of,metrics\nkld,1\n", "columns metric and value");
    import_string("INSERT INTO llama_bench (", "holds nothing");
    import_string("no PPL here", "holds nothing");
    import_string("{\"schema\":1,\"cell_id\":\"x\"", "line 1");
    import_string("{\"schema\":1,\"cell_id\":\"x\"}\n{\"schema\":9}", "line 2");
    struct err e = {0};
    assert_int_equal(import_text("a\0b", 3, "test", NULL, &rec, &n_rec, &e), ERR_FORMAT);
    assert_int_equal(import_file("/nowhere.json", NULL, &rec, &n_rec, &e), ERR_MISSING);
}

/* Every prefix of every fixture: a sentence or records, never a crash (the sanitizers watch). */
static void cut_files(void **state)
{
    (void)state;
    static const char *const names[] = {"llama-bench.jsonl", "llama-bench.csv", "llama-bench.sql",
                                        "llama-perplexity-kld.txt"};
    for (int i = 0; i < 4; i++) {
        char path[512], *text;
        size_t n;
        snprintf(path, sizeof path, "%s/tests/fixtures/import/%s", SOURCE_ROOT, names[i]);
        assert_int_equal(file_read(path, 1 << 20, &text, &n, NULL), 0);
        for (size_t k = 0; k < n; k += 37) {
            text[n - k] = 0;
            struct err e = {0};
            int rc = import_text(text, n - k, "cut", NULL, &rec, &n_rec, &e);
            assert_true(rc == 0 ? n_rec > 0 : rc == ERR_FORMAT && e.text[0]);
            mem_free(rec);
            rec = NULL;
        }
        mem_free(text);
    }
}

static void no_memory(void **state)
{
    (void)state;
    char path[512];
    static const char *const names[] = {"llama-bench.jsonl", "llama-bench.csv", "llama-bench.sql",
                                        "llama-perplexity-kld.txt"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/tests/fixtures/import/%s", SOURCE_ROOT, names[i]);
        int rc = -1;
        for (long k = 1; k < 1000 && rc < 0; k++) {
            mem_fail_from(k);
            rc = import_file(path, NULL, &rec, &n_rec, NULL);
            mem_fail_from(0);
            assert_true(rc == 0 || rc == ERR_NOMEM);
        }
        assert_int_equal(rc, 0);
        mem_free(rec);
        rec = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(jsonl, drop),
        cmocka_unit_test_teardown(json_with_a_device, drop),
        cmocka_unit_test_teardown(csv_and_sql, drop),
        cmocka_unit_test_teardown(sql_with_an_apostrophe, drop),
        cmocka_unit_test_teardown(older_tables, drop),
        cmocka_unit_test_teardown(mixed_phases_cannot_be_told_apart, drop),
        cmocka_unit_test_teardown(rows_that_cannot_be_used_say_why, drop),
        cmocka_unit_test_teardown(perplexity, drop),
        cmocka_unit_test_teardown(perplexity_names_the_model, drop),
        cmocka_unit_test_teardown(metrics, drop),
        cmocka_unit_test_teardown(own_records_come_back, drop),
        cmocka_unit_test_teardown(wrong_files_get_a_sentence, drop),
        cmocka_unit_test_teardown(cut_files, drop),
        cmocka_unit_test_teardown(no_memory, drop),
    };
    return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
