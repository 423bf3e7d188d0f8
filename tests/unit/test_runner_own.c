/* bench/runners/own on a small synthesized model: phases, depth, limits, memory, and that no speed is reported without
 * packed kernels. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/measure.h"
#include "kernels/kernels.h"
#include "tests/engine_fixture.h"

static struct model *model;
static struct weights *weights;
static const struct runner *own;

static int make_model(void **state)
{
    (void)state;
    static const struct model_desc small = {.arch = &archs[ARCH_LLAMA],
                                            .name = "small",
                                            .n_layer = 2,
                                            .d_model = 256,
                                            .d_ff = 512,
                                            .n_head = 4,
                                            .n_head_kv = 2,
                                            .head_dim = 64,
                                            .n_ctx_train = 512,
                                            .n_vocab = 300,
                                            .rope_dim = 64,
                                            .norm_eps = 1e-5,
                                            .rope_base = 1e4,
                                            .rope_scale = 1,
                                            .attn_scale = 0.125,
                                            .tied = true};
    const struct codec *codec[64];
    const struct act *act[64];
    own = runner_find("own");
    if (model_from_shape(&model, &small, NULL) < 0 || model->d.n_tensors > 64)
        return -1;
    for (int i = 0; i < model->d.n_tensors; i++) {
        codec[i] = model->d.tensor[i].matrix ? codec_find("f16") : codec_find("f32");
        act[i] = model->d.tensor[i].matrix ? act_find("f16") : NULL;
    }
    return weights_synthesize(&weights, model, codec, NULL, act, &(struct synthesis){.seed = 1}, NULL);
}

static int free_model(void **state)
{
    (void)state;
    weights_free(weights);
    model_close(model);
    return 0;
}

static struct measure_cell a_cell(void)
{
    return (struct measure_cell){
        .runner = own, .weights = weights, .threads = 1, .n_ctx = 96, .n_batch = 32, .isa = host_isa()};
}

static bool has_kernels(void)
{
    const struct kernel *mv = kernel_find(OP_MATVEC, "f16", "f16", host_isa());
    const struct kernel *mm = kernel_find(OP_MATMUL, "f16", "f16", host_isa());
    return mv && mm && kernel_is_packed(mv) && kernel_is_packed(mm);
}

static void phases(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct session *s;
    struct sample *x = calloc(1, sizeof *x);
    struct err e = {0};
    if (own->open(&s, &cell, &e) < 0)
        fail_msg("%s", e.text);
    struct workload w = {.n_prompt = 70, .n_gen = 9, .n_depth = 20};
    assert_int_equal(own->measure(s, &w, x, &e), 0);
    double sum = 0;
    assert_int_equal(x->n_token_ns, 9);
    for (int i = 0; i < 9; i++)
        sum += x->token_ns[i];
    assert_true(fabs(sum - x->decode_ns) < 1 && x->prefill_ns > 0 && x->ttft_ns == x->prefill_ns);
    w = (struct workload){.n_gen = 96}; /* fills the context to its last position */
    assert_int_equal(own->measure(s, &w, x, &e), 0);
    assert_true(isnan(x->prefill_ns) && isnan(x->ttft_ns) && x->n_token_ns == 96);
    w = (struct workload){.n_prompt = 96};
    assert_int_equal(own->measure(s, &w, x, &e), 0);
    assert_true(isnan(x->decode_ns) && x->n_token_ns == 0);
    w = (struct workload){.n_prompt = 70, .n_gen = 2, .n_depth = 27};
    assert_int_equal(own->measure(s, &w, x, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "context of 96"));
    w = (struct workload){.n_prompt = 70, .n_gen = 9, .deadline_ns = 1};
    assert_int_equal(own->measure(s, &w, x, &e), ERR_TIMEOUT);
    own->close(s);
    free(x);
}

static void given_tokens_are_fed(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct session *s;
    struct sample *x = calloc(1, sizeof *x);
    struct err e = {0};
    int32_t tokens[8] = {1, 2, 3, 4, 5, 6, 7, 299};
    struct workload w = {.n_prompt = 6, .n_gen = 1, .n_depth = 2, .tokens = tokens};
    assert_int_equal(own->open(&s, &cell, &e), 0);
    assert_int_equal(own->measure(s, &w, x, &e), 0);
    tokens[7] = 300; /* outside the vocabulary: only read when it is fed */
    assert_int_equal(own->measure(s, &w, x, &e), ERR_USAGE);
    own->close(s);
    free(x);
}

static void records_are_described(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct record r;
    struct workload w = {.n_prompt = 64, .n_gen = 16};
    struct measure_opts o;
    record_init(&r);
    measure_defaults(&o);
    o.bandwidth_gb_s = 10;
    o.min_reps = o.max_reps = 2;
    assert_int_equal(measure_cells(&cell, &r, 1, &w, &o, NULL), 0);
    assert_int_equal(r.status, STATUS_OK);
    struct engine_opts eo = {.mode = ENGINE_PACKED, .n_ctx = 96, .n_batch = 32, .isa = host_isa()};
    struct memory_need need;
    assert_int_equal(engine_memory(&model->d, &eo, &need, NULL), 0);
    assert_int_equal(r.memory.kv_bytes, need.kv_bytes);
    assert_int_equal(r.memory.scratch_bytes, need.scratch_bytes);
    assert_int_equal(r.memory.weights_bytes, weights->bytes);
    /* tied: the embedding is also the head and is read; 2 bytes a weight, and 8 positions of KV */
    int64_t matrices = 300 * 256 + 2 * (256 * 256 + 2 * 128 * 256 + 256 * 256 + 3 * 512 * 256);
    assert_true(fabs(r.speed.bytes_per_token - (double)(2 * matrices + 2 * 2 * 2 * 128 * 8)) <= 2 * 2 * 2 * 128);
    assert_true(fabs(r.speed.bandwidth_share - r.speed.bytes_per_token * r.speed.decode_tok_s.v / 1e10) < 1e-9);
    assert_true(r.memory.peak_rss_bytes > weights->bytes &&
                r.memory.peak_rss_bytes == r.memory.peak_anon_bytes + r.memory.peak_file_bytes);
    assert_non_null(strstr(r.kernels, "f16"));
    assert_string_equal(r.framework.name, "own");
    assert_true(r.speed.tpot_p50_ms > 0 && r.speed.tpot_p99_ms >= r.speed.tpot_p50_ms);
}

static void without_packed_kernels_there_is_no_speed(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct record r;
    struct workload w = {.n_prompt = 4, .n_gen = 2};
    struct measure_opts o;
    record_init(&r);
    measure_defaults(&o);
    cell.isa = 0;
    assert_int_equal(measure_cells(&cell, &r, 1, &w, &o, NULL), 0);
    assert_int_equal(r.status, STATUS_UNSUPPORTED);
    assert_non_null(strstr(r.reason, "reference only"));
    assert_true(isnan(r.speed.decode_tok_s.v) && r.speed_from == FROM_NOWHERE);
    cell.weights = NULL;
    record_init(&r);
    assert_int_equal(measure_cells(&cell, &r, 1, &w, &o, NULL), 0);
    assert_int_equal(r.status, STATUS_FAILED);
}

static void no_memory(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    int rc = -1, n = 1;
    for (; n < 200 && rc != 0; n++) {
        struct session *s = NULL;
        mem_fail_from(n);
        rc = own->open(&s, &cell, NULL);
        mem_fail_from(0);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        if (rc == 0)
            own->close(s);
    }
    assert_true(n > 4 && rc == 0);
}

/* Every format of the KV cache has a speed, those too whose scales a text settles elsewhere. */
static void caches(void **state)
{
    (void)state;
    struct sample *x = calloc(1, sizeof *x);
    struct workload w = {.n_prompt = 20, .n_gen = 3};
    struct err e = {0};
    for (int i = 0; i < n_kv_formats; i++) {
        struct measure_cell cell = a_cell();
        struct session *s;
        assert_int_equal(kv_parse(&cell.kv, kv_formats[i].name, &e), 0);
        if (own->open(&s, &cell, &e) < 0 || own->measure(s, &w, x, &e) < 0)
            fail_msg("%s: %s", kv_formats[i].name, e.text);
        assert_true(x->prefill_ns > 0 && x->n_token_ns == 3);
        own->close(s);
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest with_kernels[] = {
        cmocka_unit_test(phases),
        cmocka_unit_test(given_tokens_are_fed),
        cmocka_unit_test(records_are_described),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(caches),
    };
    const struct CMUnitTest anywhere[] = {cmocka_unit_test(without_packed_kernels_there_is_no_speed)};
    int failed = cmocka_run_group_tests_name("runner_own", anywhere, make_model, free_model);
    if (has_kernels())
        failed += cmocka_run_group_tests_name("runner_own, packed", with_kernels, make_model, free_model);
    else
        printf("no packed f16 kernels on this machine: the rest was not run\n");
    return failed;
}
