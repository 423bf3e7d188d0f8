/* The sentence that goes with an error code. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (!e)
        return code;
    e->code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    return code;
}

int err_context(struct err *e, const char *fmt, ...)
{
    if (!e)
        return ERR_IO;
    char text[sizeof e->text];
    memcpy(text, e->text, sizeof text);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof e->text)
        snprintf(e->text + n, sizeof e->text - (size_t)n, ": %s", text);
    return e->code;
}

int err_nomem(struct err *e, unsigned long long bytes, const char *what)
{
    return err_set(e, ERR_NOMEM, "cannot allocate %llu bytes for %s; close other programs or choose a smaller model",
                   bytes, what);
}
