/* Who leaves a race, against cases whose answer is known: dominated on every axis or on all but one, above the limit,
 * another framework's, too few chunks, and Student's quantile from a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include "bench/race.h"

enum { N = 12 };

/* Means of chunks around `mean`, the same swings for all: pairs differ by a constant. */
static void swing(double *kld, double mean)
{
    for (int i = 0; i < N; i++)
        kld[i] = mean * (1 + 0.5 * sin(i));
}

static struct racer racer_of(const char *name, const char *framework, double bytes, double speed, const double *kld)
{
    return (struct racer){.name = name,
                          .framework = framework,
                          .bytes = bytes,
                          .decode = {speed, speed - 1, speed + 1},
                          .prefill = {speed, speed - 1, speed + 1},
                          .kld = kld,
                          .n_chunks = N};
}

static void the_beaten_leave(void **state)
{
    double a[N], b[N], far[N];
    swing(a, 0.010);
    swing(b, 0.013);
    swing(far, 0.4);
    struct racer r[] = {
        racer_of("best", "llama.cpp", 100, 50, a),
        racer_of("beaten", "llama.cpp", 110, 49, b),
        racer_of("smaller", "llama.cpp", 90, 49, b),
        racer_of("faster", "llama.cpp", 110, 51, b),
        racer_of("elsewhere", "mlx", 110, 49, b),
        racer_of("ruined", "mlx", 10, 90, far),
        racer_of("without a speed", "llama.cpp", 110, NAN, b),
    };
    enum { N_RACERS = sizeof r / sizeof *r };
    (void)state;
    assert_int_equal(race_look(r, N_RACERS, 0.1), N_RACERS - 2);
    for (int i = 0; i < N_RACERS; i++)
        assert_int_equal(r[i].out, i == 1 || i == 5);
    assert_non_null(strstr(r[1].why, "after 12 chunks best is surely closer"));
    assert_non_null(strstr(r[5].why, "limit"));
    for (int i = 0; i < N_RACERS; i++)
        r[i].out = false;
    assert_int_equal(race_look(r, N_RACERS, 0.001), N_RACERS - 1); /* nobody keeps that limit: it takes nobody out */
    r[0].n_chunks = RACE_LEAST_CHUNKS - 1;
    r[1].out = false;
    assert_int_equal(race_look(r, N_RACERS, 0.001), N_RACERS); /* too early */
}

/* Differences around a mean of which the standard error is known, and Student's quantile for 99 % from a table: a mean
 * 0.2 % beyond it is sure, one 0.2 % below is not. */
static void the_interval_is_students(void **state)
{
    static const struct {
        int n;
        double t;
    } table[] = {{5, 4.6041}, {6, 4.0321}, {9, 3.3554}, {10, 3.2498}, {12, 3.1058}};
    (void)state;
    for (size_t k = 0; k < sizeof table / sizeof *table; k++)
        for (int sure = 0; sure <= 1; sure++) {
            const int n = table[k].n;
            double zero[N] = {0}, d[N], squares = 0, swing_mean = 0;
            for (int i = 0; i < n; i++)
                swing_mean += (i % 2 ? 1.0 : -1.0) / n;
            for (int i = 0; i < n; i++)
                squares += pow((i % 2 ? 1 : -1) - swing_mean, 2);
            double mean = table[k].t * sqrt(squares / (n - 1) / n) * (sure ? 1.002 : 0.998);
            for (int i = 0; i < n; i++)
                d[i] = mean + (i % 2 ? 1 : -1) - swing_mean;
            struct racer r[] = {racer_of("a", "x", 1, 2, zero), racer_of("b", "x", 2, 1, d)};
            r[0].n_chunks = r[1].n_chunks = n;
            assert_int_equal(race_look(r, 2, NAN), sure ? 1 : 2);
            assert_int_equal(race_is_over(r, 2, NAN), sure);
        }
}

static void the_race_ends_when_nothing_can_change(void **state)
{
    double a[N], b[N], c[N];
    swing(a, 0.010);
    swing(b, 0.030);
    for (int i = 0; i < N; i++)
        c[i] = 0.010 + 0.01 * sin(3 * i);
    struct racer r[] = {racer_of("a", "x", 3, 1, a), racer_of("b", "x", 2, 2, b), racer_of("c", "x", 1, 3, c)};
    (void)state;
    assert_true(race_is_over(r, 2, 0.1));
    assert_false(race_is_over(r, 2, 0.012)); /* a may lie on either side */
    assert_false(race_is_over(r, 3, 0.1));   /* a and c in either order */
    r[2].framework = "y";
    assert_true(race_is_over(r, 3, 0.1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_beaten_leave),
        cmocka_unit_test(the_interval_is_students),
        cmocka_unit_test(the_race_ends_when_nothing_can_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
