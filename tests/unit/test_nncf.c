/* bench/quant/nncf.c and the metrics of recipe_openvino.c, on a small model: AWQ without data against the codec over
 * weights scaled here, scale estimation against plain rounding, layers under a ratio against figures set by hand. What
 * NNCF itself makes of a whole model: tests/equivalence/compare_nncf.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rng.h"
#include "bench/quant/recipe.h"
#include "tests/test_data.h"

static struct model *m;

static int open_model(void **state)
{
    struct err e = {0};
    (void)state;
    return model_open(&m, SOURCE_ROOT "/tests/golden/arch/llama.gguf", &e);
}

static int close_model(void **state)
{
    (void)state;
    model_close(m);
    return 0;
}

static struct calibration *collect(unsigned want)
{
    struct calibration *c = NULL;
    struct weights *w = NULL;
    struct err e = {0};
    int32_t ids[512];
    struct rng r;
    rng_seed(&r, 4);
    for (int i = 0; i < 512; i++)
        ids[i] = 3 + (int32_t)rng_below(&r, 93);
    const struct calib_text text = {.tokens = ids, .n_tokens = 512, .n_ctx = 64, .bos = -1};
    assert_int_equal(weights_source(&w, m, false, &e), 0);
    assert_int_equal(calibration_collect(&c, w, want, &text, 0, NULL, &e), 0);
    weights_free(w);
    return c;
}

/* Rows of 32 and 48 take no groups of 128: one scale per row instead. */
static struct weights *encode(const char *base, const char *algorithm, const struct calibration *c)
{
    struct recipe r = *recipe_find(base);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct recipe_known known = {true, c};
    struct weights *w = NULL;
    struct err e = {0};
    r.algorithm = algorithm;
    if (recipe_assign(&m->d, &r, NULL, &known, a, &e) || weights_encode(&w, m, a, c, 0, NULL, &e))
        fail_msg("%s", e.text);
    mem_free(a);
    return w;
}

static int tensor_at(int layer, enum tensor_use use)
{
    for (int i = 0; i < m->d.n_tensors; i++)
        if (m->d.tensor[i].layer == layer && m->d.tensor[i].use == use)
            return i;
    fail();
    return -1;
}

static float *floats(const struct qmat *q)
{
    float *w = mem_alloc_n((size_t)(q->n * q->k), sizeof *w);
    q->codec->decode(w, q, 0, q->n);
    return w;
}

static void same_bytes_as_rounding(const struct qmat *q, const float *w, const char *what)
{
    struct qmat want;
    struct err e = {0};
    struct arena *a = arena_new();
    assert_int_equal(q->codec->layout(&want, q->n, q->k, &q->seg->q, &e), 0);
    assert_int_equal(qmat_alloc(&want, &e), 0);
    assert_int_equal(q->codec->encode(&want, 0, q->n, w, NULL, NULL, a), 0);
    for (int i = 0; i < N_PLANES; i++)
        if (q->plane[i].bytes && memcmp(q->plane[i].p, want.plane[i].p, q->plane[i].bytes))
            fail_msg("%s: plane %d differs", what, i);
    qmat_free(&want);
    arena_free(a);
}

static void awq_without_data_scales_by_columns(void **state)
{
    static const char *const recipes_of[] = {"openvino/int4-sym-channel", "openvino/int4-asym-channel"};
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct weights *w = encode(recipes_of[v], "nncf_awq", NULL);
        for (int layer = 0; layer < m->d.n_layer; layer++) {
            int i_up = tensor_at(layer, USE_FFN_UP), i_down = tensor_at(layer, USE_FFN_DOWN);
            const struct qmat *up = &m->d.tensor[i_up].src, *down = &m->d.tensor[i_down].src;
            float *x = floats(up), *y = floats(down);
            for (int64_t k = 0; k < down->k; k++) {
                float sum = 0;
                for (int64_t r = 0; r < down->n; r++)
                    sum += fabsf(y[r * down->k + k]);
                float scale = 1 / (sum / (float)down->n);
                for (int64_t r = 0; r < down->n; r++)
                    y[r * down->k + k] *= scale;
                for (int64_t i = 0; i < up->k; i++)
                    x[k * up->k + i] *= 1 / scale;
            }
            same_bytes_as_rounding(&w->mat[i_up], x, "up");
            same_bytes_as_rounding(&w->mat[i_down], y, "down");
            mem_free(x);
            mem_free(y);
        }
        weights_free(w);
    }
}

/* Of what NNCF looks at: the outputs for the mean input of each chunk. */
static double sample_error(const struct weights *w, const struct calibration *c, int i)
{
    const struct qmat *src = &m->d.tensor[i].src;
    const struct calib *s = c->tensor[i];
    float *x = floats(src), *y = floats(&w->mat[i]);
    double all = 0;
    for (int64_t r = 0; r < src->n; r++)
        for (int j = 0; j < s->n_samples; j++) {
            double sum = 0;
            for (int64_t k = 0; k < src->k; k++)
                sum += ((double)x[r * src->k + k] - (double)y[r * src->k + k]) * (double)s->sample[j * src->k + k];
            all += sum * sum;
        }
    mem_free(x);
    mem_free(y);
    return all;
}

static void estimated_scales_are_better(void **state)
{
    static const char *const recipes_of[] = {"openvino/int4-sym-channel", "openvino/int4-asym-channel"};
    struct calibration *c = collect(CALIB_SAMPLES);
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct weights *plain = encode(recipes_of[v], NULL, c), *better = encode(recipes_of[v], "nncf_scale", c);
        for (int i = 0; i < m->d.n_tensors; i++) {
            if (!m->d.tensor[i].matrix || m->d.tensor[i].layer < 0)
                continue;
            double before = sample_error(plain, c, i), after = sample_error(better, c, i);
            if (!(after < 0.8 * before))
                fail_msg("%s: %g, then %g", m->d.tensor[i].name, before, after);
        }
        weights_free(plain);
        weights_free(better);
    }
    calibration_free(c);
}

static void samples_agree_with_the_squares(void **state)
{
    struct calibration *c = collect(CALIB_SAMPLES | CALIB_SQUARES);
    (void)state;
    for (int i = 0; i < c->n_inputs; i++) {
        const struct calib_input *in = &c->input[i];
        double power = 0, mean = 0;
        if (!in->n_rows)
            continue;
        for (int64_t j = 0; j < in->k; j++)
            power += (double)in->stat.importance[j] / (double)in->k;
        assert_int_equal(in->stat.n_samples, 8);
        for (int64_t j = 0; j < 8 * in->k; j++)
            mean += (double)in->sample[j] * (double)in->sample[j] / (double)(8 * in->k);
        assert_true(fabs(in->spread.power - power) < 1e-6 * power);
        assert_true(fabs(in->spread.mean_variance + mean - power) < 1e-5 * power); /* chunks are equally long */
        assert_true(in->spread.max_variance > in->spread.mean_variance && in->spread.magnitude > sqrt(power));
    }
    calibration_free(c);
}

/* A ratio just below 1 leaves out one matrix: that with the highest score. */
static void the_highest_score_gets_the_backup(void **state)
{
    static const char *const metrics[] = {"max-variance", "mean-variance", "magnitude", "hessian"};
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct err e = {0};
    (void)state;
    for (int v = 0; v < 4; v++) {
        char name[80];
        struct recipe r;
        struct calibration *c = collect(CALIB_SAMPLES);
        int chosen = tensor_at(1, USE_ATTN_OUT);
        snprintf(name, sizeof name, "openvino/int4-sym-channel@ratio=0.999,metric=%s", metrics[v]);
        for (int i = 0; i < c->n_inputs; i++) {
            double *figure[] = {&c->input[i].spread.max_variance, &c->input[i].spread.mean_variance,
                                &c->input[i].spread.magnitude, &c->input[i].spread.power};
            *figure[v] = i == c->input_of[chosen] ? 1e12 : 1;
        }
        assert_int_equal(recipe_resolve(&r, name, &e), 0);
        assert_int_equal(recipe_assign(&m->d, &r, NULL, &(struct recipe_known){true, c}, a, &e), 0);
        for (int i = 0; i < m->d.n_tensors; i++)
            if (m->d.tensor[i].matrix && m->d.tensor[i].layer >= 0)
                assert_int_equal(a[i].par.bits, i == chosen ? 8 : 4);
        calibration_free(c);
    }
    mem_free(a);
}

static void what_is_missing_is_named(void **state)
{
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct calibration *squares = collect(CALIB_SQUARES);
    const struct recipe *r = recipe_find("openvino/int4-sym-g128-r80-hessian");
    struct err e = {0};
    (void)state;
    assert_int_equal(recipe_assign(&m->d, r, NULL, NULL, a, &e), ERR_MISSING);
    assert_non_null(strstr(e.text, "--calibration"));
    assert_int_equal(recipe_assign(&m->d, r, NULL, &(struct recipe_known){true, squares}, a, &e), ERR_MISSING);
    assert_non_null(strstr(e.text, "importance matrix"));
    assert_int_equal(recipe_assign(&m->d, recipe_find("openvino/int4-sym-g128-awq"), NULL, NULL, a, &e), 0);
    struct recipe bad;
    assert_int_equal(recipe_resolve(&bad, "openvino/int4-sym-g128@metric=size", &e), ERR_USAGE);
    calibration_free(squares);
    mem_free(a);
    close_model(NULL);
    assert_int_equal(model_open(&m, SOURCE_ROOT "/tests/golden/arch/phi3.gguf", &e), 0);
    a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    assert_int_equal(recipe_assign(&m->d, recipe_find("openvino/int4-sym-g128-awq"), NULL, NULL, a, &e),
                     ERR_UNSUPPORTED);
    mem_free(a);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The input of a down matrix, alone in its group: columns multiplied by (largest |x|)^0.95 / (largest |w|)^0.05 between
 * the first decile and 100; inputs on the grid of the mean range; decoded weights within half a step of the model's. */
static void smoothed_columns_and_grids(void **state)
{
    enum { MOST = 64 };
    struct calibration *c = collect(CALIB_EDGES);
    struct weights *w = encode("openvino/int8-ptq", "smooth", c);
    int at = 0;
    (void)state;
    while (m->d.tensor[at].use != USE_FFN_DOWN)
        at++;
    const struct qmat *src = &m->d.tensor[at].src, *q = &w->mat[at];
    const struct calib_input *in = &c->input[c->input_of[at]];
    const float *column = (const float *)(const void *)q->plane[PLANE_COLUMN].p;
    float want[MOST], sorted[MOST], x[MOST * MOST], y[MOST * MOST];
    double lo = 0, hi = 0;
    assert_true(src->k <= MOST && src->n <= MOST && in->n_edges == 8);
    src->codec->decode(x, src, 0, src->n);
    q->codec->decode(y, q, 0, q->n);
    for (int64_t j = 0; j < q->k; j++) {
        float peak = 0, most = 0;
        for (int i = 0; i < in->n_edges; i++)
            peak = fmaxf(peak, fmaxf(-in->lo[i * q->k + j], in->hi[i * q->k + j]));
        for (int64_t r = 0; r < q->n; r++)
            most = fmaxf(most, fabsf(x[r * q->k + j]));
        want[j] = sorted[j] = (float)(pow((double)peak, 0.95) / pow((double)most, 0.05));
    }
    qsort(sorted, (size_t)q->k, sizeof *sorted, by_value);
    double place = 0.1 * (double)(q->k - 1), part = place - floor(place), below = (double)sorted[(int)place];
    double least = below + part * ((double)sorted[(int)place + 1] - below);
    for (int64_t j = 0; j < q->k; j++)
        assert_true(fabs((double)column[j] / fmax((double)want[j], least) - 1) < 1e-5);
    for (int i = 0; i < in->n_edges; i++) {
        float a = INFINITY, b = -INFINITY; /* in f32: gcc 12 for aarch64 breaks off on the same in f64 */
        for (int64_t j = 0; j < q->k; j++) {
            a = fminf(a, in->lo[i * q->k + j] / column[j]);
            b = fmaxf(b, in->hi[i * q->k + j] / column[j]);
        }
        lo += (double)a / in->n_edges;
        hi += (double)b / in->n_edges;
    }
    const struct act_fixed *f = &w->fixed[at];
    assert_ptr_equal(f->column, column);
    assert_true(fabs((double)f->zero + 128 - rint(255 * -lo / (hi - lo))) < 1);
    assert_true((double)f->scale >= (hi - lo) / 255 * 0.99999 && (double)f->scale < (hi - lo) / 255 * 1.02);
    for (int64_t i = 0; i < q->n * q->k; i++) {
        float scale;
        memcpy(&scale, q->plane[PLANE_SCALE].p + (size_t)(i / q->k) * q->plane[PLANE_SCALE].row_stride, sizeof scale);
        assert_true(fabsf(x[i] - y[i]) <= 0.501f * scale / column[i % q->k]);
    }
    weights_free(w);
    calibration_free(c);
}

/* A fixed grid needs a text, also where statistics of another kind are there. */
static void no_grid_without_a_text(void **state)
{
    struct calibration *c = collect(CALIB_SQUARES);
    struct recipe_known known = {true, c};
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        const char *name = i ? "onnx/int8-static-entropy" : "openvino/int8-ptq";
        assert_int_equal(recipe_assign(&m->d, recipe_find(name), NULL, i ? NULL : &known, a, &e), ERR_MISSING);
        assert_non_null(strstr(e.text, "--calibration"));
    }
    mem_free(a);
    calibration_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(awq_without_data_scales_by_columns, open_model, close_model),
        cmocka_unit_test_setup_teardown(estimated_scales_are_better, open_model, close_model),
        cmocka_unit_test_setup_teardown(samples_agree_with_the_squares, open_model, close_model),
        cmocka_unit_test_setup_teardown(the_highest_score_gets_the_backup, open_model, close_model),
        cmocka_unit_test_setup_teardown(what_is_missing_is_named, open_model, close_model),
        cmocka_unit_test_setup_teardown(smoothed_columns_and_grids, open_model, close_model),
        cmocka_unit_test_setup_teardown(no_grid_without_a_text, open_model, close_model),
    };
    return cmocka_run_group_tests_name("nncf", tests, NULL, NULL);
}
