/* The sweep on a small real model, quality only: each format that was named ends as one record, measured or with its
 * reason; what the budget did not reach says so; which formats fit the caches; the order of the plan. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/sweep.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

static struct {
    struct model *model;
    struct probe_device device;
    char *text;
    size_t text_bytes;
} world;

static struct request request_of(const char *const *formats, int n)
{
    struct request r;
    request_defaults(&r);
    r.formats = formats;
    r.n_formats = n;
    r.n_ctx_eval = 64;
    r.n_chunks = 2;
    r.isa = host_isa();
    r.threads = 1;
    r.budget_s = 600;
    r.budget_is_default = r.no_speed = true;
    return r;
}

static struct sweep_input input_of(const struct request *req)
{
    return (struct sweep_input){.req = req,
                                .device = &world.device,
                                .model = world.model,
                                .text = world.text,
                                .text_name = "stories",
                                .text_bytes = world.text_bytes,
                                .run_id = "test"};
}

static struct sweep *run(const struct request *req)
{
    struct sweep_input in = input_of(req);
    struct sweep *s;
    struct err e = {0};
    if (sweep_run(&s, &in, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static const struct record *record_of(const struct sweep *s, const char *format)
{
    const struct record *found = NULL;
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->rec[i].format.name, format) == 0) {
            assert_null(found); /* one record a format */
            found = &s->rec[i];
        }
    if (!found)
        fail_msg("no record of %s", format);
    return found;
}

/* Rows of 64 and 172: groups of 128 divide neither. */
static void bad_cells_are_rows(void **state)
{
    static const char *const formats[] = {"gguf/q8_0",
                                          "gguf/iq2_xxs",
                                          "awq/4bit-g128",
                                          "gptq/4bit-g128-sym",
                                          "mlx/4bit-g64",
                                          "openvino/int4-sym-g128",
                                          "onnx/int4-g32-asym",
                                          "openvino/int8-asym",
                                          "gguf/iq1_s",
                                          "gguf/tq2_0",
                                          "bnb/nf4",
                                          "hqq/4bit-g64",
                                          "exl2/grid-4.125bpw",
                                          "openvino/int4-sym-channel"};
    enum { N = sizeof formats / sizeof *formats };
    struct request req = request_of(formats, N);
    struct sweep *s = run(&req);
    int n_measured = 0;
    (void)state;
    assert_int_equal(s->n, N);
    for (int i = 0; i < N; i++) {
        const struct record *r = record_of(s, formats[i]);
        bool measured = isfinite(r->quality.kld);
        n_measured += measured;
        assert_true(measured || *r->reason);
        assert_int_equal(r->status, measured ? STATUS_OK : STATUS_UNSUPPORTED);
        if (measured)
            assert_int_equal(r->quality.n_chunks, 2);
    }
    assert_true(n_measured >= 5);
    assert_true(record_of(s, "gguf/q8_0")->quality.kld < record_of(s, "openvino/int4-sym-channel")->quality.kld);
    assert_non_null(strstr(record_of(s, "gptq/4bit-g128-sym")->reason, "--calibration"));
    sweep_free(s);
}

/* The same figures whatever shares the reference pass with a format. */
static void groups_change_nothing(void **state)
{
    static const char *const alone[] = {"onnx/int4-g32-asym"};
    static const char *const families[] = {"onnx", "openvino"};
    struct request req = request_of(alone, 1);
    struct sweep *one = run(&req);
    req = request_of(families, 2);
    struct sweep *many = run(&req);
    (void)state;
    assert_true(many->n > 30);
    assert_true(record_of(one, alone[0])->quality.kld > 0);
    assert_true(record_of(one, alone[0])->quality.kld == record_of(many, alone[0])->quality.kld);
    sweep_free(one);
    sweep_free(many);
}

static void same_figures(const struct sweep *a, const struct sweep *b, const char *const *formats, int n, int least)
{
    int n_measured = 0;
    assert_int_equal(a->n, b->n);
    for (int i = 0; i < n; i++) {
        const struct record *x = record_of(a, formats[i]), *y = record_of(b, formats[i]);
        assert_int_equal(x->status, y->status);
        n_measured += isfinite(x->quality.kld);
        if (isfinite(x->quality.kld))
            assert_memory_equal(&x->quality, &y->quality, sizeof x->quality);
        else
            assert_string_equal(x->reason, y->reason);
    }
    assert_true(n_measured >= least);
}

static const char *const mixed[] = {
    "gguf/q8_0", "gguf/tq2_0",      "onnx/int8-dynamic",          "mlx/4bit-g64",
    "bnb/nf4",   "fp8/e4m3-tensor", "openvino/int4-asym-channel", "openvino/int4-sym-g128"};
enum { N_MIXED = sizeof mixed / sizeof *mixed };

/* A model that memory does not hold goes layer by layer, to the same figures, bit for bit. */
static void large_models_go_layer_by_layer(void **state)
{
    struct request req = request_of(mixed, N_MIXED);
    req.n_chunks = 1;
    struct sweep *whole = run(&req);
    req.memory_bytes = 1;
    struct sweep *layers = run(&req);
    (void)state;
    same_figures(whole, layers, mixed, N_MIXED, 5);
    sweep_free(whole);
    sweep_free(layers);
}

/* The same with several formats and chunks between the layers. */
static void layers_change_nothing(void **state)
{
    static const char *const formats[] = {"gguf/q8_0", "mlx/4bit-g64", "onnx/int8-dynamic", "bnb/nf4"};
    enum { N = sizeof formats / sizeof *formats };
    struct request req = request_of(formats, N);
    struct sweep *whole = run(&req);
    struct sweep layers = {.arena = arena_new(), .tokens = whole->tokens, .n_tokens = whole->n_tokens};
    struct sweep_input in = input_of(&req);
    struct plan *p;
    struct err e = {0};
    (void)state;
    assert_int_equal(plan_formats(&p, world.model, &req, NULL, &e), 0);
    assert_int_equal(sweep_layers(&layers, &in, p, 0, p->n_cells, req.n_chunks, 0, &e), 0);
    same_figures(whole, &layers, formats, N, N);
    plan_free(p);
    mem_free(layers.rec);
    layers.rec = NULL;
    layers.n = layers.cap = 0;

    assert_int_equal(plan_formats(&p, world.model, &req, NULL, &e),
                     0); /* no time: one format is measured all the same */
    assert_int_equal(sweep_layers(&layers, &in, p, 0, p->n_cells, req.n_chunks, 1, &e), 0);
    assert_int_equal(layers.n, 1);
    assert_true(layers.out_of_budget && layers.rec[0].quality.kld == record_of(whole, formats[0])->quality.kld);
    plan_free(p);
    mem_free(layers.rec);
    arena_free(layers.arena);
    sweep_free(whole);
}

/* Every format that some framework executes has a speed where rows divide as those of real models do. */
static void every_format_has_kernels(void **state)
{
    static const char *const all[] = {"all"};
#if defined(__x86_64__)
    static const char *const masks[] = {"avx512_vnni", "avx2"};
#else
    static const char *const masks[] = {"dotprod"};
#endif
    struct model *m;
    struct err e = {0};
    (void)state;
    assert_int_equal(model_from_shape(&m, &shape_find("llama-3.2-1b")->d, &e), 0);
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        struct request req = request_of(all, 1);
        struct plan *p;
        assert_true(isa_narrow(masks[i], ~UINT64_C(0), &req.isa));
        assert_int_equal(plan_formats(&p, m, &req, NULL, &e), 0);
        assert_true(p->n_cells > 170);
        for (int c = 0; c < p->n_cells; c++)
            if (!p->cell[c].packed)
                fail_msg("%s has no kernel for %s", p->cell[c].recipe->name, masks[i]);
        plan_free(p);
    }
    model_close(m);
}

static void the_budget_leaves_rows(void **state)
{
    static const char *const families[] = {"onnx"};
    struct request req = request_of(families, 1);
    req.budget_s = 0.01;
    req.budget_is_default = false;
    req.n_chunks = 0;
    struct sweep *s = run(&req);
    int n_measured = 0, n_left = 0;
    (void)state;
    for (int i = 0; i < s->n; i++) {
        const struct record *r = &s->rec[i];
        n_measured += isfinite(r->quality.kld);
        n_left += strstr(r->reason, "the budget did not reach it") != NULL;
        assert_true(r->status != STATUS_OK || isfinite(r->quality.kld) || *r->reason);
    }
    assert_true(n_measured > 0 && n_measured <= 8 + 4); /* a group, and formats with the same tensors */
    assert_true(n_left > 10);
    assert_true(s->out_of_budget);
    sweep_free(s);
}

static void residency_is_of_the_format(void **state)
{
    struct plan_cell cell[3] = {{.packed = true, .summary.bytes = 90},
                                {.packed = true, .summary.bytes = 50},
                                {.packed = false, .summary.bytes = 10}};
    struct plan p = {.cell = cell, .n_cells = 3};
    (void)state;
    assert_false(sweep_residents(&p, 60)); /* the larger one is measured on the model itself */
    assert_false(cell[0].resident);
    assert_true(cell[1].resident && cell[2].resident);
    assert_true(sweep_residents(&p, 100));
    assert_false(sweep_residents(&p, 20)); /* what has no speed does not count */
    assert_true(cell[2].resident && !cell[1].resident);
}

static int rank_of(const struct plan *p, const char *format)
{
    for (int i = 0; i < p->n_cells; i++)
        if (strcmp(p->cell[i].recipe->name, format) == 0)
            return i;
    fail_msg("%s is not in the plan", format);
    return -1;
}

/* As long as asked for, longer than usual too. */
static void the_answer_is_as_long_as_asked_for(void **state)
{
    struct request r;
    (void)state;
    request_defaults(&r);
    r.want.n_prompt = 7;
    assert_int_equal(sweep_workload(&r).n_prompt, 7);
    assert_int_equal(sweep_workload(&r).n_gen, 64);
    r.want.n_gen = 300;
    assert_int_equal(sweep_workload(&r).n_gen, 300);
}

static void families_take_turns(void **state)
{
    static const char *const all[] = {"all"};
    struct request req = request_of(all, 1);
    struct plan *p;
    struct err e = {0};
    (void)state;
    assert_int_equal(plan_formats(&p, world.model, &req, NULL, &e), 0);
    int n = p->n_cells;
    assert_int_equal(plan_order(p, NULL, 0, &e), 0);
    assert_int_equal(p->n_cells, n);
    for (int i = 0; i < n; i++) {
        assert_true(p->cell[i].same_as < i);
        assert_true(!p->cell[i].packed || i == 0 || p->cell[i - 1].packed);
        if (i > 0 && !p->cell[i - 1].recipe->verified_by)
            assert_null(p->cell[i].recipe->verified_by);
    }
    assert_true(rank_of(p, "openvino/int8-asym") < rank_of(p, "onnx/int8-dynamic"));
    assert_true(rank_of(p, "bnb/nf4") < rank_of(p, "openvino/int8-sym"));
    plan_free(p);
}

/* The reference is right where llama-perplexity is on the same questions (test_task.c); the figures of a format are
 * those of asking it alone. */
static void tasks_are_scored(void **state)
{
    static const char theirs[] = "000100000000000000000100011000011001000100100000100000000000";
    static const char *const formats[] = {"gguf/q4_0", "onnx/int4-g32-sym"};
    const char *path[] = {test_data("text/ARC-Challenge-test.jsonl")};
    int n_right = 0, n = (int)strlen(theirs);
    struct model *small = world.model;
    struct err e = {0};
    (void)state;
    for (int i = 0; i < n; i++)
        n_right += theirs[i] == '1';
    assert_int_equal(model_open(&world.model, SOURCE_ROOT "/datasets/models/default.gguf", &e), 0);
    struct request req = request_of(formats, 2);
    req.tasks = path;
    req.n_tasks = 1;
    req.n_items = n;
    struct sweep *s = run(&req);
    int n_found = 0;
    for (int i = 0; i < s->n; i++) {
        const struct task_result *t = &s->rec[i].task;
        if (s->rec[i].task_from != FROM_MEASURED)
            continue;
        n_found++;
        assert_int_equal(t->n_items, n);
        assert_int_equal(t->n_ref_correct, n_right);
        assert_int_equal(t->n_correct, n_right - t->n_lost + t->n_gained);
        assert_true(t->n_changed >= t->n_lost + t->n_gained && t->n_changed > 0);
        assert_true(fabs(t->share.v - (double)t->n_correct / n_right) < 1e-12);
        assert_true(t->share.lo < t->share.v && t->share.v < t->share.hi);
        assert_string_equal(t->name, "ARC-Challenge-test");
    }
    assert_int_equal(n_found, 2);
    sweep_free(s);
    model_close(world.model);
    world.model = small;
}

/* More questions than there is time for: each format answers some of them, and none loses its quality over them. */
static void formats_share_the_time_for_tasks(void **state)
{
    static const char *const formats[] = {"gguf/q4_0", "gguf/q8_0", "onnx/int4-g32-sym"};
    const char *path[] = {test_data("text/ARC-Challenge-test.jsonl")};
    struct request req = request_of(formats, 3);
    (void)state;
    req.tasks = path;
    req.n_tasks = 1;
    req.n_chunks = 0;
    req.budget_s = 6;
    req.budget_is_default = false;
    struct sweep *s = run(&req);
    int n_asked = 0, n_measured = 0;
    for (int i = 0; i < s->n; i++) {
        bool asked = s->rec[i].task_from == FROM_MEASURED;
        n_asked += asked && s->rec[i].task.n_items > 0;
        n_measured += !asked && isfinite(s->rec[i].quality.kld);
    }
    assert_int_equal(n_asked, 3);
    assert_int_equal(n_measured, 3);
    sweep_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_cells_are_rows),
        cmocka_unit_test(groups_change_nothing),
        cmocka_unit_test(large_models_go_layer_by_layer),
        cmocka_unit_test(layers_change_nothing),
        cmocka_unit_test(every_format_has_kernels),
        cmocka_unit_test(the_budget_leaves_rows),
        cmocka_unit_test(residency_is_of_the_format),
        cmocka_unit_test(the_answer_is_as_long_as_asked_for),
        cmocka_unit_test(families_take_turns),
    };
    if (!test_data_there("models/stories260K-F32.gguf") || !test_data_there("text/stories-ascii.txt"))
        return TEST_SKIPPED;
    struct err e = {0};
    if (model_open(&world.model, test_data("models/stories260K-F32.gguf"), &e) ||
        file_read(test_data("text/stories-ascii.txt"), (size_t)1 << 30, &world.text, &world.text_bytes, &e))
        return 1;
    world.text_bytes = world.text_bytes < 20000 ? world.text_bytes : 20000;
    world.device.memory.usable_bytes = (int64_t)4 << 30;
    static const struct CMUnitTest slow[] = {
        cmocka_unit_test(tasks_are_scored),
        cmocka_unit_test(formats_share_the_time_for_tasks),
    };
    bool full = getenv("TEST_FULL") && test_data_there("text/ARC-Challenge-test.jsonl");
    int rc = full ? cmocka_run_group_tests(slow, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(world.text);
    model_close(world.model);
    return rc;
}
