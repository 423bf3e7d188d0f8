/* bench/record: the rows cover the struct, JSON round trips, llama-bench's fields are there and right, bad
 * JSON. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/mem.h"
#include "tests/unit/record_sample.h"

/* Members that no row names would be lost on the way through JSON: only `schema` and padding may be left
 * over. */
static void rows_cover_the_struct(void **state)
{
    (void)state;
    static unsigned char seen[sizeof(struct record)];
    memset(seen, 0, sizeof seen);
    memset(seen, 1, sizeof(int)); /* schema */
    for (int i = 0; i < n_record_fields; i++)
        for (size_t b = 0; b < record_fields[i].size; b++)
            assert_int_equal(seen[record_fields[i].offset + b]++, 0); /* nor may two rows share a member */
    for (size_t b = 0, run = 0; b < sizeof seen; b++) {
        run = seen[b] ? 0 : run + 1;
        if (run > 7 ||
            (run > 3 && b % 8 == 3)) /* padding never exceeds 7 bytes and ends before an aligned member */
            fail_msg("bytes up to %zu of struct record belong to no row", b);
    }
}

static void a_new_record_knows_nothing(void **state)
{
    (void)state;
    struct record r;
    memset(&r, 0x55, sizeof r);
    record_init(&r);
    assert_true(isnan(r.quality.kld) && isnan(r.speed.decode_tok_s.v) && isnan(r.speed.decode_tok_s.hi));
    assert_true(r.memory.peak_rss_bytes == -1 && r.before.throttle_count == UINT64_MAX &&
                isnan(r.energy_j_per_tok));
    assert_true(r.status == STATUS_OK && r.quality_from == FROM_NOWHERE && r.model.name[0] == 0);
    for (int i = 0; i < n_record_fields; i++)
        if (record_fields[i].unit)
            assert_true(isnan(record_figure(&r, &record_fields[i]).v));
    struct eval_quality q = {.kld = 1};
    struct speed s = {.tpot_p50_ms = 1};
    quality_none(&q);
    speed_none(&s);
    assert_memory_equal(&q, &r.quality, sizeof q);
    assert_memory_equal(&s, &r.speed, sizeof s);
}

static void through_text(struct record *out, const struct record *in)
{
    struct sbuf b = {0};
    struct err e;
    json_t *j = record_to_json(in), *back;
    assert_non_null(j);
    json_print(&b, j, 0);
    json_decref(j);
    assert_int_equal(json_parse(&back, b.p, b.n, "test", &e), 0);
    assert_int_equal(record_from_json(out, back, &e), 0);
    json_decref(back);
    sbuf_free(&b);
}

static void json_round_trip(void **state)
{
    (void)state;
    struct record r, back;
    for (int salt = 0; salt < 7; salt++) {
        sample_record(&r, salt);
        through_text(&back, &r);
        assert_memory_equal(&r, &back, sizeof r);
    }
    record_init(&r);
    through_text(&back, &r);
    assert_memory_equal(&r, &back, sizeof r);
}

static void bad_utf8_is_replaced(void **state)
{
    (void)state;
    struct record r, back;
    record_init(&r);
    strcpy(r.model.name,
           "a\xff\xc3\xa9\xed\xa0\x80\xf0\x9f\x98\x80\xe2\x82"); /* é and 😀 are good, the rest is not */
    strcpy(r.reason, "\"<script>\\\n");
    through_text(&back, &r);
    assert_string_equal(back.model.name, "a?\xc3\xa9???\xf0\x9f\x98\x80??");
    assert_string_equal(back.reason, r.reason);
}

/* The 40 fields of llama-bench's table, as listed in its source. */
static const char *const llama_bench_fields[] = {
    "build_commit",   "build_number",
    "cpu_info",       "gpu_info",
    "backends",       "model_filename",
    "model_type",     "model_size",
    "model_n_params", "n_batch",
    "n_ubatch",       "n_threads",
    "cpu_mask",       "cpu_strict",
    "poll",           "type_k",
    "type_v",         "n_gpu_layers",
    "n_cpu_moe",      "split_mode",
    "main_gpu",       "no_kv_offload",
    "flash_attn",     "devices",
    "tensor_split",   "tensor_buft_overrides",
    "load_mode",      "embeddings",
    "no_op_offload",  "no_host",
    "fit_target",     "fit_min_ctx",
    "n_prompt",       "n_gen",
    "n_depth",        "test_time",
    "avg_ns",         "stddev_ns",
    "avg_ts",         "stddev_ts",
    "samples_ns",     "samples_ts",
};

static void llama_bench_rows(void **state)
{
    (void)state;
    struct record r;
    record_init(&r);
    strcpy(r.framework.name, "llama.cpp");
    strcpy(r.framework.version, "b6710-0c1e57098");
    strcpy(r.framework.backend, "cpu");
    r.framework.gpu_layers = 12;
    r.workload.n_prompt = 512;
    r.workload.n_gen = 100;
    r.speed.prefill_ns = (struct samples){.n = 2, .x = {1e9, 2e9}};
    r.speed.decode_ns = (struct samples){.n = 2, .x = {2e9, 4e9}};
    json_t *both = record_to_json(&r), *pp = record_to_llama_bench(&r, false),
           *tg = record_to_llama_bench(&r, true);
    for (size_t i = 0; i < sizeof llama_bench_fields / sizeof *llama_bench_fields; i++)
        if (!json_object_get(both, llama_bench_fields[i]) || !json_object_get(pp, llama_bench_fields[i]))
            fail_msg("%s is missing", llama_bench_fields[i]);
    assert_int_equal(json_integer_value(json_object_get(pp, "n_prompt")), 512);
    assert_int_equal(json_integer_value(json_object_get(pp, "n_gen")), 0);
    assert_int_equal(json_integer_value(json_object_get(tg, "n_gen")), 100);
    assert_true(json_get_num(pp, "avg_ts") ==
                (512 + 256) / 2.0); /* the mean of rates, as llama-bench has it */
    assert_true(json_get_num(pp, "avg_ns") == 1.5e9);
    assert_true(fabs(json_get_num(pp, "stddev_ts") - 256 / sqrt(2)) < 1e-9);
    assert_true(json_get_num(tg, "avg_ts") == 37.5);
    assert_true(json_number_value(json_array_get(json_object_get(tg, "samples_ts"), 1)) == 25);
    assert_true(json_get_num(both, "avg_ns") == 4.5e9); /* both phases: its pg test */
    assert_string_equal(json_get_str(pp, "build_commit", ""), "0c1e57098");
    assert_int_equal(json_integer_value(json_object_get(pp, "build_number")), 6710);
    assert_string_equal(json_get_str(pp, "backends", ""), "CPU");
    assert_int_equal(json_integer_value(json_object_get(tg, "n_gpu_layers")), 12);
    assert_true(json_is_null(json_object_get(pp, "tpot_p50_ms")) &&
                json_is_null(json_object_get(pp, "bandwidth_share")));
    json_decref(both);
    json_decref(pp);
    json_decref(tg);
}

static void bad_json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *said;
        int code;
    } bad[] = {
        {"{}", "schema", ERR_FORMAT},
        {"[]", "schema", ERR_FORMAT},
        {"{\"schema\":2}", "newer", ERR_UNSUPPORTED},
        {"{\"schema\":1,\"model\":3}", "model is not an object", ERR_FORMAT},
        {"{\"schema\":1,\"model\":{\"name\":3}}", "model.name is not a text", ERR_FORMAT},
        {"{\"schema\":1,\"model\":{\"name\":\"a\\u0000b\"}}", "model.name", ERR_FORMAT},
        {"{\"schema\":1,\"date\":\"0123456789012345678901234567890123456789\"}", "date", ERR_FORMAT},
        {"{\"schema\":1,\"status\":\"great\"}", "status", ERR_FORMAT},
        {"{\"schema\":1,\"quality\":{\"kld\":\"low\"}}", "quality.kld is not a number", ERR_FORMAT},
        {"{\"schema\":1,\"quality\":{\"n_chunks\":4294967296}}", "quality.n_chunks", ERR_FORMAT},
        {"{\"schema\":1,\"memory\":{\"kv_bytes\":-5}}", "memory.kv_bytes", ERR_FORMAT},
        {"{\"schema\":1,\"speed\":{\"decode_tok_s\":3}}", "speed.decode_tok_s", ERR_FORMAT},
        {"{\"schema\":1,\"speed\":{\"decode_tok_s\":{\"v\":[]}}}", "speed.decode_tok_s", ERR_FORMAT},
        {"{\"schema\":1,\"speed\":{\"prefill_ns\":[true]}}", "speed.prefill_ns", ERR_FORMAT},
        {"{\"schema\":1,\"workload\":{\"seed\":\"18446744073709551616\"}}", "workload.seed", ERR_FORMAT},
        {"{\"schema\":1,\"workload\":{\"seed\":\"-1\"}}", "workload.seed", ERR_FORMAT},
        {"{\"schema\":1,\"isa\":[]}", "isa", ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct record r;
        struct err e = {0};
        json_t *j;
        assert_int_equal(json_parse(&j, bad[i].json, strlen(bad[i].json), "test", &e), 0);
        assert_int_equal(record_from_json(&r, j, &e), bad[i].code);
        if (!strstr(e.text, bad[i].said))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].json, e.text, bad[i].said);
        json_decref(j);
    }
    json_t *long_list = json_object(), *speed = json_object(), *a = json_array();
    for (int i = 0; i <= RECORD_MAX_SAMPLES; i++)
        json_array_append_new(a, json_real(1));
    json_put(speed, "decode_ns", a);
    json_put(long_list, "speed", speed);
    json_put(long_list, "schema", json_integer(1));
    struct record r;
    assert_int_equal(record_from_json(&r, long_list, NULL), ERR_FORMAT);
    json_decref(long_list);
}

static void cell_ids_tell_cells_apart(void **state)
{
    (void)state;
    struct record a, b;
    sample_record(&a, 1);
    b = a;
    record_cell_id(&a);
    b.speed.tpot_p50_ms = 1; /* a result, not what is measured */
    strcpy(b.date, "other");
    record_cell_id(&b);
    assert_string_equal(a.cell_id, b.cell_id);
    assert_int_equal(strlen(a.cell_id), 64);
#define DIFFERS(change)                                                                                      \
    do {                                                                                                     \
        b = a;                                                                                               \
        change;                                                                                              \
        record_cell_id(&b);                                                                                  \
        assert_string_not_equal(a.cell_id, b.cell_id);                                                       \
    } while (0)
    DIFFERS(b.model.sha256[0] ^= 1);
    DIFFERS(b.format.name[0] ^= 1);
    DIFFERS(b.framework.name[0] ^= 1);
    DIFFERS(b.framework.version[0] ^= 1);
    DIFFERS(b.framework.numerics[0] ^= 1);
    DIFFERS(strcpy(b.framework.settings, "INFERENCE_PRECISION_HINT=f32"));
    DIFFERS(b.framework.gpu_layers = a.framework.gpu_layers + 1);
    DIFFERS(b.workload.text_sha256[0] ^= 1);
    DIFFERS(b.workload.kv_type[0] ^= 1);
    DIFFERS(b.workload.n_ctx++);
    DIFFERS(b.workload.n_prompt++);
    DIFFERS(b.workload.n_depth++);
    DIFFERS(b.workload.threads++);
    DIFFERS(b.workload.n_tokens++);
    DIFFERS(b.isa ^= 1);
    /* what one text gains the next one loses: still another cell */
    DIFFERS((strcpy(b.model.name, ""), strcpy(b.model.arch, "x")));
}

static void names_are_found_again(void **state)
{
    (void)state;
    for (int i = 0; i < N_PROVENANCES; i++)
        assert_int_equal(provenance_find(provenance_name((enum provenance)i)), i);
    for (int i = 0; i < N_STATUSES; i++)
        assert_int_equal(record_status_find(record_status_name((enum record_status)i)), i);
    assert_int_equal(provenance_find("guessed"), -1);
    assert_string_equal(record_figure_find("decode_tok_s")->unit, "tok/s");
    assert_null(record_figure_find("date"));
    for (int i = 0; i < n_record_fields; i++)
        for (int k = 0; k < i; k++) /* `metric,value` and the store name figures by key alone */
            assert_false(record_fields[i].unit && record_fields[k].unit &&
                         !strcmp(record_fields[i].key, record_fields[k].key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_cover_the_struct),     cmocka_unit_test(a_new_record_knows_nothing),
        cmocka_unit_test(json_round_trip),           cmocka_unit_test(bad_utf8_is_replaced),
        cmocka_unit_test(llama_bench_rows),          cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(cell_ids_tell_cells_apart), cmocka_unit_test(names_are_found_again),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
