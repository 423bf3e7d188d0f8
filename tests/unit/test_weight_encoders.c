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
#include "kernels/formats/grid.h"
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

static int square_distance(const struct grid_points *g, int point, const float *at)
{
    int d = 0;
    for (int i = 0; i < g->dim; i++)
        d += (int)((g->point[point * g->dim + i] - at[i]) * (g->point[point * g->dim + i] - at[i]));
    return d;
}

/* The kept points of one node beside those that a search of all would find: nearest first, then by number. */
static void check_node(const struct grid_points *g, int node)
{
    enum { ALL = 1 << 16 };
    const uint16_t *near = g->near + node * GRID_NEAR, *code = g->near_code + node * GRID_NEAR;
    float at[8] = {0};
    int bits = 16 / g->dim, key[GRID_NEAR];
    for (int i = 0, rest = node; i < g->dim; i++, rest /= g->n_levels)
        at[i] = g->level[rest % g->n_levels];
    for (int c = 0; c < GRID_NEAR; c++) {
        int point = near[c] & ~GRID_KEPT, coded = near[0] & GRID_KEPT ? near[0] & ~GRID_KEPT : point;
        key[c] = square_distance(g, point, at) * ALL + point;
        assert_true(c == 0 || key[c - 1] < key[c]);
        for (int i = 0; i < g->dim; i++)
            assert_true(g->level[code[c] >> bits * i & ((1 << bits) - 1)] == g->point[coded * g->dim + i]);
    }
    int n_nearer = 0;
    for (int p = 0; p < g->n_points; p++)
        n_nearer += square_distance(g, p, at) * ALL + p < key[GRID_NEAR - 1];
    assert_int_equal(n_nearer, GRID_NEAR - 1);
    assert_int_equal(near[0] & GRID_KEPT, key[0] < ALL ? GRID_KEPT : 0);
    if (near[0] & GRID_KEPT)
        assert_int_equal(g->index[node], near[0] & ~GRID_KEPT);
}

static void points_near_a_node_are_the_nearest(void **state)
{
    (void)state;
    for (int id = 0; id < N_GRIDS; id++) {
        const struct grid_points *g = grid_get((enum grid_id)id, true);
        for (int node = id; node < g->n_nodes; node += 7)
            check_node(g, node);
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
        cmocka_unit_test(points_near_a_node_are_the_nearest),
        cmocka_unit_test(the_best_row_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
