/* matrix/changes: what the detector finds against what the store knows: the gate's changes, their place, direction and
 * state, and runs that were pruned. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/temp.h"
#include "matrix/changes.h"

enum { NIGHTS = 60, AT = 40 };

static char folder[TEMP_PATH];
static struct store *store;

static int open_store(void **state)
{
    (void)state;
    struct err e = {0};
    char path[TEMP_PATH + 8];
    if (temp_dir(folder, "changes", &e) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/s.db", folder);
    if (store_open(&store, path, &e) != 0)
        return -1;
    for (int i = 0; i < NIGHTS; i++) {
        static struct foreign f;
        f = (struct foreign){.metric = "tok/s", .unit = "tok/s", .better = 1, .n = 1};
        struct foreign_run r = {.source = "x", .device = "box", .metric = &f, .n = 1};
        f.value[0] = (i < AT ? 100 : 92) + (i * 7 % 5) * 0.4;
        snprintf(r.date, sizeof r.date, "2026-%02d-%02dT00:00:00Z", 1 + i / 28, 1 + i % 28);
        memset(r.env_sha256, 'a', 64);
        memset(r.hw_sha256, 'b', 64);
        if (store_put_foreign(store, &r, &e) != 0)
            return -1;
    }
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    store_close(store);
    temp_remove(folder);
    return 0;
}

struct told {
    int n, index[8];
    bool is_new[8], found[8];
    struct change c[8];
    int n_points; /* of the series */
    struct point p[NIGHTS];
    char key[65];
};

static int tell(void *arg, const struct series_change *c)
{
    struct told *t = arg;
    assert_true(t->n < 8);
    t->index[t->n] = c->index;
    t->is_new[t->n] = c->is_new;
    t->found[t->n] = c->found != NULL;
    t->c[t->n++] = *c->known;
    return 0;
}

static int look(void *arg, const struct series *x)
{
    struct told *t = arg;
    t->n_points = x->n;
    memcpy(t->p, x->p, (size_t)x->n * sizeof *x->p);
    snprintf(t->key, sizeof t->key, "%s", x->key);
    return changes_each(store, x, NULL, false, NULL, tell, t, NULL);
}

static void ask(struct told *t, int64_t since)
{
    struct series_filter f = {.since = since};
    struct err e = {0};
    *t = (struct told){0};
    if (series_each(store, &f, look, t, &e) != 0)
        fail_msg("%s", e.text);
}

/* The points, without looking for changes. */
static int copy(void *arg, const struct series *x)
{
    struct told *t = arg;
    memcpy(t->p, x->p, (size_t)x->n * sizeof *x->p);
    snprintf(t->key, sizeof t->key, "%s", x->key);
    return 0;
}

static void put_of_gate(const struct told *t, int at, double before, double after)
{
    struct err e = {0};
    struct change c = {.run_before = t->p[at - 1].run,
                       .run_after = t->p[at].run,
                       .time = t->p[at].time,
                       .before = before,
                       .after = after,
                       .effect = after / before - 1,
                       .p = 0.001,
                       .found_by = "gate"};
    snprintf(c.series, sizeof c.series, "%s", t->key);
    snprintf(c.metric, sizeof c.metric, "tok/s");
    change_id(&c);
    if (store_put_change(store, &c, &e) != 0)
        fail_msg("%s", e.text);
}

static void the_gates_change_is_the_same_one(void **state)
{
    (void)state;
    static struct told t, u;
    assert_int_equal(series_each(store, NULL, copy, &u, NULL), 0);
    put_of_gate(&u, AT + 3, 100.8, 92.8); /* three nights later, when it was sure */
    ask(&t, 0);
    assert_int_equal(t.n, 1);
    assert_string_equal(t.c[0].found_by, "gate");
    assert_true(t.found[0] && !t.is_new[0] && t.index[0] == AT + 3);
}

static void too_far_or_the_other_way_is_another_one(void **state)
{
    (void)state;
    static struct told t, u;
    assert_int_equal(series_each(store, NULL, copy, &u, NULL), 0);
    put_of_gate(&u, AT + 4, 100.8, 92.8);
    put_of_gate(&u, AT - 1, 92.8, 100.8);
    ask(&t, 0);
    assert_int_equal(t.n, 3);
    assert_true(t.index[0] == AT - 1 && t.index[1] == AT && t.index[2] == AT + 4); /* in order of time */
    assert_true(t.is_new[1] && t.found[1] && !t.is_new[0] && !t.found[0] && !t.found[2]);
    assert_string_equal(t.c[1].found_by, "history");
    assert_true(t.c[1].run_before == t.p[AT - 1].run && t.c[1].run_after == t.p[AT].run);
    ask(&u, 0);
    assert_int_equal(u.n, 3);
    assert_true(!u.is_new[1] && strcmp(u.c[1].id, t.c[1].id) == 0);
}

static void states_stay_and_noise_stays_noise(void **state)
{
    (void)state;
    static struct told t;
    ask(&t, 0);
    assert_true(t.n == 1 && t.is_new[0] && t.c[0].state == CHANGE_NEW);
    assert_int_equal(store_set_change(store, t.c[0].id, CHANGE_NOISE, "a fan", NULL, NULL), 0);
    ask(&t, 0);
    assert_true(t.n == 1 && !t.is_new[0] && t.c[0].state == CHANGE_NOISE);
    assert_string_equal(t.c[0].note, "a fan");
}

/* Only runs behind the change are there: it is listed still, its place is before all, nothing is found again. */
static void runs_that_are_gone(void **state)
{
    (void)state;
    static struct told all, late;
    ask(&all, 0);
    ask(&late, all.p[AT + 5].time);
    assert_int_equal(late.n_points, NIGHTS - AT - 5);
    assert_true(late.n == 1 && late.index[0] == -1 && !late.found[0] && !late.is_new[0]);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {with_store(the_gates_change_is_the_same_one),
                                       with_store(too_far_or_the_other_way_is_another_one),
                                       with_store(states_stay_and_noise_stays_noise), with_store(runs_that_are_gone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
