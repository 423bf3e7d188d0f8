/* Activation statistics against llama-imatrix on a trained model (golden/imatrix/README.md), and their refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "bench/artifact/gguf.h"
#include "bench/engine/eval.h"
#include "bench/quant/calib.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

enum { N_CHUNKS = 4, CHUNK = 512 };
static const char golden_file[] = SOURCE_ROOT "/tests/golden/imatrix/stories.gguf";

static struct model *model;
static struct weights *weights;
static struct calib_text text = {.n_ctx = CHUNK, .n_chunks = N_CHUNKS};
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
    assert_int_equal(calibration_collect(&c, weights, CALIB_SQUARES, &text, fixture_isa(), NULL, &e), 0);
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
    struct calib_text with_head = text;
    with_head.head = true;
    with_head.n_chunks = 1;
    assert_int_equal(calibration_collect(&c, weights, CALIB_SQUARES, &with_head, fixture_isa(), NULL, NULL), 0);
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
    struct calib_text shorter = text;
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

static int set_up(void **state)
{
    (void)state;
    struct err e = {0};
    if (model_open(&model, test_data("models/stories260K-F32.gguf"), &e) ||
        weights_source(&weights, model, false, &e) ||
        eval_tokenize(model->vocab, test_data("text/stories-ascii.txt"), CHUNK, &tokens, &text.n_tokens, &e)) {
        print_error("%s\n", e.text);
        return -1;
    }
    text.tokens = tokens;
    text.bos = vocab_adds_bos(model->vocab) ? vocab_bos(model->vocab) : -1;
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
        cmocka_unit_test(the_head_is_seen_when_asked_for),
        cmocka_unit_test(a_short_text_is_refused),
        cmocka_unit_test(a_failed_allocation_is_reported),
    };
    if (!test_data_there("models/stories260K-F32.gguf"))
        return TEST_SKIPPED;
    return cmocka_run_group_tests_name("calib", tests, set_up, tear_down);
}
