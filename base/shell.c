/* File names that are pasted into a shell. */
#include "base/shell.h"

#include <ctype.h>
#include <string.h>

/* Control characters and bytes that no report can show as they are (each escapes its text) go through printf. */
static void add_printed(struct sbuf *b, const char *s)
{
    sbuf_puts(b, "\"$(printf '");
    for (; *s; s++)
        if (isalnum((unsigned char)*s) || strchr("._/@+:-", *s))
            sbuf_putc(b, *s);
        else
            sbuf_printf(b, "\\%03o", (unsigned char)*s);
    sbuf_puts(b, "')\"");
}

/* ASCII without controls, and bytes above it that may be UTF-8 that shows: letters, but no marks of the general
 * punctuation block (0xe2 0x80), which hide or turn text, and no invalid lead bytes. $(...) drops a line end at the end
 * of a name: that one stays as it was. */
static bool needs_printf(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t n = strlen(s);
    if (n && s[n - 1] == '\n')
        return false;
    for (; *p; p++) {
        int more = *p < 0x80 ? 0 : *p >= 0xc3 && *p < 0xe0 ? 1 : *p > 0xe0 && *p < 0xed && *p != 0xe2 ? 2 : -1;
        if (*p < ' ' || *p == 127 || more < 0)
            return true;
        for (; more > 0; more--)
            if ((*++p & 0xc0) != 0x80)
                return true;
    }
    return false;
}

void sbuf_add_shell(struct sbuf *b, const char *s)
{
    bool plain = *s && *s != '-';
    for (const char *c = s; *c; c++)
        plain = plain && (isalnum((unsigned char)*c) || strchr("._/@+:-", *c));
    if (plain) {
        sbuf_puts(b, s);
        return;
    }
    if (*s == '-')
        sbuf_puts(b, "./");
    if (needs_printf(s)) {
        add_printed(b, s);
        return;
    }
    sbuf_putc(b, '\'');
    for (; *s; s++) {
        if (*s == '\'')
            sbuf_puts(b, "'\\''");
        else
            sbuf_putc(b, (unsigned char)*s < ' ' || *s == 127 ? '?' : *s);
    }
    sbuf_putc(b, '\'');
}
