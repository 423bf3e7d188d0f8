/* Weight encoders of an instruction set against the codec's own: the same bytes, for every row of encoders.def that
 * runs here, on ordinary and awkward weights, with and without importances. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/encoders.h"
#include "probe/probe.h"

enum { N = 24, K = 768 };

/* Row by row another kind: normal, heavy tails, one weight alone, equal weights, zeros, a grid, huge, tiny. */
static void draw_row(float *w, int kind, struct rng *r)
{
    for (int i = 0; i < K; i++) {
        double v = rng_normal(r);
        switch (kind % 8) {
        case 0:
            w[i] = (float)(0.02 * v);
            break;
        case 1:
            w[i] = (float)(0.02 * v * v * v);
            break;
        case 2:
            w[i] = i % 256 == 7 ? (float)v : 0;
            break;
        case 3:
            w[i] = i < K / 2 ? 0.125f : -0.125f;
            break;
        case 4:
            w[i] = i % 2 ? 0.0f : -0.0f;
            break;
        case 5:
            w[i] = (float)(0.0625 * rint(4 * v));
            break;
        case 6:
            w[i] = (float)(v * (i < K / 2 ? 1e37 : 1e6));
            break;
        default:
            w[i] = (float)(v * (i < K / 2 ? 1e-42 : 1e-9));
        }
    }
}

static uint64_t host_isa(void)
{
    static struct probe_device d;
    struct err e;
    assert_int_equal(probe_device(&d, "", &e), 0);
    return d.cpu.isa_mask;
}

static void compare(const struct encoder *row, const float *w, const struct calib *cal)
{
    struct qmat want, got;
    struct arena *a = arena_new();
    const struct codec *c = codec_find(row->codec);
    assert_non_null(c);
    assert_int_equal(c->layout(&want, N, K, NULL, NULL), 0);
    assert_int_equal(c->layout(&got, N, K, NULL, NULL), 0);
    assert_int_equal(qmat_alloc(&want, NULL), 0);
    assert_int_equal(qmat_alloc(&got, NULL), 0);
    assert_int_equal(c->encode(&want, 0, N, w, NULL, cal, a), 0);
    assert_int_equal(row->encode(&got, N / 2, N, w + N / 2 * K, NULL, cal, a), 0);
    assert_int_equal(row->encode(&got, 0, N / 2, w, NULL, cal, a), 0);
    for (int r = 0; r < N; r++)
        if (memcmp(want.plane[PLANE_CODE].p + (size_t)r * want.plane[PLANE_CODE].row_stride,
                   got.plane[PLANE_CODE].p + (size_t)r * got.plane[PLANE_CODE].row_stride,
                   got.plane[PLANE_CODE].row_stride))
            fail_msg("%s: row %d, weights of kind %d, importances %d", row->name, r, r % 8, cal != NULL);
    qmat_free(&want);
    qmat_free(&got);
    arena_free(a);
}

static void bytes_are_those_of_the_codec(void **state)
{
    static float w[N * K], importance[K];
    const struct calib cal = {.importance = importance};
    const uint64_t isa = host_isa();
    struct rng r;
    (void)state;
    rng_seed(&r, 11);
    for (int i = 0; i < N; i++)
        draw_row(w + (ptrdiff_t)i * K, i, &r);
    for (int i = 0; i < K; i++)
        importance[i] = i % 97 == 5 ? 0 : (float)exp(2 * rng_normal(&r));
    for (int i = 0; i < n_encoders; i++) {
        if (encoders[i].needs & ~isa)
            continue;
        compare(&encoders[i], w, NULL);
        compare(&encoders[i], w, &cal);
    }
}

static void the_best_row_is_found(void **state)
{
    (void)state;
    for (int i = 0; i < n_encoders; i++) {
        const struct codec *c = codec_find(encoders[i].codec);
        assert_ptr_equal(encoder_find(c, 0), c->encode);
        assert_ptr_equal(encoder_find(c, encoders[i].needs), encoders[i].encode);
    }
    assert_ptr_equal(encoder_find(codec_find("f32"), UINT64_MAX), codec_find("f32")->encode);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_the_codec),
        cmocka_unit_test(the_best_row_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
