/* matrix/quality: what is published is said as published; what is not comes with an interval that is honest. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "matrix/quality.h"

static bool holds(struct interval i, double v)
{
    return i.lo <= v && v <= i.hi;
}

static struct quality_guess guess(const char *model, double params_b, const char *format, double bpw)
{
    struct quality_guess q;
    quality_predict(&q, model, params_b, format, bpw);
    return q;
}

static void test_published(void **state)
{
    (void)state;
    struct quality_guess q = guess("Llama-3 8B", 8.03, "gguf/q5_k_m", 5.7);
    assert_string_equal(q.from, "published");
    assert_true(fabs(q.kld.v - 0.010762) < 1e-6); /* llama.cpp, PR 6936 */
    assert_true(fabs(q.ppl_ratio.v - 1.00914) < 1e-4);
    assert_true(holds(q.kld, q.kld.v) && holds(q.ppl_ratio, q.ppl_ratio.v));
    assert_non_null(strstr(q.source, "6936"));
}

static void test_predicted(void **state)
{
    (void)state;
    struct quality_guess small = guess("some-model", 0.3, "gguf/q4_k_m", 4.9),
                         large = guess("some-model", 70, "gguf/q4_k_m", 4.9);
    assert_string_equal(small.from, "predicted");
    assert_true(small.kld.v > large.kld.v && small.kld.hi > large.kld.hi);
    assert_true(small.top1.v < large.top1.v);
    assert_true(large.kld.lo < large.kld.v && large.kld.v < large.kld.hi);
}

static void test_refused(void **state)
{
    (void)state;
    struct quality_guess q = guess("some-model", 3, "nobody/4bit", 4);
    assert_string_equal(q.from, "");
    assert_true(isnan(q.kld.v) && isnan(q.ppl_ratio.hi) && isnan(q.top1.lo));
    assert_true(strlen(q.source) > 20);
    q = guess("some-model", 3, "gguf/new", NAN);
    assert_string_equal(q.from, "");
    q = guess("some-model", 3, "gguf/new", 4.6);
    assert_string_equal(q.from, "predicted");
    assert_true(holds(q.kld, 0.03));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_predicted),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
