/* Ranges of activations as ONNX Runtime 1.31.1's calibrators find them (tests/equivalence/calibrators.py prints the
 * table), batch by batch, and the codes made in such a range. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "base/err.h"
#include "bench/quant/histogram.h"

enum { MOST = 20000 };
static float batch[MOST];

static const struct golden {
    int n[3], entropy;
    float lo, hi, scale;
    int zero;
} goldens[] = {
    {{4000, 4000, 4000}, 0, -0x1.7e814ep+1f, 0x1.04fp+2f, 0x1.c5f69ep-6f, -20},
    {{4000, 4000, 4000}, 1, -0x1.7e814ep+1f, 0x1.84p+1f, 0x1.82c36ap-6f, -1},
    {{20000, 300, 0}, 0, -0x1.fd8c2cp+0f, 0x1.fc8p+0f, 0x1.ff051cp-7f, 0},
    {{20000, 300, 0}, 1, -0x1p+0f, 0x1.04p+0f, 0x1.030304p-7f, -1},
};

static void fill(int which, int n)
{
    for (int i = 0; i < n; i++) {
        double v = (double)(((int64_t)i * 7919 + which * 104729) % 20011 - 10005) / 10005;
        batch[i] = (float)(v * v * v * (1 + which) + (which == 2 && i % 997 == 0 ? 4 : 0));
    }
}

static void ranges_are_onnx_runtimes(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof goldens / sizeof *goldens; g++) {
        struct histogram h = {0};
        struct arena *a = arena_new();
        for (int w = 0; w < 3 && goldens[g].n[w]; w++) {
            fill(w, goldens[g].n[w]);
            assert_int_equal(histogram_add(&h, goldens[g].entropy ? 128 : 2048, batch, goldens[g].n[w], a), 0);
        }
        struct act_range r = goldens[g].entropy ? histogram_entropy(&h, 128, a) : histogram_percentile(&h, 99.999);
        assert_true(fabsf(r.lo - goldens[g].lo) <= 1e-6f * fabsf(goldens[g].lo));
        assert_true(fabsf(r.hi - goldens[g].hi) <= 1e-6f * fabsf(goldens[g].hi));
        arena_free(a);
    }
}

static void codes_in_a_range(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof goldens / sizeof *goldens; g++) {
        const struct golden *w = &goldens[g];
        float x[4] = {0, -100, 100, 10 * w->scale}, y[4];
        act_find("s8_static")->round_in(y, x, 4, (struct act_range){w->lo, w->hi});
        assert_true(y[0] == 0);
        assert_true(fabsf(y[1] - (float)(-128 - w->zero) * w->scale) < 1e-6f);
        assert_true(fabsf(y[2] - (float)(127 - w->zero) * w->scale) < 1e-6f);
        assert_true(fabsf(y[3] - 10 * w->scale) < 1e-6f);
    }
}

/* All zero, then a value; values that would need more bins than there is room for. */
static void odd_batches(void **state)
{
    static const float zeros[8], one[1] = {3}, huge[1] = {1e30f}, tiny[2] = {1e-6f, -1e-6f};
    struct histogram h = {0}, t = {0};
    struct arena *a = arena_new();
    (void)state;
    assert_int_equal(histogram_add(&h, 128, zeros, 8, a), 0);
    assert_true(histogram_entropy(&h, 128, a).hi == 0);
    assert_int_equal(histogram_add(&h, 128, one, 1, a), 0);
    assert_true(h.seen.hi == 3 && h.seen.lo == 0);
    assert_int_equal(histogram_add(&t, 128, tiny, 2, a), 0);
    assert_int_equal(histogram_add(&t, 128, huge, 1, a), ERR_LIMIT);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_onnx_runtimes),
        cmocka_unit_test(codes_in_a_range),
        cmocka_unit_test(odd_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
