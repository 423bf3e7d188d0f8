/* Escapes of the output formats. */
#include "reports/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* C1 controls and the marks that reorder or hide text. */
static bool invisible(const unsigned char *s, int n)
{
    if (n == 2)
        return s[0] == 0xc2 && s[1] < 0xa0;
    if (n != 3)
        return false;
    unsigned c = (unsigned)(s[0] & 0x0f) << 12 | (unsigned)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
    return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* Calls emit for each character that may be shown; line ends and tabs come as ' ', the rest that may not as U+FFFD. */
static void each_character(struct sbuf *b, const char *text, void (*emit)(struct sbuf *, const char *, int))
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        int n = utf8_length((const char *)s);
        if (n == 1 && (*s == '\n' || *s == '\t' || *s == '\r'))
            emit(b, " ", 1);
        else if (n == 0 || (n == 1 && (*s < ' ' || *s == 127)) || invisible(s, n))
            emit(b, "\xef\xbf\xbd", 3);
        else
            emit(b, (const char *)s, n);
        s += n ? n : 1;
    }
}

static void emit_plain(struct sbuf *b, const char *c, int n)
{
    sbuf_add(b, c, (size_t)n);
}

void escape_plain(struct sbuf *b, const char *s)
{
    each_character(b, s, emit_plain);
}

static void emit_csv(struct sbuf *b, const char *c, int n)
{
    if (*c == '"')
        sbuf_putc(b, '"');
    sbuf_add(b, c, (size_t)n);
}

void escape_csv(struct sbuf *b, const char *s)
{
    bool formula = *s && strchr("=+-@\t\r\n", *s);
    bool quote = strpbrk(s, ",\"\r\n") != NULL;
    if (quote)
        sbuf_putc(b, '"');
    if (formula)
        sbuf_putc(b, '\'');
    each_character(b, s, emit_csv);
    if (quote)
        sbuf_putc(b, '"');
}

static void emit_html(struct sbuf *b, const char *c, int n)
{
    switch (*c) {
    case '&':
        sbuf_puts(b, "&amp;");
        break;
    case '<':
        sbuf_puts(b, "&lt;");
        break;
    case '>':
        sbuf_puts(b, "&gt;");
        break;
    case '"':
        sbuf_puts(b, "&quot;");
        break;
    case '\'':
        sbuf_puts(b, "&#39;");
        break;
    default:
        sbuf_add(b, c, (size_t)n);
    }
}

void escape_html(struct sbuf *b, const char *s)
{
    each_character(b, s, emit_html);
}

static void emit_markdown(struct sbuf *b, const char *c, int n)
{
    if (*c == '&' || *c == '<' || *c == '>')
        emit_html(b, c, n);
    else {
        if (strchr("\\`*_{}[]#|~!$", *c))
            sbuf_putc(b, '\\');
        sbuf_add(b, c, (size_t)n);
    }
}

void escape_markdown(struct sbuf *b, const char *s)
{
    each_character(b, s, emit_markdown);
}

/* No "</script" and no "<!--" can come out of it. */
static void emit_script(struct sbuf *b, const char *c, int n)
{
    if (strchr("<>&'", *c))
        sbuf_printf(b, "\\u%04x", *c);
    else if (*c == '"' || *c == '\\')
        sbuf_printf(b, "\\%c", *c);
    else
        sbuf_add(b, c, (size_t)n);
}

void escape_script(struct sbuf *b, const char *s)
{
    sbuf_putc(b, '"');
    each_character(b, s, emit_script);
    sbuf_putc(b, '"');
}

void escape_base64(struct sbuf *b, const void *p, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = p;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)s[i] << 16 | (i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0);
        char out[4] = {digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=',
                       i + 2 < n ? digit[v & 63] : '='};
        sbuf_add(b, out, 4);
    }
}

int text_columns(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void text_wrap(struct sbuf *out, const char *text, int indent, int width)
{
    struct sbuf b = {0};
    escape_plain(&b, text);
    int at = indent;
    for (const char *p = sbuf_str(&b); *p;) {
        size_t n = strcspn(p, " ");
        char word[512];
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        int columns = text_columns(word);
        if (at > indent && at + 1 + columns > width) {
            sbuf_printf(out, "\n%*s", indent, "");
            at = indent;
        }
        sbuf_printf(out, "%s%.*s", at > indent ? " " : "", (int)n, p);
        at += columns + (at > indent);
        p += n + strspn(p + n, " ");
    }
    sbuf_putc(out, '\n');
    out->failed = out->failed || b.failed;
    sbuf_free(&b);
}
