/* bench/shapes: the rows of the catalogue that the engine runs. The engine makes its tensors of a description by
 * itself: weights are as many as published, and bytes of a format are those that the catalogue finds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "bench/catalogue.h"
#include "bench/measure.h"

static struct model *model_of(const struct shape *s)
{
    struct model *m;
    struct err e = {0};
    if (model_from_shape(&m, &s->d, &e) < 0)
        fail_msg("%s: %s", s->id, e.text);
    return m;
}

static void weights_are_as_many_as_published(void **state)
{
    (void)state;
    const struct shape *all;
    int n = shapes(&all);
    assert_true(n >= 60);
    for (int i = 0; i < n; i++) {
        struct model *m = model_of(&all[i]);
        const struct catalogue_model *row = catalogue_model_find(all[i].id);
        if (fabs((double)m->d.n_params / 1e9 - row->published_b) > 0.005 * row->published_b)
            fail_msg("%s: %.6f billion weights, published %.6f", all[i].id, (double)m->d.n_params / 1e9,
                     row->published_b);
        model_close(m);
    }
}

/* Bytes of the whole, by the engine's own tensor list. */
static int64_t bytes_of(const struct model *m, const char *format)
{
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct recipe_summary s;
    struct err e = {0};
    if (recipe_assign(&m->d, recipe_find(format), NULL, &(struct recipe_known){.importance = true}, a, &e) ||
        recipe_summarize(&m->d, a, &s, &e))
        fail_msg("%s: %s", format, e.text);
    mem_free(a);
    return s.bytes;
}

static void bytes_are_those_of_the_catalogue(void **state)
{
    (void)state;
    static const char *const formats[] = {"base/f16",          "gguf/q4_k_m",  "gguf/q2_k",
                                          "gguf/iq2_xs",       "mlx/4bit-g64", "openvino/int4-asym-g64",
                                          "onnx/int8-dynamic", "gguf/q4_0"};
    const struct shape *all;
    for (int i = 0, n = shapes(&all); i < n; i++) {
        struct model *m = model_of(&all[i]);
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
            struct catalogue_cost c;
            struct err e = {0};
            const struct recipe *r = recipe_find(formats[f]);
            if (!r || catalogue_cost(&c, catalogue_model_find(all[i].id), r, NULL, 1024, &e))
                fail_msg("%s %s: %s", all[i].id, formats[f], e.text);
            int64_t own = bytes_of(m, formats[f]);
            if (c.weights_bytes != own || !c.exact)
                fail_msg("%s %s: %lld bytes in the catalogue, %lld here", all[i].id, formats[f],
                         (long long)c.weights_bytes, (long long)own);
        }
        model_close(m);
    }
}

static void known_shapes_are_found_and_others_not(void **state)
{
    (void)state;
    static const char *const run[] = {"smollm2-135m", "llama-3.2-1b", "qwen2.5-0.5b",  "qwen3-4b",
                                      "phi-4-mini",   "gemma-3-1b",   "llama-3.3-70b", "bitnet-b1.58-2b-4t"};
    static const char *const not_run[] = {"gpt-5", "", "mixtral-8x7b", "lfm2-1.2b", "gemma-2-2b", "qwen3.5-4b"};
    for (size_t i = 0; i < sizeof run / sizeof *run; i++)
        assert_non_null(shape_find(run[i]));
    for (size_t i = 0; i < sizeof not_run / sizeof *not_run; i++)
        assert_null(shape_find(not_run[i]));
    assert_int_equal(shape_find("gemma-3-1b")->d.sliding_window, 512);
    assert_int_equal(shape_find("llama-3.2-1b")->d.n_head_kv, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_as_many_as_published),
        cmocka_unit_test(bytes_are_those_of_the_catalogue),
        cmocka_unit_test(known_shapes_are_found_and_others_not),
    };
    return cmocka_run_group_tests_name("shapes", tests, NULL, NULL);
}
