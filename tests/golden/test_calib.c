/* Activation statistics against llama-imatrix on a trained model (golden/imatrix/README.md), and their refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/artifact/gguf.h"
#include "bench/engine/eval.h"
#include "bench/quant/imatrix.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

enum { N_CHUNKS = 4, CHUNK = 512 };
static const char golden_file[] = SOURCE_ROOT "/tests/golden/imatrix/stories.gguf";

static struct model *model;
static struct weights *weights;
static struct calib_text story = {.n_ctx = CHUNK, .n_chunks = N_CHUNKS};
static int32_t *tokens;

static float golden_value(const struct gguf *g, const char *tensor, const char *what, int64_t i)
{
    char name[160];
    float v;
    snprintf(name, sizeof name, "%s.%s", tensor, what);
    const struct gguf_tensor *t = gguf_find_tensor(g, name);
    assert_non_null(t);
    assert_true(i < t->ne[0]);
    memcpy(&v, (const char *)t->data + i * 4, 4);
    return v;
}

/* llama.cpp adds up in f32, and its activations differ in the last bits. */
static void means_are_those_of_llama_imatrix(void **state)
{
    (void)state;
    struct calibration *c;
    struct gguf *g;
    struct err e = {0};
    int n_matrices = 0;
    double worst = 0;
    assert_int_equal(calibration_collect(&c, weights, CALIB_SQUARES, &story, host_isa(), NULL, &e), 0);
    assert_int_equal(gguf_open(&g, golden_file, NULL, &e), 0);
    for (int i = 0; i < model->d.n_tensors; i++) {
        const struct model_tensor *t = &model->d.tensor[i];
        assert_int_equal(c->tensor[i] != NULL, t->matrix && t->layer >= 0);
        if (!c->tensor[i])
            continue;
        n_matrices++;
        const struct calib_input *in = &c->input[c->input_of[i]];
        assert_true((float)in->n_rows == golden_value(g, t->name, "counts", 0));
        for (int64_t j = 0; j < t->src.k; j++) {
            double want = (double)golden_value(g, t->name, "in_sum2", j) / (N_CHUNKS * CHUNK);
            worst = fmax(worst, fabs((double)c->tensor[i]->importance[j] / want - 1));
        }
    }
    print_message("largest relative difference %.2g\n", worst);
    assert_true(worst < 1e-4);
    assert_int_equal(2 * n_matrices, g->n_tensors);
    assert_int_equal(c->n_inputs, 4 * model->d.n_layer + 1);
    gguf_close(g);
    calibration_free(c);
}

static void the_head_is_seen_when_asked_for(void **state)
{
    (void)state;
    struct calibration *c;
    struct calib_text with_head = story;
    with_head.head = true;
    with_head.n_chunks = 1;
    assert_int_equal(calibration_collect(&c, weights, CALIB_SQUARES, &with_head, host_isa(), NULL, NULL), 0);
    for (int i = 0; i < model->d.n_tensors; i++)
        assert_int_equal(c->tensor[i] != NULL, model->d.tensor[i].matrix);
    assert_int_equal(c->input[c->input_of[model->by_use[USE_TOKEN_EMBD]]].n_rows, CHUNK);
    assert_int_equal(c->n_chunks, 1);
    calibration_free(c);
}

static void a_short_text_is_refused(void **state)
{
    (void)state;
    struct calibration *c;
    struct err e = {0};
    struct calib_text shorter = story;
    shorter.n_tokens = 100;
    assert_int_equal(calibration_collect(&c, weights, CALIB_SQUARES, &shorter, 0, NULL, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "100 tokens"));
    assert_null(c);
}

static void a_failed_allocation_is_reported(void **state)
{
    (void)state;
    struct calibration *c;
    struct err e = {0};
    int rc = ERR_NOMEM;
    for (long n = 1; n < 200 && rc; n++) {
        mem_fail_from(n);
        rc = calibration_new(&c, &model->d, CALIB_SQUARES, true, &e);
        mem_fail_from(0);
        assert_true(rc == 0 || (rc == ERR_NOMEM && c == NULL));
    }
    assert_int_equal(rc, 0);
    calibration_free(c);
}

/* What was read is written again with the same bytes, in both forms; and each form gives the same means. */
static void files_come_back_byte_for_byte(void **state)
{
    (void)state;
    static const char *const form[] = {"gguf", "dat"};
    struct calibration *c[2];
    struct err e = {0};
    for (int i = 0; i < 2; i++) {
        char in[200], out[64], *text[2];
        size_t n[2];
        snprintf(in, sizeof in, SOURCE_ROOT "/tests/golden/imatrix/stories.%s", form[i]);
        snprintf(out, sizeof out, "/tmp/whichquant-imatrix-%ld.%s", (long)getpid(), form[i]);
        if (imatrix_read(&c[i], in, &model->d, &e) != 0 || imatrix_write(out, c[i], &e) != 0)
            fail_msg("%s", e.text);
        assert_int_equal(c[i]->n_chunks, N_CHUNKS);
        assert_string_equal(c[i]->dataset, "stories-ascii.txt");
        assert_int_equal(file_read(in, 1 << 20, &text[0], &n[0], &e), 0);
        assert_int_equal(file_read(out, 1 << 20, &text[1], &n[1], &e), 0);
        assert_int_equal(n[0], n[1]);
        assert_memory_equal(text[0], text[1], n[0]);
        mem_free(text[0]);
        mem_free(text[1]);
        unlink(out);
    }
    for (int i = 0; i < model->d.n_tensors; i++)
        for (int64_t j = 0; c[0]->tensor[i] && j < model->d.tensor[i].src.k; j++) {
            double a = (double)c[0]->tensor[i]->importance[j], b = (double)c[1]->tensor[i]->importance[j];
            assert_true(fabs(a - b) <= 1e-6 * a);
        }
    assert_int_equal(strlen(c[0]->sha256), 64);
    calibration_free(c[0]);
    calibration_free(c[1]);
}

static void refuse(const void *p, size_t n, const struct model *m, const char *says)
{
    struct calibration *c;
    struct err e = {0};
    assert_true(imatrix_read_memory(&c, p, n, "x.dat", &m->d, &e) < 0);
    assert_null(c);
    const char *path = strstr(e.text, "x.dat");
    if (!strstr(e.text, says) || !path || strstr(path + 1, "x.dat"))
        fail_msg("\"%s\" does not say \"%s\" and, once, the path", e.text, says);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    char *text;
    size_t n;
    struct err e = {0};
    struct model *other;
    uint8_t bad[] = {1, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c', 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    refuse("", 0, model, "neither");
    refuse("hello, world", 12, model, "cut short");
    refuse(bad, sizeof bad, model, "another model");
    refuse(bad, sizeof bad - 1, model, "cut short");
    assert_int_equal(file_read(SOURCE_ROOT "/tests/golden/imatrix/stories.dat", 1 << 20, &text, &n, &e), 0);
    refuse(text, 5000, model, "cut short");
    float nan = NAN, minus = -1;
    memcpy(text + 35, &nan, 4);
    refuse(text, n, model, "value 0 of blk.0.attn_k.weight");
    memcpy(text + 35, &minus, 4);
    refuse(text, n, model, "not a mean of squares");
    mem_free(text);
    assert_int_equal(model_open(&other, test_data("models/TinyStories-656K-F32.gguf"), &e), 0);
    assert_int_equal(file_read(golden_file, 1 << 20, &text, &n, &e), 0);
    refuse(text, n, other, "64 columns there and 128 in the model");
    refuse(text, 3000, model, "GGUF");
    refuse(text, 100, model, "GGUF");
    mem_free(text);
    model_close(other);
}

static int set_up(void **state)
{
    (void)state;
    struct err e = {0};
    if (model_open(&model, test_data("models/stories260K-F32.gguf"), &e) ||
        weights_source(&weights, model, false, &e) ||
        eval_tokenize(model->vocab, test_data("text/stories-ascii.txt"), CHUNK, &tokens, &story.n_tokens, &e)) {
        print_error("%s\n", e.text);
        return -1;
    }
    story.tokens = tokens;
    story.bos = vocab_adds_bos(model->vocab) ? vocab_bos(model->vocab) : -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weights_free(weights);
    model_close(model);
    mem_free(tokens);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_are_those_of_llama_imatrix),
        cmocka_unit_test(files_come_back_byte_for_byte),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(the_head_is_seen_when_asked_for),
        cmocka_unit_test(a_short_text_is_refused),
        cmocka_unit_test(a_failed_allocation_is_reported),
    };
    if (!test_data_there("models/stories260K-F32.gguf"))
        return TEST_SKIPPED;
    return cmocka_run_group_tests_name("calib", tests, set_up, tear_down);
}
