/* Normalization form C against Python's unicodedata (tests/golden/record_nfc.py). */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "bench/engine/vocab_nfc.h"

static size_t from_hex(char *out, const char *hex)
{
    unsigned byte;
    size_t n = 0;
    for (; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        out[n] = (char)byte;
    return n;
}

static void texts_are_composed_as_unicodedata_does(void **state)
{
    FILE *f = fopen(SOURCE_ROOT "/tests/golden/nfc.txt", "r");
    char line[4096], text[2][1024], hex[2][2048];
    int n_texts = 0, n_changed = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#' || sscanf(line, "%2047s %2047s", hex[0], hex[1]) != 2)
            continue;
        size_t n = from_hex(text[0], hex[0]), n_want = from_hex(text[1], hex[1]);
        struct sbuf out = {0};
        assert_int_equal(nfc_add(&out, text[0], n, NULL), 0);
        if (out.n != n_want || memcmp(out.p, text[1], n_want))
            fail_msg("%s is not composed to %s", hex[0], hex[1]);
        bool changed = n != n_want || memcmp(text[0], text[1], n);
        assert_false(changed && nfc_is_plain(text[0], n));
        n_changed += changed;
        n_texts++;
        sbuf_free(&out);
    }
    fclose(f);
    assert_true(n_texts > 500 && n_changed > 400);
}

static void plain_text_is_known(void **state)
{
    (void)state;
    assert_true(nfc_is_plain("ascii", 5));
    assert_true(nfc_is_plain("", 0));
    assert_true(nfc_is_plain("\xc3\xa9\xcb\xbf", 4)); /* up to U+02FF */
    assert_false(nfc_is_plain("a\xcc\x80", 3));       /* U+0300 */
}

/* Bytes that are no UTF-8 stay; a mark behind them has no letter to join. */
static void broken_text_stays(void **state)
{
    static const char text[] = "e\xcc\x81\xff\xcc\x81" "a\xcc\x88\xe2\x82", want[] = "\xc3\xa9\xff\xcc\x81\xc3\xa4\xe2\x82";
    struct sbuf out = {0};
    (void)state;
    assert_int_equal(nfc_add(&out, text, sizeof text - 1, NULL), 0);
    assert_int_equal(out.n, sizeof want - 1);
    assert_memory_equal(out.p, want, sizeof want - 1);
    sbuf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_composed_as_unicodedata_does),
        cmocka_unit_test(plain_text_is_known),
        cmocka_unit_test(broken_text_stays),
    };
    return cmocka_run_group_tests_name("nfc", tests, NULL, NULL);
}
