/* matrix/compat.c and its table: what frameworks run where, as their own documents say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bench/quant/recipe.h"
#include "datasets/catalogue.h"
#include "matrix/judge.h"

static bool runs(const char *framework, const char *format, const char *backend, const char *arch, const char *os,
                 char why[160])
{
    struct probe_device d;
    memset(&d, 0, sizeof d);
    snprintf(d.cpu.arch, sizeof d.cpu.arch, "%s", arch);
    snprintf(d.os.name, sizeof d.os.name, "%s", os);
    *why = 0;
    return compat_check(framework, format, backend, &d, why);
}

static void frameworks_run_where_they_are_made_for(void **state)
{
    (void)state;
    char why[160];
    assert_true(runs("llama.cpp", "gguf/q4_k_m", "cuda", "x86_64", "windows", why));
    assert_true(runs("llama.cpp", "gguf/q4_k_m", "cpu", "arm64", "android", why));
    assert_true(runs("llama.cpp", "gguf/q4_k_m", "cpu", "riscv64", "linux", why));
    assert_true(runs("mlx", "mlx/4bit-g64", "metal", "arm64", "ios", why));
    assert_true(runs("vllm", "awq/4bit-g128", "cuda", "x86_64", "Debian GNU/Linux 12", why));
    assert_true(runs("exllamav2", "exl2/4.0bpw", "cuda", "x86_64", "windows", why));
    assert_true(runs("onnxruntime-genai", "onnx/int4-g32-sym", "cpu", "arm64", "ios", why));
}

/* A GPU is refused only where what it computes is known and too old. */
static void old_gpus_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *capability;
        bool takes;
    } gpu[] = {{"sm_61", false}, {"sm_70", false}, {"sm_75", true}, {"sm_86", true}, {"sm_120", true}, {"", true}};
    struct probe_device d;
    char why[160];
    memset(&d, 0, sizeof d);
    snprintf(d.cpu.arch, sizeof d.cpu.arch, "x86_64");
    snprintf(d.os.name, sizeof d.os.name, "Debian GNU/Linux 12");
    d.n_gpus = 1;
    for (size_t i = 0; i < sizeof gpu / sizeof *gpu; i++) {
        snprintf(d.gpu[0].capability, sizeof d.gpu[0].capability, "%s", gpu[i].capability);
        assert_int_equal(compat_check("mlx", "mlx/4bit-g64", "cuda", &d, why), gpu[i].takes);
        if (!gpu[i].takes)
            assert_non_null(strstr(why, "needs a GPU of compute capability 7.5, this one has "));
        assert_true(compat_check("llama.cpp", "gguf/q4_k_m", "cuda", &d, why)); /* from 5.0 on */
    }
}

static void elsewhere_they_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *framework, *format, *backend, *arch, *os, *why;
    } c[] = {
        {"mlx", "mlx/4bit-g64", "cpu", "x86_64", "linux", "made for Apple silicon"},
        {"mlx", "mlx/4bit-g64", "cpu", "x86_64", "windows", "no build for windows x86_64"},
        {"vllm", "awq/4bit-g128", "cuda", "x86_64", "windows", "no build for windows"},
        {"exllamav2", "exl2/4.0bpw", "metal", "arm64", "macos", "does not run exl2 formats on metal"},
        {"openvino", "openvino/int8-asym", "cpu", "arm64", "android", "no build for android"},
        {"openvino", "openvino/int8-asym", "cuda", "x86_64", "linux", "on cuda"},
        {"llama.cpp", "gguf/q4_k_m", "rknn", "arm64", "linux", "on rknn"},
        {"llama.cpp", "onnx/int4-g32-sym", "cpu", "x86_64", "linux", "does not load onnx formats"},
        {"bitnet.cpp", "bitnet/i2_s", "vulkan", "x86_64", "linux", "on vulkan"},
    };
    char why[160];
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        assert_false(runs(c[i].framework, c[i].format, c[i].backend, c[i].arch, c[i].os, why));
        if (!strstr(why, c[i].why))
            fail_msg("%s: \"%s\" does not say \"%s\"", c[i].framework, why, c[i].why);
    }
}

static void what_is_not_known_is_no_reason(void **state)
{
    (void)state;
    char why[160];
    assert_true(runs("someones-own", "gguf/q4_0", "cpu", "x86_64", "linux", why));
    assert_true(runs("openvino", "openvino/int8-asym", "", "", "", why));
    assert_true(compat_check("mlx", "mlx/4bit-g64", "AUTO:GPU", NULL, why)); /* it ran here */
    assert_false(compat_check("mlx", "gguf/q4_0", "gpu", NULL, why));
}

static bool all_among(const char *list, const char *words)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", list);
    char *rest = copy;
    for (char *w; (w = strsep(&rest, " ")) != NULL;) {
        char padded[64];
        snprintf(padded, sizeof padded, " %s ", w);
        if (!*w || !strstr(words, padded))
            return false;
    }
    return true;
}

static void every_row_is_complete(void **state)
{
    (void)state;
    struct csv c;
    int n = 0;
    for (bool more = csv_open(&c, dataset_compatibility) && csv_next(&c); more; more = csv_next(&c), n++) {
        int year, month;
        const char *date = csv_text(&c, "date");
        assert_int_equal(c.row.n, c.head.n);
        assert_true(all_among(csv_text(&c, "arch"), " * x86_64 arm64 "));
        assert_true(all_among(csv_text(&c, "os"), " * windows macos linux android ios "));
        assert_true(all_among(csv_text(&c, "support"), " yes partial no "));
        assert_true(strlen(csv_text(&c, "source")) > 8);
        assert_true(sscanf(date, "%4d-%2d", &year, &month) == 2 && year >= 2024 && month >= 1 && month <= 12);
        assert_true(strcmp(csv_text(&c, "support"), "yes") == 0 || *csv_text(&c, "note")); /* why not, or how far */
        assert_null(strchr(c.row.text, '\n'));
    }
    assert_true(n > 60);
}

/* A recipe says which framework runs it: the table says that it loads that family, or nothing of that framework. */
static void recipes_agree_with_the_table(void **state)
{
    (void)state;
    char why[160];
    for (int i = 0; i < n_recipes; i++)
        if (recipes[i].framework && !compat_check(recipes[i].framework, recipes[i].name, "", NULL, why))
            fail_msg("%s: %s", recipes[i].name, why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frameworks_run_where_they_are_made_for),
        cmocka_unit_test(elsewhere_they_are_refused_with_the_reason),
        cmocka_unit_test(old_gpus_are_refused),
        cmocka_unit_test(what_is_not_known_is_no_reason),
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(recipes_agree_with_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
