/* The data of the dashboard: intervals against published order statistics, nights, levels, noise in closed form, what
 * is open, the comparison with a release; out of a store: changes found, kept, answered. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/stats.h"
#include "matrix/dashboard.h"

enum { DAY = 86400, MOST = 400 };
static struct point room[MOST];

static struct series series_named(const char *model, const char *env, int better)
{
    struct series s = {.better = better, .p = room};
    snprintf(s.model, sizeof s.model, "%s", model);
    snprintf(s.cell_key, sizeof s.cell_key, "%s", model);
    snprintf(s.env_sha256, sizeof s.env_sha256, "%s", env);
    snprintf(s.hw_sha256, sizeof s.hw_sha256, "hw");
    snprintf(s.metric, sizeof s.metric, "decode_tok_s");
    snprintf(s.key, sizeof s.key, "%s %s", model, env);
    return s;
}

/* A run a night from `first` on, of commit c<night>. */
static void put(struct series *s, int first, const double *value, int n)
{
    for (int i = 0; i < n; i++) {
        room[s->n] = (struct point){.run = first + i + 1, .time = (first + i) * (int64_t)DAY + 3600, .value = value[i]};
        snprintf(room[s->n].commit, sizeof room[s->n].commit, "c%d-", first + i);
        s->n++;
    }
}

static void add(struct dashboard *d, const struct series *s)
{
    struct err e = {0};
    if (dashboard_add(d, s, NULL, &e) < 0)
        fail_msg("%s", e.text);
}

static void finish(struct dashboard *d, const struct dashboard_options *o)
{
    struct err e = {0};
    if (dashboard_finish(d, o, &e) < 0)
        fail_msg("%s", e.text);
}

static void change(struct dashboard *d, const struct series *s, int night, double before, double after,
                   enum change_state state)
{
    struct change c = {.run_before = night,
                       .run_after = night + 1,
                       .time = night * (int64_t)DAY + 3600,
                       .before = before,
                       .after = after,
                       .effect = after / before - 1,
                       .p = 0.001,
                       .state = state};
    struct err e = {0};
    char line[17];
    snprintf(c.id, sizeof c.id, "%016x", night);
    dashboard_line_key(line, s);
    assert_int_equal(dashboard_add_change(d, line, &c, &e), 0);
}

/* Ranks of the interval of a median at 95 %: the usual table of order statistics (Conover 1999, A3; n = 30: 10, 21). */
static void test_interval(void **state)
{
    (void)state;
    static const struct {
        int n, lo, hi;
    } table[] = {{2, 1, 2},    {5, 1, 5},    {6, 1, 6},    {8, 1, 8},    {9, 2, 8},   {10, 2, 9},
                 {11, 2, 10},  {12, 3, 10},  {15, 4, 12},  {17, 5, 13},  {20, 6, 15}, {25, 8, 18},
                 {30, 10, 21}, {40, 14, 27}, {50, 18, 33}, {100, 40, 61}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        double x[100], lo, hi;
        for (int k = 0; k < table[i].n; k++)
            x[k] = table[i].n - k;
        dashboard_interval(x, table[i].n, &lo, &hi);
        assert_true(lo == table[i].lo && hi == table[i].hi);
    }
    double one = 3, lo, hi;
    dashboard_interval(&one, 1, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
    dashboard_interval(&one, 0, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
}

static void test_nights(void **state)
{
    (void)state;
    struct dashboard d = {0};
    double v[20];
    for (int i = 0; i < 20; i++)
        v[i] = i == 3 ? NAN : i == 4 ? INFINITY : 10 + i % 2;
    struct series a = series_named("a", "env", 1);
    put(&a, 100, v, 8);
    put(&a, 110, v + 8, 2);
    add(&d, &a);
    struct series b = series_named("b", "env", 1);
    put(&b, 102, v + 8, 9);
    add(&d, &b);
    finish(&d, NULL);
    assert_int_equal(d.n, 2);
    assert_int_equal(d.line[0].n, 8); /* what is no number is no run */
    assert_int_equal(d.n_nights, 12);
    assert_int_equal(d.night[0], 100);
    assert_int_equal(d.night[11], 111);
    assert_int_equal(d.cadence, 1);
    assert_int_equal(d.n_missing, 0);
    assert_int_equal(d.n_late, 1);
    assert_int_equal(d.line[1].n_late, 1); /* runs at 102..110; of the other also at 111 */
    assert_int_equal(d.n_points, 17);
    assert_int_equal(d.n_builds, 12);
    dashboard_free(&d);
    struct series w = series_named("weekly", "env", 1);
    for (int i = 0; i < 10; i++)
        if (i != 4 && i != 5)
            put(&w, 100 + 7 * i, v + 8, 1);
    add(&d, &w);
    finish(&d, NULL);
    assert_int_equal(d.cadence, 7);
    assert_int_equal(d.n_missing, 2);
    assert_int_equal(d.missing[0], 128);
    assert_int_equal(d.missing[1], 135);
    dashboard_free(&d);
    finish(&d, NULL); /* nothing at all */
    assert_int_equal(d.n + d.n_nights + d.n_missing + d.cadence, 0);
    dashboard_free(&d);
}

/* 20 nights of 100 and 101 in turn, then 20 of 90 and 90.9: every run lies half a per cent from its level's median. */
static void two_levels(struct series *s, double high, double low)
{
    double v[40];
    for (int i = 0; i < 40; i++)
        v[i] = (i < 20 ? high : low) * (1 + i % 2 * 0.01);
    put(s, 0, v, 40);
}

static void test_open(void **state)
{
    (void)state;
    struct dashboard d = {0};
    struct series slower = series_named("slower", "env", 1), longer = series_named("longer", "env", -1),
                  accepted = series_named("accepted", "env", 1), faster = series_named("faster", "env", 1);
    two_levels(&slower, 100, 90);
    add(&d, &slower);
    change(&d, &slower, 20, 100.5, 90.45, CHANGE_NEW);
    two_levels(&longer, 90, 100);
    add(&d, &longer);
    change(&d, &longer, 20, 90.45, 100.5, CHANGE_ACKNOWLEDGED);
    two_levels(&accepted, 100, 90);
    add(&d, &accepted);
    change(&d, &accepted, 20, 100.5, 90.45, CHANGE_ACCEPTED);
    two_levels(&faster, 90, 100);
    add(&d, &faster);
    change(&d, &faster, 20, 90.45, 100.5, CHANGE_NEW);
    finish(&d, NULL);
    assert_int_equal(d.n_worse, 2);
    assert_int_equal(d.n_better, 1);
    assert_string_equal(d.line[0].id.model, "longer"); /* + 11.1 %, the other - 10 % */
    assert_string_equal(d.line[1].id.model, "slower");
    assert_true(fabs(d.line[0].worst - (100.5 / 90.45 - 1)) < 1e-12 && d.line[0].change[0].worse);
    assert_int_equal(d.line[2].worst_change, -1);
    assert_true(d.line[2].worst == 0 && d.line[2].change[0].worse && !d.line[2].change[0].open);
    assert_true(!d.line[3].change[0].worse && d.line[3].change[0].open);
    for (int i = 0; i < 4; i++) /* |value / median - 1| is 0.5/100.5 everywhere */
        assert_true(fabs(d.line[i].noise - 1.4826 * 0.5 / 100.5) < 1e-12);
    dashboard_free(&d);
}

/* Down and back up: gone again, though nobody said so; noise is no level; found twice is one. */
static void test_gone_again(void **state)
{
    (void)state;
    struct dashboard d = {0};
    double v[60];
    for (int i = 0; i < 60; i++)
        v[i] = i < 20 || i >= 40 ? 100 : 90;
    struct series s = series_named("back", "env", 1);
    put(&s, 0, v, 60);
    add(&d, &s);
    change(&d, &s, 40, 90, 100, CHANGE_NEW);
    change(&d, &s, 20, 100, 90, CHANGE_NEW);
    change(&d, &s, 22, 100, 90, CHANGE_ACKNOWLEDGED);
    change(&d, &s, 10, 100, 101, CHANGE_NOISE);
    finish(&d, NULL);
    const struct dashboard_line *l = &d.line[0];
    assert_int_equal(l->n_changes, 3);
    assert_int_equal(l->change[0].index, 10);
    assert_int_equal(l->change[1].index, 22); /* the answered one of the two */
    assert_int_equal(l->change[1].c.state, CHANGE_ACKNOWLEDGED);
    assert_false(l->change[1].open);
    assert_int_equal(d.n_worse, 0);
    dashboard_free(&d);
}

static void test_environments(void **state)
{
    (void)state;
    struct dashboard d = {0};
    double v[30];
    for (int i = 0; i < 30; i++)
        v[i] = 100;
    struct series old = series_named("x", "env 1", 1);
    put(&old, 0, v, 30);
    add(&d, &old);
    struct series new = series_named("x", "env 2", 1);
    for (int i = 0; i < 30; i++)
        v[i] = 50;
    put(&new, 30, v, 30);
    new.failed_time = 90 * (int64_t)DAY;
    add(&d, &new);
    struct series other = series_named("x", "env 1", 1); /* another machine */
    snprintf(other.hw_sha256, sizeof other.hw_sha256, "other");
    put(&other, 0, v, 30);
    add(&d, &other);
    struct dashboard_options o = {.release = "1970-01-21"};
    finish(&d, &o);
    assert_int_equal(d.n, 2);
    assert_int_equal(d.n_envs, 2);
    assert_int_equal(d.line[0].n, 60);
    assert_true(d.line[0].p[29].env == 0 && d.line[0].p[30].env == 1);
    assert_string_equal(d.line[0].id.env_sha256, "env 2");
    assert_true(d.line[0].noise == 0 && d.n_worse == 0); /* nothing is compared across fingerprints */
    assert_int_equal(d.line[0].release.outcome, RELEASE_OTHER_ENVIRONMENT);
    assert_true(isnan(d.line[0].release.effect));
    assert_int_equal(d.line[1].release.outcome, RELEASE_COMPARED);
    assert_int_equal(d.n_failed, 1);
    assert_true(d.line[0].failed == 90 * (int64_t)DAY && d.line[1].failed == 0);
    dashboard_free(&d);
}

static void test_release(void **state)
{
    (void)state;
    struct dashboard d = {0};
    struct series s = series_named("s", "env", 1);
    two_levels(&s, 100, 90);
    add(&d, &s);
    change(&d, &s, 20, 100.5, 90.45, CHANGE_NEW);
    finish(&d, &(struct dashboard_options){.release = "c14-"}); /* its night belongs to what was before */
    assert_int_equal(d.release_time, 14 * DAY + 3601);
    assert_int_equal(d.line[0].release.outcome, RELEASE_COMPARED);
    assert_true(d.line[0].release.n_before == 10 && d.line[0].release.n_after == 10 &&
                d.line[0].release.n_changes == 1);
    assert_true(fabs(d.line[0].release.effect + 0.1) < 1e-12);
    assert_true(fabs(d.line[0].release.p - 2.0 / 184756) < 0.01); /* no overlap of 10 and 10 */
    dashboard_free(&d);
    add(&d, &s);
    change(&d, &s, 20, 100.5, 90.45, CHANGE_NEW);
    finish(&d, &(struct dashboard_options){.release = "1970-01-24"}); /* three nights after the change */
    assert_true(d.line[0].release.n_before == 3 && d.line[0].release.n_changes == 0);
    assert_true(fabs(d.line[0].release.effect) < 0.01);
    dashboard_free(&d);
    add(&d, &s);
    finish(&d, &(struct dashboard_options){.release = "1999-01-01"});
    assert_int_equal(d.line[0].release.outcome, RELEASE_NO_RUN_SINCE);
    dashboard_free(&d);
    add(&d, &s);
    finish(&d, &(struct dashboard_options){.release = "1970-01-21", .since = 25 * DAY});
    assert_int_equal(d.line[0].release.outcome, RELEASE_NO_RUN_BEFORE);
    assert_int_equal(d.line[0].n, 15);
    dashboard_free(&d);
    struct err e = {0};
    add(&d, &s);
    assert_int_equal(dashboard_finish(&d, &(struct dashboard_options){.release = "c9999"}, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "c9999"));
    dashboard_free(&d);
    add(&d, &s);
    assert_int_equal(dashboard_finish(&d, &(struct dashboard_options){.release = "c1"}, &e), ERR_USAGE);
    dashboard_free(&d);
}

/* --- out of a store --- */
static void put_nights(struct store *s, int n)
{
    struct err e = {0};
    for (int i = 0; i < n; i++) {
        double level = (i < 25 ? 100 : 92) * (1 + (i * 7 % 5 - 2) * 0.002);
        struct foreign m = {.metric = "requests_s",
                            .unit = "1/s",
                            .better = 1,
                            .n = 5,
                            .value = {level * 0.99, level * 1.02, level, level * 0.995, level * 1.01}};
        struct foreign_run f = {.source = "server", .metric = &m, .n = 1, .device = "lab", .env_sha256 = "env"};
        snprintf(f.date, sizeof f.date, "2026-%02d-%02dT03:00:00Z", 1 + i / 28, 1 + i % 28);
        snprintf(f.commit, sizeof f.commit, "commit%02d", i);
        if (store_put_foreign(s, &f, &e) < 0)
            fail_msg("%s", e.text);
    }
}

static struct dashboard load(struct store *s, int64_t since)
{
    struct dashboard d;
    struct err e = {0};
    if (dashboard_load(&d, s, &(struct dashboard_options){.since = since}, &e) < 0)
        fail_msg("%s", e.text);
    return d;
}

static void test_store(void **state)
{
    (void)state;
    struct store *s;
    struct err e = {0};
    assert_int_equal(store_open(&s, ":memory:", &e), 0);
    struct dashboard d = load(s, 0);
    assert_int_equal(d.n, 0);
    dashboard_free(&d);
    put_nights(s, 50);
    d = load(s, 0);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.line[0].n, 50);
    assert_true(fabs(d.line[0].p[7].lo / d.line[0].p[7].value - 0.99) < 1e-12);
    assert_true(fabs(d.line[0].p[7].hi / d.line[0].p[7].value - 1.02) < 1e-12);
    assert_int_equal(d.line[0].n_changes, 1);
    assert_int_equal(d.line[0].change[0].index, 25);
    assert_int_equal(d.n_worse, 1);
    assert_true(fabs(d.line[0].worst - 0.08) < 0.005);
    char id[17];
    memcpy(id, d.line[0].change[0].c.id, sizeof id);
    dashboard_free(&d);
    /* the change has a name that people can answer, and it stays what they say */
    assert_int_equal(store_set_change(s, id, CHANGE_ACCEPTED, "new default", NULL, &e), 0);
    d = load(s, 0);
    assert_int_equal(d.line[0].n_changes, 1);
    assert_string_equal(d.line[0].change[0].c.id, id);
    assert_int_equal(d.line[0].change[0].c.state, CHANGE_ACCEPTED);
    assert_string_equal(d.line[0].change[0].c.note, "new default");
    assert_int_equal(d.n_worse, 0);
    dashboard_free(&d);
    /* of the last nights only: the change lies before them, and is not found anew at their edge */
    int64_t since;
    assert_true(clock_parse("2026-02-10", &since));
    d = load(s, since);
    assert_int_equal(d.line[0].n, 13);
    assert_int_equal(d.line[0].n_changes, 0);
    dashboard_free(&d);
    store_close(s);
}

/* All repetitions of a series at once are those that one run after the other has. */
struct compared {
    struct store *s;
    int n_runs;
    int64_t run[40];
    double x[40][8];
    int n[40];
};

static int keep_samples(void *arg, int64_t run, double *x, int n)
{
    struct compared *c = arg;
    assert_true(c->n_runs < 40 && n <= 8);
    c->run[c->n_runs] = run;
    c->n[c->n_runs] = n;
    memcpy(c->x[c->n_runs++], x, (size_t)n * sizeof *x);
    return 0;
}

static int compare_samples(void *arg, const struct series *s)
{
    struct compared *c = arg;
    struct err e = {0};
    c->n_runs = 0;
    assert_int_equal(series_samples_each(c->s, s, s->p[2].time, keep_samples, c, &e), 0);
    assert_int_equal(c->n_runs, s->n - 2);
    for (int i = 0; i < c->n_runs; i++) {
        double x[8];
        assert_int_equal(c->run[i], s->p[i + 2].run);
        assert_int_equal(series_samples(c->s, c->run[i], s->metric, x, 8, &e), c->n[i]);
        for (int k = 0; k < c->n[i]; k++)
            assert_true(fabs(x[k] / c->x[i][k] - 1) < 1e-12);
        assert_true(fabs(stats_median(x, c->n[i]) / s->p[i + 2].value - 1) < 1e-9);
    }
    return 0;
}

static void test_samples(void **state)
{
    (void)state;
    struct compared c;
    struct err e = {0};
    struct record r;
    assert_int_equal(store_open(&c.s, ":memory:", &e), 0);
    put_nights(c.s, 10);
    for (int i = 0; i < 10; i++) {
        record_init(&r);
        snprintf(r.date, sizeof r.date, "2026-01-%02dT03:00:00Z", i + 1);
        snprintf(r.env_sha256, sizeof r.env_sha256, "env");
        snprintf(r.model.sha256, sizeof r.model.sha256, "m");
        r.workload.n_gen = 64;
        r.speed.decode_ns = (struct samples){.n = 3, .x = {2e9 + i, 1e9, 4e9}};
        r.speed.decode_tok_s = (struct interval){64e9 / (2e9 + i), 1, 99};
        r.status = STATUS_OK;
        assert_int_equal(store_put(c.s, &r, &e), 0);
    }
    assert_int_equal(series_each(c.s, NULL, compare_samples, &c, &e), 0);
    assert_int_equal(c.n_runs, 8);
    store_close(c.s);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct store *s;
    struct err e = {0};
    assert_int_equal(store_open(&s, ":memory:", &e), 0);
    put_nights(s, 50);
    struct dashboard d = load(s, 0);
    dashboard_free(&d);
    long n = 1;
    for (int rc = -1; rc != 0; n += 1 + n / 16) { /* later ones are more of the same */
        mem_fail_from(n);
        rc = dashboard_load(&d, s, NULL, &e);
        mem_fail_from(0);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        dashboard_free(&d);
    }
    assert_true(n > 20);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval),   cmocka_unit_test(test_nights),       cmocka_unit_test(test_open),
        cmocka_unit_test(test_gone_again), cmocka_unit_test(test_environments), cmocka_unit_test(test_release),
        cmocka_unit_test(test_store),      cmocka_unit_test(test_samples),      cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
