/* File names that are pasted into a shell. */
#ifndef BASE_SHELL_H
#define BASE_SHELL_H
#include "base/sbuf.h"

/* Plain names stay as they are, everything else goes into single quotes; "./" in front of what would be an option. */
void sbuf_add_shell(struct sbuf *b, const char *s);
#endif
