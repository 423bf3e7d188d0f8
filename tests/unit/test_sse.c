/* bench/runners/sse: the same events whatever the pieces; endings, comments, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "bench/runners/sse.h"

static int keep(void *arg, const char *data, size_t n)
{
    struct sbuf *all = arg;
    assert_int_equal(data[n], 0);
    sbuf_add(all, data, n);
    sbuf_putc(all, '|');
    return memcmp(data, "stop", n < 4 ? n : 4) == 0 && n >= 4 ? -77 : 0;
}

static void close_all(struct sse *s, struct sbuf *all)
{
    sse_free(s);
    sbuf_free(all);
}

/* In pieces of `piece` bytes. */
static int feed(struct sse *s, const char *text, size_t n, size_t piece, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i += piece)
        rc = sse_feed(s, text + i, n - i < piece ? n - i : piece, e);
    return rc == 0 ? sse_end(s, e) : rc;
}

static void gives_n(const char *text, size_t n, bool lines, const char *wanted)
{
    for (size_t piece = 1; piece <= n; piece++) {
        struct sbuf all = {0};
        struct sse s = {.lines = lines, .most_bytes = 64, .on_event = keep, .arg = &all};
        struct err e = {0};
        if (feed(&s, text, n, piece, &e) < 0)
            fail_msg("%s in pieces of %zu: %s", text, piece, e.text);
        if (strcmp(sbuf_str(&all), wanted) != 0)
            fail_msg("%s in pieces of %zu gives %s, not %s", text, piece, sbuf_str(&all), wanted);
        close_all(&s, &all);
    }
}

static void gives(const char *text, bool lines, const char *wanted)
{
    gives_n(text, strlen(text), lines, wanted);
}

static void events(void **state)
{
    (void)state;
    gives("data: a\n\n", false, "a|");
    gives("data: a\r\n\r\ndata: b\r\rdata: c\n\n", false, "a|b|c|");
    gives("data: a\r\n\ndata: b\n\r\n", false, "a|b|");                     /* CR LF and LF mixed */
    gives(": ping\n\ndata:a\n: in between\ndata:  b\n\n", false, "a\n b|"); /* one space only is dropped */
    gives("event: x\nid: 7\nretry: 10\ndata: a\nnonsense\ndatum: q\n\n", false, "a|");
    gives("data\n\ndata:\n\ndata\ndata\n\n", false, "||\n|"); /* empty data is an event */
    gives("\xef\xbb\xbf"
          "data: a\n\n",
          false, "a|");
    gives("\n\n\n: only comments\n\n", false, "");
    gives("data: a\n\ndata: lost", false, "a|");
    gives("data: a\n\ndata: lost\n", false, "a|");
    gives("data: [DONE]\n\ndata: after\n\n", false, "");
    gives("data: a\n\ndata: [DONE]\n\ngarbage\n\ndata: b\n\n", false, "a|");
    gives("data: [DONE] \n\n", false, "[DONE] |");
    gives_n("data: a\0b\n\n", 12, false, "a"); /* compared as text: up to the NUL */
}

static void lines_of_json(void **state)
{
    (void)state;
    gives("{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}", true, "{\"a\":1}|{\"b\":2}|{\"c\":3}|");
    gives("data: a\n\n", true, "data: a|");
    gives("\n\n", true, "");
}

static void bounds(void **state)
{
    (void)state;
    for (int lines = 0; lines < 2; lines++)
        for (size_t piece = 1; piece < 100; piece += 33) {
            struct sbuf all = {0};
            struct sse s = {.lines = lines, .most_bytes = 64, .on_event = keep, .arg = &all};
            struct err e = {0};
            char text[200];
            memset(text, 'x', sizeof text);
            assert_int_equal(feed(&s, text, sizeof text, piece, &e), ERR_FORMAT);
            assert_non_null(strstr(e.text, "a line of more than 64 bytes"));
            assert_true(s.line.cap <= 128);
            close_all(&s, &all);
        }
    struct sbuf all = {0};
    struct sse s = {.most_bytes = 64, .on_event = keep, .arg = &all};
    struct err e = {0};
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++) /* many short lines of one event */
        rc = sse_feed(&s, "data: 0123456789\n", 17, &e);
    assert_int_equal(rc, ERR_FORMAT);
    assert_non_null(strstr(e.text, "an event of more than 64 bytes"));
    close_all(&s, &all);
}

static void the_callback_stops(void **state)
{
    (void)state;
    struct sbuf all = {0};
    struct sse s = {.most_bytes = 64, .on_event = keep, .arg = &all};
    const char text[] = "data: a\n\ndata: stop\n\ndata: b\n\n";
    assert_int_equal(sse_feed(&s, text, sizeof text - 1, NULL), -77);
    assert_string_equal(sbuf_str(&all), "a|stop|");
    close_all(&s, &all);
}

static void no_memory(void **state)
{
    (void)state;
    int rc = ERR_NOMEM;
    for (long n = 1; n < 20 && rc == ERR_NOMEM; n++) {
        struct sbuf all = {0};
        struct sse s = {.most_bytes = 4096, .on_event = keep, .arg = &all};
        char text[1000] = "data: ";
        memset(text + 6, 'x', sizeof text - 8);
        memcpy(text + sizeof text - 2, "\n\n", 2);
        mem_fail_from(n);
        rc = sse_feed(&s, text, sizeof text, NULL);
        mem_fail_from(0);
        close_all(&s, &all);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events),    cmocka_unit_test(lines_of_json),      cmocka_unit_test(bounds),
        cmocka_unit_test(no_memory), cmocka_unit_test(the_callback_stops),
    };
    return cmocka_run_group_tests_name("sse", tests, NULL, NULL);
}
