/* A growing byte string. Failure sticks: after an allocation failed, `failed` is set and appends do nothing,
 * so a writer checks once at its end. p is always NUL-terminated once anything was added. */
#ifndef BASE_SBUF_H
#define BASE_SBUF_H
#include <stdbool.h>
#include <stddef.h>

struct sbuf {
    char *p;
    size_t n, cap;
    bool failed;
};

void sbuf_add(struct sbuf *b, const void *p, size_t n);
void sbuf_puts(struct sbuf *b, const char *s);
void sbuf_putc(struct sbuf *b, char c);
void sbuf_printf(struct sbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Bytes of the UTF-8 character at s, 0 when there is none (RFC 3629: no surrogates, nothing overlong). */
int utf8_length(const char *s);
void sbuf_add_utf8(struct sbuf *b, const char *s);   /* bytes that are no UTF-8 become '?' */
const char *sbuf_str(const struct sbuf *b);   /* "" when empty */
void sbuf_free(struct sbuf *b);

#endif
