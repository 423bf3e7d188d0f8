/* What a sweep's budget is spent on, against shares worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bench/budget.h"

static void close_to(double a, double b)
{
    if (!(fabs(a - b) <= 1e-12 * fabs(b)))
        fail_msg("%.12g is not %.12g", a, b);
}

/* Deciding and writing take 2 %, of long budgets a second. */
static void the_answer_has_its_part(void **state)
{
    (void)state;
    close_to(budget_left_s(30, 0), 29.4);
    close_to(budget_left_s(50, 12), 37);
    close_to(budget_left_s(3600, 0), 3599);
    close_to(budget_left_s(50, 49.5), 0);
    close_to(budget_left_s(0, 0), 0);
    close_to(budget_rest_s(50, 12), 38);
    close_to(budget_rest_s(50, 51), 0);
    assert_true(isnan(budget_rest_s(NAN, 3))); /* none was given: no end */
}

/* However many containers, one after the other: together they get what is left, and no more. */
static void containers_share_what_is_left(void **state)
{
    (void)state;
    close_to(budget_real_share(0), 0);
    close_to(budget_real_share(1), 0.4);
    close_to(budget_real_share(3), 0.56);
    close_to(budget_real_share(9), 0.6);
    double spent = 20;
    for (int left = 4; left > 0; left--)
        spent += budget_container_s(budget_left_s(50, spent), left, false);
    close_to(spent, 49);
    close_to(budget_container_s(budget_left_s(50, 60), 2, false), 0);
    close_to(budget_container_s(6, 2, true), 12); /* nobody named a budget */
    close_to(budget_container_s(60, 2, true), 30);
}

static void a_chunk_is_begun_where_it_fits(void **state)
{
    (void)state;
    close_to(budget_chunk_s(512, 1024, 0), 1.5);
    close_to(budget_chunk_s(512, 1024, 4), 4);
    close_to(budget_chunk_s(512, NAN, 0), 0);
    close_to(budget_chunk_s(512, NAN, 2), 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_has_its_part),
        cmocka_unit_test(containers_share_what_is_left),
        cmocka_unit_test(a_chunk_is_begun_where_it_fits),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
