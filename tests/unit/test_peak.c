/* Predicted peak memory against what was measured: the largest resident size of llama-bench (512 prompt tokens, 16
 * generated, file not mapped, 2 threads; x86-64 with AVX-512; llama.cpp of llama-cpp-python 0.3.36) on SmolLM2 135M and
 * of the frameworks' own loops through their workers (onnxruntime-genai 0.11, openvino-genai 2026.4, mlx-lm). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bench/catalogue.h"
#include "bench/engine/engine.h"
#include "bench/measure.h"
#include "matrix/matrix.h"

static const struct {
    const char *format;
    double peak_mib;
} measured[] = {
    {"base/f16", 311.8},
    {"gguf/q8_0", 190.9},
    {"gguf/q4_0", 140.8},
    {"gguf/q4_1", 146.9},
    {"gguf/q5_0", 152.8},
    {"gguf/q5_1", 159.1},
    {"gguf/q6_k", 185.8},
    {"gguf/q4_k_m", 154.5},
    {"gguf/q3_k_m", 143.4},
    {"gguf/q2_k", 138.1},
    {"gguf/iq4_nl", 142.1},
    {"onnx/int4-g32-sym", 364.5},
    {"onnx/int4-g128-asym", 336.4},
    {"onnx/int8-dynamic", 368.3},
    {"openvino/int8-asym", 439.0},
    {"openvino/int4-sym-g128", 350.3},
    {"mlx/4bit-g64", 160.8},
};
enum { N_MEASURED = sizeof measured / sizeof *measured };

static const struct row *row_of(const struct decision *d, const char *format)
{
    for (int i = 0; i < d->n_rows; i++)
        if (strcmp(d->row[i].format, format) == 0)
            return &d->row[i];
    fail_msg("no row of %s", format);
    return NULL;
}

static void within_a_tenth_of_what_was_measured(void **state)
{
    (void)state;
    const struct shape *all;
    int n = shapes(&all);
    const struct model_desc *desc = NULL;
    for (int i = 0; i < n; i++)
        if (strcmp(all[i].id, "smollm2-135m") == 0)
            desc = &all[i].d;
    assert_non_null(desc);
    const char *formats[N_MEASURED];
    for (int i = 0; i < N_MEASURED; i++)
        formats[i] = measured[i].format;
    struct request req;
    request_defaults(&req);
    req.formats = formats;
    req.n_formats = N_MEASURED;
    req.want.ctx = 512;
    struct model *m = NULL;
    struct decision *d = NULL;
    struct err e = {0};
    assert_int_equal(model_from_shape(&m, desc, &e), 0);
    assert_int_equal(matrix_estimate(&d, &m->d, NULL, &req, &e), 0);
    int n_off = 0;
    for (int i = 0; i < N_MEASURED; i++) {
        double mib = (double)row_of(d, measured[i].format)->peak_bytes / 1048576;
        print_message("%-24s %6.1f MiB predicted, %6.1f measured: %+.1f %%\n", measured[i].format, mib,
                      measured[i].peak_mib, 100 * (mib / measured[i].peak_mib - 1));
        n_off += fabs(mib / measured[i].peak_mib - 1) > 0.1;
    }
    assert_int_equal(n_off, 0);
    decision_free(d);
    model_close(m);
}

/* Of a model without a file the catalogue says the same as the tensors of its shape. */
static void the_catalogue_agrees_with_the_engine(void **state)
{
    (void)state;
    static const char *const ids[] = {"smollm2-135m", "gemma-3-270m", "qwen3-0.6b", "llama-3.2-1b", "qwen3-8b"};
    const struct shape *all;
    int n = shapes(&all);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        for (int k = 0; k < n; k++) {
            if (strcmp(all[k].id, ids[i]) != 0)
                continue;
            struct model *m = NULL;
            struct memory_need need = {0};
            struct catalogue_cost cost;
            struct err e = {0};
            struct engine_opts o = {.mode = ENGINE_PACKED, .n_ctx = 4096, .n_batch = 512};
            assert_int_equal(model_from_shape(&m, &all[k].d, &e), 0);
            assert_int_equal(engine_memory(&m->d, &o, &need, &e), 0);
            assert_int_equal(
                catalogue_cost(&cost, catalogue_model_find(ids[i]), recipe_find("gguf/q8_0"), NULL, 4096, &e), 0);
            double ratio = (double)cost.scratch_bytes / (double)need.scratch_bytes;
            if (!(ratio > 0.5 && ratio < 1.5))
                fail_msg("%s: scratch %.1f MiB by the catalogue, %.1f of the engine", ids[i],
                         (double)cost.scratch_bytes / 1048576, (double)need.scratch_bytes / 1048576);
            assert_true(cost.reserved_bytes >= cost.scratch_bytes);
            model_close(m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_a_tenth_of_what_was_measured),
        cmocka_unit_test(the_catalogue_agrees_with_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
