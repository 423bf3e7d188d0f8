/* bench/shapes: every number against the catalogue of published configurations, and the count of weights that
 * the engine makes of it against the published one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/measure.h"
#include "tests/test_data.h"

enum { N_COLUMNS = 32 };

/* Cells of a CSV row without quotes, in place. */
static int cells(char *line, char **cell)
{
    int n = 0;
    for (char *p = line; p && n < N_COLUMNS; n++) {
        cell[n] = p;
        p = strchr(p, ',');
        if (p)
            *p++ = 0;
    }
    return n;
}

static void expect(const char *id, const char *what, double got, const char *published)
{
    if (fabs(got - atof(published)) > 5e-7 * fabs(got))
        fail_msg("%s: %s is %.9g here and %s in the catalogue", id, what, got, published);
}

static void check(const struct shape *s, char **cell)
{
    const struct model_desc *d = &s->d;
    assert_string_equal(d->arch->name, cell[3]);
    expect(s->id, "n_layer", d->n_layer, cell[6]);
    expect(s->id, "d_model", d->d_model, cell[7]);
    expect(s->id, "n_head", d->n_head, cell[8]);
    expect(s->id, "n_head_kv", d->n_head_kv, cell[9]);
    expect(s->id, "head_dim", d->head_dim, cell[10]);
    expect(s->id, "d_ff", d->d_ff, cell[11]);
    expect(s->id, "n_vocab", d->n_vocab, cell[15]);
    expect(s->id, "tied", d->tied, cell[16]);
    expect(s->id, "qkv_bias", d->arch->qkv_bias, cell[17]);
    expect(s->id, "sliding_window", d->sliding_window, cell[18]);
    expect(s->id, "context", d->n_ctx_train, cell[20]);
    assert_true(fabs(d->attn_scale * d->attn_scale * d->head_dim - 1) < 1e-12);
    struct model *m;
    struct err e = {0};
    if (model_from_shape(&m, d, &e) < 0)
        fail_msg("%s: %s", s->id, e.text);
    if (fabs((double)m->d.n_params / 1e9 - atof(cell[4])) > 0.51e-6)
        fail_msg("%s: %.6f billion weights here and %s in the catalogue", s->id, (double)m->d.n_params / 1e9, cell[4]);
    model_close(m);
}

static void shapes_are_the_published_ones(void **state)
{
    (void)state;
    char *text, *cell[N_COLUMNS];
    struct err e = {0};
    int seen = 0;
    if (file_read(test_data("models.csv"), 1 << 20, &text, NULL, &e) < 0)
        fail_msg("%s", e.text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        int n = cells(line, cell);
        const struct shape *s = n > 20 ? shape_find(cell[0]) : NULL;
        if (s) {
            check(s, cell);
            seen++;
        }
    }
    assert_int_equal(seen, n_shapes);
    mem_free(text);
}

static void unknown_shapes_are_not_found(void **state)
{
    (void)state;
    assert_null(shape_find("gpt-5"));
    for (int i = 0; i < n_shapes; i++)
        assert_ptr_equal(shape_find(shapes[i].id), &shapes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_the_published_ones),
        cmocka_unit_test(unknown_shapes_are_not_found),
    };
    if (!test_data_there("models.csv"))
        return TEST_SKIPPED;
    return cmocka_run_group_tests_name("shapes", tests, NULL, NULL);
}
