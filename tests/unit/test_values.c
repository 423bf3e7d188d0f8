/* bench/values: dates against known seconds, cells by RFC 4180, order, sizes, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/sbuf.h"
#include "bench/values.h"

static void read_good(struct value_table *t, const char *text)
{
    struct err e = {0};
    if (values_read(t, text, strlen(text), "t.csv", &e) != 0)
        fail_msg("%s", e.text);
}

/* Seconds of GNU date: date -u -d '...' +%s */
static void dates(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double s;
    } known[] = {{"1970-01-01", 0},
                 {"2000-02-29", 951782400},
                 {"2026-11-22", 1795305600},
                 {"1969-12-31T23:59:59Z", -1},
                 {"2026-11-22T03:15:00Z", 1795317300},
                 {"2026-11-22 03:15", 1795317300},
                 {"2026-11-22T03:15:00.25Z", 1795317300.25},
                 {"2026-11-22T03:15:00+02:00", 1795310100},
                 {"2026-11-22T03:15:00-0530", 1795337100},
                 {"2100-03-01", 4107542400},
                 {"1795305600", 1795305600},
                 {"-12.5", -12.5}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[100];
        struct value_table t;
        snprintf(text, sizeof text, "time,value\n%s,1\n", known[i].text);
        read_good(&t, text);
        if (t.series[0].row[0].time != known[i].s)
            fail_msg("%s: %.3f", known[i].text, t.series[0].row[0].time);
        assert_string_equal(t.series[0].row[0].when, known[i].text);
        values_free(&t);
    }
}

static void cells(void **state)
{
    (void)state;
    struct value_table t;
    read_good(&t,
              "\xef\xbb\xbfSERIES,note, Value ,time\r\n\"a \"\"b\"\", c\",\"two\nlines\",1e3,2\r\n\r\nd,,\"7\",1\n");
    assert_int_equal(t.n, 2);
    assert_string_equal(t.series[0].name, "a \"b\", c");
    assert_true(t.series[0].row[0].value == 1000 && t.series[0].row[0].line == 2);
    assert_true(t.series[1].row[0].value == 7 && t.series[1].row[0].line == 5); /* the quoted line end counts */
    values_free(&t);
    read_good(&t, "time\tvalue\n1\t2\n2\tNA");
    assert_true(t.series[0].n == 2 && isnan(t.series[0].row[1].value) && t.n_missing == 1 && t.first_missing == 3);
    values_free(&t);
}

static void order_by_time_then_by_line(void **state)
{
    (void)state;
    struct value_table t;
    read_good(&t, "time,value\n3,1\n1,2\n3,3\n2,4\n");
    const double want[] = {2, 4, 1, 3};
    for (int i = 0; i < 4; i++)
        assert_true(t.series[0].row[i].value == want[i]);
    assert_true(t.n_disorder == 2 && t.first_disorder == 3);
    values_free(&t);
}

static void many(void **state)
{
    (void)state;
    struct sbuf b = {0};
    struct value_table t;
    sbuf_puts(&b, "series,value\n");
    for (int i = 0; i < 30000; i++)
        sbuf_printf(&b, "s%d,%d\n", i % 300, i);
    read_good(&t, sbuf_str(&b));
    assert_int_equal(t.n, 300);
    for (int i = 0; i < 300; i++)
        for (int k = 0; k < 100; k++)
            assert_true(t.series[i].n == 100 && t.series[i].row[k].value == 300 * k + i);
    values_free(&t);
    sbuf_free(&b);
}

static void refused(void **state)
{
    (void)state;
    const struct {
        const char *text, *words;
    } bad[] = {{"", "empty"},
               {"time,value", "no rows"},
               {"value,time\n1", "line 2 has 1 cells"},
               {"value\n1\n0x", "line 3: \"0x\" is no number"},
               {"time,value\n2026-02-32,1", "line 2: \"2026-02-32\" is no time"},
               {"time,value\n2026-02-03T99:00,1", "is no time"},
               {"time,value\n2026-02-03x,1", "is no time"},
               {"time,value\nnan,1", "is no time"},
               {"time,value\n1,1e999", "line 2: the value is 1e999"},
               {"time,value\n1,\"2", NULL}}; /* an open quote at the end is read as closed */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct value_table t;
        struct err e = {0};
        int rc = values_read(&t, bad[i].text, strlen(bad[i].text), "t.csv", &e);
        if (bad[i].words ? rc >= 0 || !strstr(e.text, bad[i].words) : rc < 0)
            fail_msg("%s: %s", bad[i].text, e.text);
        values_free(&t);
    }
}

/* Names that differ far behind are two; one that had to be cut is refused. */
static void long_names(void **state)
{
    (void)state;
    char text[2000], name[1000];
    struct value_table t;
    struct err e = {0};
    memset(name, 'n', sizeof name);
    snprintf(text, sizeof text, "value,series\n1,%.590sa\n2,%.590sb\n", name, name);
    read_good(&t, text);
    assert_int_equal(t.n, 2);
    values_free(&t);
    snprintf(text, sizeof text, "value,series\n1,%.700s\n", name);
    assert_int_equal(values_read(&t, text, strlen(text), "t.csv", &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "line 2: the name of the series is too long"));
}

static void no_memory(void **state)
{
    (void)state;
    const char *text = "time,value,series\n1,1,a\n1,1,b\n1,1,c\n";
    int rc = -1;
    for (int at = 1; rc < 0; at++) {
        struct value_table t;
        mem_fail_from(at);
        rc = values_read(&t, text, strlen(text), "t.csv", NULL);
        mem_fail_from(0);
        assert_true(rc == 0 || (rc == ERR_NOMEM && t.n == 0 && !t.series));
        values_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates),    cmocka_unit_test(cells),   cmocka_unit_test(order_by_time_then_by_line),
        cmocka_unit_test(many),     cmocka_unit_test(refused), cmocka_unit_test(long_names),
        cmocka_unit_test(no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
