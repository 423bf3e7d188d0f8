/* Names, reasons and commands come from files that others wrote. Each writer passes every string through the escape of
 * its own format; all of them first replace bytes that are no UTF-8, and control characters. */
#ifndef REPORTS_ESCAPE_H
#define REPORTS_ESCAPE_H
#include "base/sbuf.h"

void escape_plain(struct sbuf *b, const char *s);    /* a terminal: no control characters, no escape sequences */
void escape_csv(struct sbuf *b, const char *s);      /* one RFC 4180 field; a formula gets an apostrophe in front */
void escape_html(struct sbuf *b, const char *s);     /* text and quoted attributes */
void escape_markdown(struct sbuf *b, const char *s); /* inline text, also inside table cells */
void escape_script(struct sbuf *b, const char *s);   /* a JSON string with its quotes, also inside <script> */
void escape_base64(struct sbuf *b, const void *p, size_t n);
/* Plain text from column `indent` on, broken at spaces; ends the line. */
void text_wrap(struct sbuf *out, const char *text, int indent, int width);
int text_columns(const char *s); /* characters of a cleaned string */
#endif
