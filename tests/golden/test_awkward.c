/* What the packages wrote for 13 awkward rows (all zero, constant, of one sign, an outlier, -0, ties, tiny weights), as
 * tests/equivalence recorded it (mlx 0.32.4, onnxruntime 1.31.1, nncf 3.4.0): the same bytes, by their hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/half.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/quant/recipe.h"

enum { ROWS = 13, COLS = 1024 };
#define FOLDER SOURCE_ROOT "/tests/golden/awkward/"

static float weights[ROWS * COLS];

static void encode(struct qmat *q, const struct recipe *r, int split)
{
    const struct codec *c = codec_find(r->codec);
    struct wstat stat = {0};
    struct arena *a = arena_new();
    struct err e = {0};
    if (c->layout(q, ROWS, COLS, &r->par, &e) || qmat_alloc(q, &e))
        fail_msg("%s: %s", r->name, e.text);
    if (c->measure)
        assert_int_equal(c->measure(&stat, q, weights, ROWS), 0);
    for (int r0 = 0; r0 < ROWS; r0 += split)
        assert_int_equal(c->encode(q, r0, r0 + split < ROWS ? r0 + split : ROWS, weights + r0 * COLS, &stat, NULL, a),
                         0);
    arena_free(a);
}

/* The planes one after the other. */
static void hash_of(const struct qmat *q, char hex[65])
{
    size_t at = 0;
    uint8_t *all = mem_alloc(qmat_bytes(q));
    for (int pl = 0; pl < N_PLANES; pl++)
        if (q->plane[pl].bytes) {
            memcpy(all + at, q->plane[pl].p, q->plane[pl].bytes);
            at += q->plane[pl].bytes;
        }
    sha256_hex(all, at, hex);
    mem_free(all);
}

static void check_line(const char *want, const char *name)
{
    struct recipe r;
    struct err e = {0};
    char hex[65];
    if (recipe_resolve(&r, name, &e))
        fail_msg("%s", e.text);
    for (int split = ROWS; split > 0; split -= ROWS - 3) { /* whole, and three rows at a time */
        struct qmat q;
        encode(&q, &r, split);
        hash_of(&q, hex);
        qmat_free(&q);
        if (strcmp(hex, want))
            fail_msg("%s in pieces of %d rows: other bytes than the package's", name, split);
    }
}

static void awkward_rows_are_the_packages(void **state)
{
    FILE *f = fopen(FOLDER "awkward.sha256", "r");
    char want[65], name[64];
    int n = 0;
    (void)state;
    assert_non_null(f);
    for (; fscanf(f, "%64s %63s", want, name) == 2; n++)
        check_line(want, name);
    fclose(f);
    assert_int_equal(n, 140);
}

int main(void)
{
    char *bytes;
    size_t n;
    struct err e = {0};
    if (file_read(FOLDER "awkward.f32", 1 << 20, &bytes, &n, &e) || n != sizeof weights) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    for (int i = 0; i < ROWS * COLS; i++)
        weights[i] = f32_from_bits(rd_u32le(bytes + 4 * i));
    mem_free(bytes);
    const struct CMUnitTest tests[] = {cmocka_unit_test(awkward_rows_are_the_packages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
