/* Text of any bytes as proper UTF-8, by the lenient rules of llama.cpp: malformed bytes become U+FFFD one by one,
 * overlong forms are taken at their value, surrogates stay. */
#include "bench/engine/vocab_int.h"

enum { REPLACEMENT = 0xfffd, NONCHARACTER = 0xfffe };
enum { MARK_3 = 0x0cbe, LETTER_4 = 0x20000, NUMBER_4 = 0x1d7ce, MARK_4 = 0x11001, PUNCTUATION_4 = 0x10100 };

/* The code point at p and its length; -1 where there is none. */
static int32_t code_point(const uint8_t *p, size_t n, size_t *len)
{
    const size_t want = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    *len = 1;
    if (want < 2)
        return want ? p[0] : -1;
    if (want > n)
        return -1;
    uint32_t c = p[0] & (0x7fu >> want);
    for (size_t i = 1; i < want; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c > 0x10ffff)
        return -1;
    *len = want;
    return (int32_t)c;
}

static size_t put_utf8(char *out, uint32_t c)
{
    const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xf0) | c);
    return n;
}

static uint32_t matched_as(uint32_t c)
{
    static const struct {
        uint32_t first, last, shown;
    } rows[] = {
#define MATCHED_AS(first, last, shown) {first, last, shown},
#include "bench/engine/matched_as.def"
#undef MATCHED_AS
    };
    size_t lo = 0, hi = sizeof rows / sizeof *rows;
    if (c < rows[0].first)
        return c;
    while (hi - lo > 1) {
        const size_t mid = lo + (hi - lo) / 2;
        if (c < rows[mid].first)
            hi = mid;
        else
            lo = mid;
    }
    return c <= rows[lo].last ? rows[lo].shown : c;
}

/* No more than three times as long: a lone byte becomes three. */
int clean_utf8(struct clean_text *c, const char *text, size_t n, struct err *e)
{
    const uint8_t *p = (const uint8_t *)text;
    c->n = 0;
    if (!(c->text = mem_alloc(6 * n)))
        return err_nomem(e, 6 * n, "a text");
    c->matched = c->text + 3 * n;
    for (size_t i = 0, len; i < n; i += len) {
        const int32_t point = code_point(p + i, n - i, &len);
        const uint32_t x = point < 0 ? REPLACEMENT : (uint32_t)point;
        put_utf8(c->matched + c->n, matched_as(x));
        c->n += put_utf8(c->text + c->n, x);
    }
    return 0;
}
