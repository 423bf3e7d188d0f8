/* Grids of activations fixed beforehand, against those that onnxruntime 1.31.1 finds for the same chunks
 * (tests/equivalence/compare_static.py compares many more), and what rounding on them does. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "bench/quant/ranges.h"

enum { ROWS = 64, K = 96, N_CHUNKS = 5 };
static float chunk[N_CHUNKS][ROWS * K];
static float lo[N_CHUNKS * K], hi[N_CHUNKS * K];

/* Heavy tails, of different reach: cubes of sums of four 16-bit numbers. */
static void make_chunks(void)
{
    static const float reach[N_CHUNKS] = {1, 0.5f, 2, 4, 3};
    uint32_t state = 1;
    for (int c = 0; c < N_CHUNKS; c++)
        for (int i = 0; i < ROWS * K; i++) {
            int sum = 0;
            for (int j = 0; j < 4; j++) {
                state = state * 1664525u + 1013904223u;
                sum += (int)(state >> 16);
            }
            float v = (float)(sum - 131070) / 32768;
            chunk[c][i] = v * v * v * reach[c];
        }
}

static struct calib_input see(struct arena *a, const float *const x[], int n_chunks)
{
    struct calib_input in = {.k = K, .lo = lo, .hi = hi, .n_edges = n_chunks};
    for (int c = 0; c < n_chunks; c++) {
        assert_int_equal(histogram_add_values(&in.values, x[c], ROWS * K, a), 0);
        assert_int_equal(histogram_add_magnitudes(&in.magnitudes, x[c], ROWS * K, a), 0);
        for (int j = 0; j < K; j++) {
            lo[c * K + j] = hi[c * K + j] = x[c][j];
            for (int i = 1; i < ROWS; i++) {
                lo[c * K + j] = fminf(lo[c * K + j], x[c][i * K + j]);
                hi[c * K + j] = fmaxf(hi[c * K + j], x[c][i * K + j]);
            }
        }
    }
    return in;
}

static void grids_are_those_of_the_package(void **state)
{
    static const struct {
        const char *rule;
        float scale, zero;
    } want[] = {{"minmax", 0x1.2da308p+0f, 8}, {"percentile", 0x1.2d9ea4p+0f, 8}, {"entropy", 0x1.8d2eaap-1f, -1}};
    const float *x[N_CHUNKS];
    struct arena *a = arena_new();
    struct act_fixed f;
    (void)state;
    make_chunks();
    for (int c = 0; c < N_CHUNKS; c++)
        x[c] = chunk[c];
    struct calib_input in = see(a, x, N_CHUNKS);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(range_rule_find(want[i].rule)->fit(&f, &in, NULL, a, NULL), 0);
        if (f.scale != want[i].scale || f.zero != want[i].zero)
            fail_msg("%s: scale %a, zero point %d", want[i].rule, (double)f.scale, (int)f.zero);
    }
    assert_null(range_rule_find("mean"));
    arena_free(a);
}

static void a_range_always_holds_zero(void **state)
{
    (void)state;
    struct act_fixed f = act_fixed_grid(1, 51);
    assert_true(f.scale == 51.0f / 255 && f.zero == -128);
    f = act_fixed_grid(-51, -1);
    assert_true(f.scale == 51.0f / 255 && f.zero == 127);
    f = act_fixed_grid(0, 0); /* nothing ever flowed */
    assert_true(f.scale == 1 && f.zero == 0);
}

/* To the nearest code, ties to even; what lies beyond the grid becomes its end. Columns are divided before. */
static void values_are_rounded_on_the_grid(void **state)
{
    static const float x[] = {0, 0.25f, 0.75f, -0.25f, 0.3f, 1000, -1000}, column[] = {1, 2, 4, 1, 1, 2, 2};
    static const float plain[] = {0, 0, 1, 0, 0.5f, 58.5f, -69}, divided[] = {0, 0, 0, 0, 0.5f, 117, -138};
    float y[7];
    struct act_fixed f = {.scale = 0.5f, .zero = 10};
    const struct act *act = act_find("i8_fixed");
    (void)state;
    act->round_fixed(y, x, 7, &f);
    assert_memory_equal(y, plain, sizeof y);
    f.column = column;
    act->round_fixed(y, x, 7, &f);
    assert_memory_equal(y, divided, sizeof y);
}

/* Codes of a batch in two pieces stand for the same values, but for the factors of columns, which are the weights'. */
static void encoded_rows_stand_for_the_same_values(void **state)
{
    static const float x[3][4] = {{0, 0.25f, 0.75f, -0.25f}, {0.3f, 1e9f, -1e9f, 1000}, {-7, 3, 1e-20f, -0.3f}};
    static const float column[] = {1, 2, 4, 0.5f};
    float want[12], got[12];
    uint8_t encoded[64];
    struct act_fixed f = {.scale = 0.37f, .zero = -11, .column = column};
    const struct act *act = act_find("i8_fixed");
    (void)state;
    act->encode_fixed(encoded, x[2], 2, 3, 4, &f);
    act->encode_fixed(encoded, x[0], 0, 2, 4, &f);
    act->decode(got, encoded, 12);
    for (int i = 0; i < 3; i++)
        act->round_fixed(want + 4 * i, x[i], 4, &f);
    for (int i = 0; i < 12; i++)
        assert_true(got[i] * column[i % 4] == want[i]);
}

static void wild_chunks_are_refused(void **state)
{
    static float tiny[ROWS * K], huge[ROWS * K], zeros[ROWS * K], infinite[ROWS * K];
    const float *x[3] = {zeros, tiny, huge};
    struct arena *a = arena_new();
    struct act_fixed f;
    struct err e = {0};
    (void)state;
    for (int i = 0; i < ROWS * K; i++) {
        tiny[i] = (float)(i % 7) * 1e-6f;
        huge[i] = (float)(i % 11) * 1e6f;
        infinite[i] = i == 5 ? INFINITY : 1;
    }
    struct calib_input in = see(a, x, 3);
    assert_int_equal(range_rule_find("entropy")->fit(&f, &in, NULL, a, &e), ERR_DATA);
    assert_non_null(strstr(e.text, "take minmax"));
    assert_int_equal(range_rule_find("percentile")->fit(&f, &in, NULL, a, &e), ERR_DATA);
    assert_int_equal(range_rule_find("minmax")->fit(&f, &in, NULL, a, &e), 0);
    assert_true(f.scale == 1e7f / 255 && f.zero == -128);
    x[0] = infinite;
    in = see(a, x, 1);
    assert_int_equal(range_rule_find("entropy")->fit(&f, &in, NULL, a, &e), ERR_DATA);
    x[0] = zeros; /* the whole text: any grid will do */
    in = see(a, x, 1);
    assert_int_equal(range_rule_find("entropy")->fit(&f, &in, NULL, a, &e), 0);
    assert_int_equal(range_rule_find("percentile")->fit(&f, &in, NULL, a, &e), 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grids_are_those_of_the_package),
        cmocka_unit_test(a_range_always_holds_zero),
        cmocka_unit_test(values_are_rounded_on_the_grid),
        cmocka_unit_test(encoded_rows_stand_for_the_same_values),
        cmocka_unit_test(wild_chunks_are_refused),
    };
    return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
